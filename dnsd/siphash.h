/* SPDX-License-Identifier: ISC */
/*
 * SipHash-1-3 (Aumasson, Bernstein, "SipHash: a fast short-input PRF"): a hash
 * whose collisions nobody can choose who does not know the key.
 */
#ifndef DNSD_SIPHASH_H
#define DNSD_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t half[2];
};

uint64_t siphash(const struct siphash_key *, const void *bytes, size_t len);

#endif
