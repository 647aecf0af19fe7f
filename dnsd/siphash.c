/* SPDX-License-Identifier: ISC */
#include "dnsd/siphash.h"

#include <string.h>

#define ROTATE(word, bits) ((word) << (bits) | (word) >> (64 - (bits)))

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline void
turn(struct state *s)
{
	s->v0 += s->v1;
	s->v1 = ROTATE(s->v1, 13) ^ s->v0;
	s->v0 = ROTATE(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = ROTATE(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = ROTATE(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = ROTATE(s->v1, 17) ^ s->v2;
	s->v2 = ROTATE(s->v2, 32);
}

static inline void
take(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	turn(s);
	s->v0 ^= word;
}

uint64_t
siphash(const struct siphash_key *key, const void *bytes, size_t len)
{
	struct state s = {
		key->half[0] ^ 0x736f6d6570736575ULL,
		key->half[1] ^ 0x646f72616e646f6dULL,
		key->half[0] ^ 0x6c7967656e657261ULL,
		key->half[1] ^ 0x7465646279746573ULL,
	};
	uint64_t word, last = (uint64_t)len << 56;
	size_t i;

	/* Words are in this machine's order: no hash leaves it. */
	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&word, (const uint8_t *)bytes + i, 8);
		take(&s, word);
	}
	word = 0;
	memcpy(&word, (const uint8_t *)bytes + i, len - i);
	take(&s, word | last);
	s.v2 ^= 0xff;
	turn(&s);
	turn(&s);
	turn(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
