/* SPDX-License-Identifier: ISC */
/* Descriptors 0, 1 and 2. */
#ifndef COMMON_STANDARD_H
#define COMMON_STANDARD_H

/*
 * /dev/null in the place of those that the caller left closed: a socket that
 * took it would get log lines.  For a program that reads no input, and starts
 * others, in the place of that as well: it may be somebody's terminal.  Fatal
 * without /dev/null.
 */
void standard_begin(int reads_input);

#endif
