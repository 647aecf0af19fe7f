/* SPDX-License-Identifier: ISC */
/* Writing to a descriptor, without stdio(3) and what it asks of a sandbox. */
#ifndef COMMON_OUTPUT_H
#define COMMON_OUTPUT_H

#include <stddef.h>

/* Writes all of it to a blocking descriptor: 0, or -1 with errno. */
int output_all(int fd, const char *bytes, size_t len);

#endif
