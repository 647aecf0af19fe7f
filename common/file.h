/* SPDX-License-Identifier: ISC */
/* Whole files of an operator's. */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include <stddef.h>

/*
 * Reads a regular file, never waiting for one that is none (a pipe, a device).
 * 0 and bytes for free(3), with a NUL behind them that len does not count; -1,
 * no bytes (NULL) and errno: EINVAL for what is not regular, EFBIG above
 * max_bytes, ETXTBSY when it grew meanwhile.
 */
int file_read(const char *path, size_t max_bytes, char **bytes, size_t *len);

#endif
