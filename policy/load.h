/* SPDX-License-Identifier: ISC */
/*
 * A configuration with everything that it names, as whoever runs this may read
 * it: the accounts of this host, files of lists and of policy.  Not pure.
 */
#ifndef POLICY_LOAD_H
#define POLICY_LOAD_H

#include <stddef.h>

struct conf;

/* The index of a configuration's lists of domains, for free(3). */
struct load_domains {
	void *bytes; /* NULL: it has no lists */
	size_t size_bytes;
};

/*
 * Parses and checks the text of a file that errors call path, and reads what it
 * names; real is its absolute path, beside which names without a slash are, or
 * NULL when it has none (a pipe).  A tree for conf_free(), or NULL without
 * domains.  What is wrong goes to standard error, all of it, and without
 * stdio(3), which would ask more of a sandbox.
 */
struct conf *load_conf(const char *path, const char *real, const char *text,
    size_t len, struct load_domains *);

#endif
