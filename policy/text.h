/* SPDX-License-Identifier: ISC */
/*
 * Text that grows as it is written.  A failed allocation is remembered in
 * failed and everything after it is dropped, so that only the end of a long
 * row of calls need be checked.
 */
#ifndef POLICY_TEXT_H
#define POLICY_TEXT_H

#include <stddef.h>

/* All zero is an empty text.  bytes ends in a NUL that len does not count. */
struct text {
	char *bytes; /* NULL until something is written */
	size_t len;
	size_t size;
	int failed; /* set when memory ran out (or a length overflowed) */
};

void text_printf(struct text *, const char *, ...)
    __attribute__((format(printf, 2, 3)));
void text_append(struct text *, const char *bytes, size_t len);
void text_puts(struct text *, const char *);

/* Writes bytes with everything outside printable ASCII as \xNN. */
void text_escape(struct text *, const char *bytes, size_t len);

/* 0, or -1 with ENOMEM when anything was lost. */
int text_check(const struct text *);

void text_free(struct text *); /* leaves an empty text */

#endif
