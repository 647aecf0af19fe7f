/* SPDX-License-Identifier: ISC */
/* A configuration file as tpxctl reads it, without tpxd. */
#ifndef CTL_POLICY_H
#define CTL_POLICY_H

#include <stddef.h>

#include "policy/load.h"

/*
 * Reads and checks a file.  CTL_GOOD and a tree for conf_free(), or another
 * enum ctl_exit; whatever is wrong with the file was shown, all of it.
 */
int policy_parse(const char *path, struct conf **);

/* The same, to a policy image for free(3). */
int policy_read(const char *path, void **image, size_t *len);

/* With the domain index of its lists. */
struct policy_bytes {
	void *image;
	size_t image_bytes;
	struct load_domains domains;
};

/* The same, to both for policy_free(). */
int policy_read_whole(const char *path, struct policy_bytes *);
void policy_free(struct policy_bytes *);

#endif
