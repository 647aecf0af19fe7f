/* SPDX-License-Identifier: ISC */
/* Reading text of unknown origin character by character (RFC 3629). */
#ifndef CTL_UTF8_H
#define CTL_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_BAD 0xfffdU /* U+FFFD stands for a byte that is not UTF-8 */

/*
 * The first character of a text that is not empty, and how many bytes it has.
 * Overlong forms, surrogates and cut sequences count as bad bytes.
 */
size_t utf8_next(const char *text, uint32_t *code);

/* C0, DEL, C1, and what changes the direction or the lines of text. */
int utf8_is_control(uint32_t code);

#endif
