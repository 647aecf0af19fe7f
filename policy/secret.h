/* SPDX-License-Identifier: ISC */
/*
 * Passwords of upstreams.  They are no part of the policy image, which anybody
 * may see who asks tpxd: relays get them by a memfd of their own, an array
 * with one of these for each upstream of the image, in its order.
 */
#ifndef POLICY_SECRET_H
#define POLICY_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "policy/image.h"
#include "schema/limits.h"

/* Zeros follow the bytes; length 0: the upstream has no user. */
struct secret {
	uint8_t length;
	char bytes[LIMIT_CREDENTIAL_BYTES];
};

/*
 * Cuts one newline off the end of a password file's text and stores the rest.
 * NULL, or why it cannot be a password: it is empty, longer than 255 bytes, or
 * has a NUL or another newline inside.
 */
const char *secret_set(struct secret *, const char *text, size_t len);

/* As image_check(), of the secrets that belong to an image. */
int secrets_check(
    const struct image *, const void *bytes, size_t len, const char **why);

#endif
