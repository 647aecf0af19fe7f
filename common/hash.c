/* SPDX-License-Identifier: ISC */
/* Hashes bytes of clients, and believes nothing about them.  Pure. */
#include "common/hash.h"

#include <string.h>

uint64_t
hash_mix(uint64_t word)
{
	word = (word ^ word >> 33) * 0xff51afd7ed558ccdULL;
	word = (word ^ word >> 33) * 0xc4ceb9fe1a85ec53ULL;
	return word ^ word >> 33;
}

uint64_t
hash_bytes(uint64_t seed, const void *bytes, size_t len)
{
	uint64_t result = seed, word;
	size_t i, n;

	for (i = 0; i < len; i += sizeof(word)) {
		n = len - i < sizeof(word) ? len - i : sizeof(word);
		word = 0;
		memcpy(&word, (const char *)bytes + i, n);
		result = hash_mix(result ^ word) + seed;
	}
	return result;
}
