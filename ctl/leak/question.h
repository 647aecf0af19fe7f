/* SPDX-License-Identifier: ISC */
/*
 * Questions by which clients find a way past DNS, and the answers that say that
 * it is closed (RFC 1035, 4).  Pure.
 */
#ifndef CTL_LEAK_QUESTION_H
#define CTL_LEAK_QUESTION_H

#include <stddef.h>
#include <stdint.h>

#include "policy/image.h"

enum question {
	QUESTION_NONE,
	QUESTION_CANARY,
	QUESTION_BELOW_CANARY,
	QUESTION_DDR,
	QUESTION_PRIVATE_RELAY,
	QUESTION_PRIVATE_RELAY_H2,
	QUESTION_COUNT
};

#define QUESTION_BYTES 512

/* 1 when the policy closes the way that it asks for. */
int question_is_closed(const struct image *, enum question);

/* The message, not of QUESTION_NONE; its length. */
size_t question_build(enum question, uint16_t id, uint8_t out[QUESTION_BYTES]);

/* 1 when the message answers it, and leaves that way closed; accepts any. */
int question_is_denied(
    enum question, uint16_t id, const uint8_t *bytes, size_t len);

#endif
