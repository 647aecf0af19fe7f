/* SPDX-License-Identifier: ISC */
/*
 * Initial packets for tests, sealed with the keys that the RFCs print and not
 * with those that the sniffer makes.
 */
#ifndef TESTS_UNIT_QUIC_FIXTURE_H
#define TESTS_UNIT_QUIC_FIXTURE_H

#include <nettle/aes.h>
#include <nettle/gcm.h>

#include "relay/sniff_quic.h"
#include "tests/unit/hello_fixture.h"

struct fixture_secret {
	uint32_t version;
	uint8_t first; /* byte of a packet whose number has four bytes */
	size_t destination_len;
	uint8_t destination[24];
	struct quic_keys keys;
};

/* RFC 9001, A.1 */
static const struct fixture_secret fixture_v1 = { 1, 0xc3, 8,
	{ 0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08 },
	{ { 0x1f, 0x36, 0x96, 0x13, 0xdd, 0x76, 0xd5, 0x46, 0x77, 0x30, 0xef,
	      0xcb, 0xe3, 0xb1, 0xa2, 0x2d },
	    { 0xfa, 0x04, 0x4b, 0x2f, 0x42, 0xa3, 0xfd, 0x3b, 0x46, 0xfb, 0x25,
		0x5c },
	    { 0x9f, 0x50, 0x44, 0x9e, 0x04, 0xa0, 0xe8, 0x10, 0x28, 0x3a, 0x1e,
		0x99, 0x33, 0xad, 0xed, 0xd2 } } };

/* RFC 9369, A.1 */
static const struct fixture_secret fixture_v2 = { 0x6b3343cf, 0xd3, 8,
	{ 0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08 },
	{ { 0x8b, 0x1a, 0x0b, 0xc1, 0x21, 0x28, 0x42, 0x90, 0xa2, 0x9e, 0x09,
	      0x71, 0xb5, 0xcd, 0x04, 0x5d },
	    { 0x91, 0xf7, 0x3e, 0x23, 0x51, 0xd8, 0xfa, 0x91, 0x66, 0x0e, 0x90,
		0x9f },
	    { 0x45, 0xb9, 0x5e, 0x15, 0x23, 0x5d, 0x6f, 0x45, 0xa6, 0xb1, 0x9c,
		0xbc, 0xb0, 0x29, 0x4b, 0xa9 } } };

/* Another connection of version 1; its keys by RFC 9001, 5.2, made elsewhere.
 */
static const struct fixture_secret fixture_other = { 1, 0xc3, 8,
	{ 1, 2, 3, 4, 5, 6, 7, 8 },
	{ { 0x07, 0x17, 0x4d, 0xf8, 0xf3, 0x9e, 0x21, 0xe6, 0xfd, 0x89, 0xfb,
	      0xe8, 0x71, 0xb1, 0xfe, 0x15 },
	    { 0x6c, 0xf1, 0x99, 0xef, 0x72, 0x8a, 0xc4, 0x2d, 0x35, 0x62, 0x02,
		0x72 },
	    { 0x58, 0xea, 0x20, 0x22, 0x8b, 0xad, 0xb6, 0x15, 0xde, 0xb9, 0x9c,
		0x70, 0x37, 0xbf, 0xeb, 0xcd } } };

static inline void
fixture_varint(struct fixture_bytes *out, size_t value)
{
	fixture_number(out, value | (size_t)0x80000000, 4);
}

static inline void
fixture_crypto(struct fixture_bytes *frames, const struct fixture_bytes *hello,
    size_t offset, size_t len)
{
	fixture_number(frames, 6, 1);
	fixture_varint(frames, offset);
	fixture_varint(frames, len);
	fixture_put(frames, hello->at + offset, len);
}

/* RFC 9001, 5.3 and 5.4: the packet from begin on, whose frames end it. */
static inline void
fixture_protect(struct fixture_bytes *out, const struct quic_keys *keys,
    size_t begin, size_t number_at)
{
	struct gcm_aes128_ctx gcm;
	struct aes128_ctx aes;
	uint8_t *packet = out->at + begin, *frames = out->at + number_at + 4;
	size_t len = out->len - number_at - 4;
	uint8_t nonce[12], mask[16];
	int i;

	memcpy(nonce, keys->iv, sizeof(nonce));
	for (i = 0; i < 4; i++)
		nonce[8 + i] ^= out->at[number_at + (size_t)i];
	gcm_aes128_set_key(&gcm, keys->key);
	gcm_aes128_set_iv(&gcm, sizeof(nonce), nonce);
	gcm_aes128_update(&gcm, number_at + 4 - begin, packet);
	gcm_aes128_encrypt(&gcm, len, frames, frames);
	gcm_aes128_digest(&gcm, 16, out->at + out->len);
	out->len += 16;
	aes128_set_encrypt_key(&aes, keys->header);
	aes128_encrypt(&aes, sizeof(mask), mask, frames);
	packet[0] ^= mask[0] & 0x0f;
	for (i = 0; i < 4; i++)
		out->at[number_at + (size_t)i] ^= mask[1 + i];
}

/* Adds a packet to a datagram, its frames padded to a least length. */
static inline void
fixture_initial(struct fixture_bytes *out, const struct fixture_secret *secret,
    uint32_t number, const struct fixture_bytes *frames, size_t least)
{
	size_t begin = out->len, number_at;
	size_t len = frames->len < least ? least : frames->len;

	fixture_number(out, secret->first, 1);
	fixture_number(out, secret->version, 4);
	fixture_number(out, secret->destination_len, 1);
	fixture_put(out, secret->destination, secret->destination_len);
	fixture_number(out, 0, 2); /* no source, no token */
	fixture_number(out, (4 + len + 16) | 0x4000, 2);
	number_at = out->len;
	fixture_number(out, number, 4);
	fixture_put(out, frames->at, frames->len);
	memset(out->at + out->len, 0, len - frames->len);
	out->len += len - frames->len;
	fixture_protect(out, &secret->keys, begin, number_at);
}

#endif
