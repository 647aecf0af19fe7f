/* SPDX-License-Identifier: ISC */
/*
 * What is made of a file that only user tpx is trusted to read: a child that
 * has become that user makes it, and hands back bytes.
 */
#ifndef CTL_FETCH_H
#define CTL_FETCH_H

#include <stddef.h>

struct fetched {
	char *bytes; /* for free(3), aligned as malloc(3) does */
	size_t len;
};

/* Writes to fd; returns an enum ctl_exit and has explained any failure. */
typedef int fetch_fn(const char *path, int fd);

/* 0 and what the child wrote, or -1; what is wrong was shown. */
int fetch_as_user(const char *path, fetch_fn *make, struct fetched *);

#endif
