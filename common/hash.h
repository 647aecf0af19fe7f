/* SPDX-License-Identifier: ISC */
/*
 * A hash of what others choose: who does not know the seed cannot choose keys
 * that meet.  Pure.
 */
#ifndef COMMON_HASH_H
#define COMMON_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The finalizer of MurmurHash3. */
uint64_t hash_mix(uint64_t word);

/* Bytes that are missing in the last eight count as zeros. */
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t len);

#endif
