/* SPDX-License-Identifier: ISC */
/* Names in wire form (RFC 1035, 3.1 and 4.1.4). */
#ifndef DNSD_DNAME_H
#define DNSD_DNAME_H

#include <stddef.h>
#include <stdint.h>

#include "schema/limits.h"

/*
 * Reads the name at *at of a message, follows its pointers, and moves *at
 * behind it.  Its length, or -1: a name that is cut or longer than 255 bytes, a
 * label of another kind, a pointer that does not point before everything that
 * was read of the name yet (so that none leads round in a circle).
 */
int dname_read(const uint8_t *message, size_t len, size_t *at,
    uint8_t name[LIMIT_DNS_NAME_BYTES]);

/* The same without pointers, for questions. */
int dname_read_plain(const uint8_t *message, size_t len, size_t *at,
    uint8_t name[LIMIT_DNS_NAME_BYTES]);

/* A to Z become small letters, nothing else does (RFC 4343). */
void dname_lower(uint8_t *to, const uint8_t *from, size_t len);

/* Whether they are the same but for letter case. */
int dname_equal(const uint8_t *, const uint8_t *, size_t len);

#endif
