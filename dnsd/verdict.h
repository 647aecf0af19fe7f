/* SPDX-License-Identifier: ISC */
/* The policy's word on a question, as the front wants it.  Pure. */
#ifndef DNSD_VERDICT_H
#define DNSD_VERDICT_H

#include <stddef.h>
#include <stdint.h>

#include "dnsd/front.h"

struct domain_index;
struct image;

/*
 * A name in wire form, whole and in lower case, as lists have names:
 * "a.example" with no final dot.  A dot inside a label becomes a byte that no
 * name has.  Returns its length, less than LIMIT_DNS_NAME_BYTES.
 */
size_t verdict_name(
    const uint8_t *name, size_t name_bytes, char text[LIMIT_DNS_NAME_BYTES]);

/* index: the image's own; *verdict is FRONT_PASS before the call. */
void verdict_on(const struct image *, const struct domain_index *,
    const uint8_t *name, size_t name_bytes, uint16_t qtype,
    struct front_verdict *verdict);

/* Whether a name in that form may lead to private addresses. */
int verdict_may_be_private(
    const struct image *, const uint8_t *name, size_t name_bytes);

#endif
