/* SPDX-License-Identifier: ISC */
/* A configuration file as tpxctl reads it, without tpxd. */
#ifndef CTL_POLICY_H
#define CTL_POLICY_H

#include <stddef.h>

struct conf;

/*
 * Reads and checks a file.  CTL_GOOD and a tree for conf_free(), or another
 * enum ctl_exit; whatever is wrong with the file was shown, all of it.
 */
int policy_parse(const char *path, struct conf **);

/* The same, to a policy image for free(3). */
int policy_read(const char *path, void **image, size_t *len);

#endif
