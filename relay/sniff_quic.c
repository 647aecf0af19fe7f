/* SPDX-License-Identifier: ISC */
/*
 * Reads datagrams of hostile clients.  Every length in them is checked against
 * what encloses it; only bytes under a good tag reach the frames' reader.
 */
#include "relay/sniff_quic.h"

#include <nettle/aes.h>
#include <nettle/gcm.h>
#include <nettle/hkdf.h>
#include <nettle/hmac.h>
#include <nettle/nettle-meta.h>
#include <stddef.h>
#include <string.h>

#include "relay/sniff_tls.h"

#define LONG_HEADER 0x80
#define FIXED_BIT 0x40
#define TYPE_BITS 0x30
#define CONNECTION_ID_LEAST 8 /* of a client's first, RFC 9000, 7.2 */
#define TAG_BYTES GCM_DIGEST_SIZE
#define SAMPLE_AT 4 /* behind the packet number's place, RFC 9001, 5.4.2 */
#define SALT_BYTES 20
#define LABEL_MOST 20
#define DATAGRAM_LEAST 1200 /* a server drops a smaller one: RFC 9000, 14.1 */
#define PACKETS_MOST 4	    /* in a datagram: each may cost keys to be made */

static const struct version {
	uint32_t number;
	uint8_t initial; /* the packet's type */
	uint8_t retry;
	uint8_t salt[SALT_BYTES];
	const char *key, *iv, *header; /* labels */
} versions[] = {
	{ 0x00000001, 0x00, 0x30,
	    { 0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a,
		0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a },
	    "quic key", "quic iv", "quic hp" },
	{ 0x6b3343cf, 0x10, 0x00,
	    { 0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81,
		0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9 },
	    "quicv2 key", "quicv2 iv", "quicv2 hp" },
};

/* Bytes not yet read.  A read beyond the end makes it bad, and gives zeros. */
struct bytes {
	const uint8_t *at;
	size_t left;
	int bad;
};

/* A long header, RFC 9000, 17.2: what stands before the packet number. */
struct header {
	const struct version *version;
	struct bytes destination; /* connection id */
	const uint8_t *begin;
	size_t number_at; /* bytes from begin */
	size_t len;	  /* of the whole packet */
	uint8_t type;
};

void
sniff_quic_init(struct sniff_quic *quic)
{
	memset(quic, 0, offsetof(struct sniff_quic, hello));
}

static struct bytes
take(struct bytes *from, uint64_t len)
{
	struct bytes part = { .at = from->at };

	if (from->bad || len > from->left) {
		from->bad = part.bad = 1;
		return part;
	}
	part.left = (size_t)len;
	from->at += len;
	from->left -= (size_t)len;
	return part;
}

static uint64_t
number(struct bytes *from, size_t len)
{
	struct bytes part = take(from, len);
	uint64_t value = 0;

	for (; part.left > 0; part.left--)
		value = value << 8 | *part.at++;
	return value;
}

/* RFC 9000, 16 */
static uint64_t
varint(struct bytes *from)
{
	size_t len;

	if (from->bad || from->left == 0) {
		from->bad = 1;
		return 0;
	}
	len = (size_t)1 << (from->at[0] >> 6);
	return number(from, len) & (UINT64_MAX >> (64 - len * 8 + 2));
}

static const struct version *
version_of(uint64_t wanted)
{
	size_t i;

	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (versions[i].number == wanted)
			return &versions[i];
	return NULL;
}

/*
 * Reads the next packet of a datagram; 0 when there is none that can be read,
 * and what is behind it cannot be found either.
 */
static int
header_read(struct bytes *datagram, struct header *header)
{
	uint64_t first;
	struct bytes source;

	header->begin = datagram->at;
	first = number(datagram, 1);
	if (datagram->bad ||
	    (first & (LONG_HEADER | FIXED_BIT)) != (LONG_HEADER | FIXED_BIT))
		return 0;
	header->version = version_of(number(datagram, 4));
	header->type = (uint8_t)(first & TYPE_BITS);
	header->destination = take(datagram, number(datagram, 1));
	source = take(datagram, number(datagram, 1));
	if (header->version == NULL || header->type == header->version->retry ||
	    header->destination.left > SNIFF_QUIC_ID_MOST ||
	    source.left > SNIFF_QUIC_ID_MOST)
		return 0;
	if (header->type == header->version->initial)
		(void)take(datagram, varint(datagram)); /* token */
	header->len = (size_t)varint(datagram);
	header->number_at = (size_t)(datagram->at - header->begin);
	(void)take(datagram, header->len);
	header->len += header->number_at;
	return !datagram->bad;
}

static void
expand(const struct hmac_sha256_ctx *secret, const char *label, uint8_t *out,
    size_t len)
{
	struct hmac_sha256_ctx context = *secret;
	uint8_t info[4 + sizeof("tls13 ") + LABEL_MOST] = { 0 };
	size_t size = strlen("tls13 ") + strlen(label);

	/* HkdfLabel of RFC 8446, 7.1, without a context */
	info[1] = (uint8_t)len;
	info[2] = (uint8_t)size;
	memcpy(info + 3, "tls13 ", strlen("tls13 "));
	memcpy(info + 3 + strlen("tls13 "), label, strlen(label));
	hkdf_expand(&context, nettle_hmac_sha256.update,
	    nettle_hmac_sha256.digest, SHA256_DIGEST_SIZE, 3 + size + 1, info,
	    len, out);
}

/* RFC 9001, 5.2 */
static void
keys_make(const struct header *header, struct quic_keys *keys)
{
	const struct version *version = header->version;
	struct hmac_sha256_ctx secret;
	uint8_t bytes[SHA256_DIGEST_SIZE];

	hmac_sha256_set_key(&secret, SALT_BYTES, version->salt);
	hmac_sha256_update(
	    &secret, header->destination.left, header->destination.at);
	hmac_sha256_digest(&secret, sizeof(bytes), bytes);
	hmac_sha256_set_key(&secret, sizeof(bytes), bytes);
	expand(&secret, "client in", bytes, sizeof(bytes));
	hmac_sha256_set_key(&secret, sizeof(bytes), bytes);
	expand(&secret, version->key, keys->key, sizeof(keys->key));
	expand(&secret, version->iv, keys->iv, sizeof(keys->iv));
	expand(&secret, version->header, keys->header, sizeof(keys->header));
}

/*
 * Takes the header's protection from a copy of the packet, RFC 9001, 5.4.  The
 * length of the packet number, which is also written to *value.  It is written
 * in full: whoever opens a connection counts from zero.
 */
static size_t
header_open(const struct quic_keys *keys, uint8_t *packet, size_t number_at,
    uint32_t *value)
{
	struct aes128_ctx aes;
	uint8_t mask[AES_BLOCK_SIZE];
	size_t len, i;

	aes128_set_encrypt_key(&aes, keys->header);
	aes128_encrypt(
	    &aes, sizeof(mask), mask, packet + number_at + SAMPLE_AT);
	packet[0] ^= mask[0] & 0x0f;
	len = (packet[0] & 3) + 1U;
	for (i = 0, *value = 0; i < len; i++) {
		packet[number_at + i] ^= mask[1 + i];
		*value = *value << 8 | packet[number_at + i];
	}
	return len;
}

/* Opens a copy of the packet where it stands; its frames, or bad. */
static struct bytes
payload_open(
    const struct quic_keys *keys, uint8_t *packet, size_t len, size_t number_at)
{
	struct bytes frames = { .bad = 1 };
	struct gcm_aes128_ctx gcm;
	uint8_t tag[TAG_BYTES], nonce[sizeof(keys->iv)];
	uint32_t value;
	size_t begin = number_at, i;

	begin += header_open(keys, packet, number_at, &value);
	memcpy(nonce, keys->iv, sizeof(nonce));
	for (i = 0; i < sizeof(value); i++)
		nonce[sizeof(nonce) - 1 - i] ^= (uint8_t)(value >> (8 * i));
	gcm_aes128_set_key(&gcm, keys->key);
	gcm_aes128_set_iv(&gcm, sizeof(nonce), nonce);
	gcm_aes128_update(&gcm, begin, packet);
	gcm_aes128_decrypt(
	    &gcm, len - begin - TAG_BYTES, packet + begin, packet + begin);
	gcm_aes128_digest(&gcm, sizeof(tag), tag);
	if (memcmp(tag, packet + len - TAG_BYTES, sizeof(tag)) != 0)
		return frames;
	frames.at = packet + begin;
	frames.left = len - begin - TAG_BYTES;
	frames.bad = 0;
	return frames;
}

/* Two different bytes for one place are an attempt to deceive. */
static int
hello_put(struct sniff_quic *quic, uint64_t offset, struct bytes data)
{
	size_t at, i;

	if (offset > SNIFF_MOST_BYTES || data.left > SNIFF_MOST_BYTES - offset)
		return -1;
	for (i = 0; i < data.left; i++) {
		at = (size_t)offset + i;
		if (quic->have[at / 8] & 1U << at % 8) {
			if (quic->hello[at] != data.at[i])
				return -1;
			continue;
		}
		quic->have[at / 8] |= (uint8_t)(1U << at % 8);
		quic->hello[at] = data.at[i];
	}
	while (quic->contiguous < SNIFF_MOST_BYTES &&
	       quic->have[quic->contiguous / 8] & 1U << quic->contiguous % 8)
		quic->contiguous++;
	return 0;
}

static int
nothing_read(struct sniff_quic *quic, struct bytes *frames)
{
	(void)quic;
	(void)frames;
	return 0;
}

static int
ack_read(struct sniff_quic *quic, struct bytes *frames)
{
	uint64_t ranges;

	(void)quic;
	(void)varint(frames); /* the largest */
	(void)varint(frames); /* delay */
	ranges = varint(frames);
	(void)varint(frames); /* the first range */
	for (; ranges > 0 && !frames->bad; ranges--) {
		(void)varint(frames);
		(void)varint(frames);
	}
	return 0;
}

static int
ack_ecn_read(struct sniff_quic *quic, struct bytes *frames)
{
	int i;

	(void)ack_read(quic, frames);
	for (i = 0; i < 3; i++)
		(void)varint(frames);
	return 0;
}

/* quic NULL: there may be none. */
static int
crypto_read(struct sniff_quic *quic, struct bytes *frames)
{
	uint64_t offset = varint(frames);
	struct bytes data = take(frames, varint(frames));

	return quic == NULL ? -1 : hello_put(quic, offset, data);
}

/* All that an Initial may hold, RFC 9000, 12.4; a close leaves no name. */
static const struct {
	uint64_t type;
	int (*read)(struct sniff_quic *, struct bytes *);
} frame_types[] = {
	{ 0x00, nothing_read }, /* PADDING */
	{ 0x01, nothing_read }, /* PING */
	{ 0x02, ack_read },
	{ 0x03, ack_ecn_read },
	{ 0x06, crypto_read },
};

static int
frame_read(struct sniff_quic *quic, struct bytes *frames)
{
	uint64_t type = varint(frames);
	size_t i;

	for (i = 0; i < sizeof(frame_types) / sizeof(frame_types[0]); i++)
		if (frame_types[i].type == type)
			return frame_types[i].read(quic, frames);
	return -1;
}

static int
frames_read(struct sniff_quic *quic, struct bytes frames)
{
	while (frames.left > 0)
		if (frame_read(quic, &frames) == -1 || frames.bad)
			return -1;
	return 0;
}

static struct bytes
packet_open(const struct quic_keys *keys, const struct header *header,
    uint8_t copy[SNIFF_MOST_BYTES])
{
	memcpy(copy, header->begin, header->len);
	return payload_open(keys, copy, header->len, header->number_at);
}

/* The sample reaches as far as the shortest payload with its tag. */
static int
may_be_opened(const struct header *header)
{
	return header->len <= SNIFF_MOST_BYTES &&
	       header->len - header->number_at >= SAMPLE_AT + AES_BLOCK_SIZE;
}

static void
id_set(struct quic_id *id, const struct bytes *destination)
{
	id->len = (uint8_t)destination->left;
	memcpy(id->byte, destination->at, destination->left);
}

/* 0, also for what cannot be opened; -1: there will be no name. */
static int
initial_read(struct sniff_quic *quic, const struct header *header)
{
	uint8_t copy[SNIFF_MOST_BYTES];
	struct bytes frames = { .bad = 1 };
	struct quic_keys keys;

	if (!may_be_opened(header))
		return 0;
	if (header->version->number == quic->version)
		frames = packet_open(&quic->keys, header, copy);
	/*
	 * The first has keys of its own, and so has what answers a retry, which
	 * repeats the hello: RFC 9000, 17.2.5.2.
	 */
	if (frames.bad && header->destination.left >= CONNECTION_ID_LEAST) {
		keys_make(header, &keys);
		frames = packet_open(&keys, header, copy);
		if (frames.bad)
			return 0;
		quic->keys = keys;
		quic->version = header->version->number;
		id_set(&quic->id, &header->destination);
	}
	return frames.bad ? 0 : frames_read(quic, frames);
}

int
sniff_quic_begins(const uint8_t *datagram, size_t len)
{
	struct bytes bytes = { .at = datagram, .left = len };
	uint64_t first = number(&bytes, 1);
	const struct version *version = version_of(number(&bytes, 4));

	return len >= DATAGRAM_LEAST && version != NULL &&
	       (first & (LONG_HEADER | FIXED_BIT | TYPE_BITS)) ==
		   (LONG_HEADER | FIXED_BIT | version->initial);
}

static int
is_known(const struct bytes *id, const struct quic_id *known)
{
	return id->left == known->len &&
	       memcmp(id->at, known->byte, known->len) == 0;
}

/* Only who begins a connection seals with keys of the id that it writes. */
static int
initial_begins(const struct header *header, const struct quic_id *known,
    struct sniff_quic *read)
{
	uint8_t copy[SNIFF_MOST_BYTES];
	struct bytes frames = { .bad = 1 };
	struct quic_keys keys;

	if (header->type != header->version->initial || !may_be_opened(header))
		return 0;
	if (read != NULL && header->version->number == read->version)
		frames = packet_open(&read->keys, header, copy);
	if (!frames.bad)
		return frames_read(read, frames) == -1;
	if (header->destination.left < CONNECTION_ID_LEAST)
		return 0;
	keys_make(header, &keys);
	frames = packet_open(&keys, header, copy);
	if (frames.bad)
		return 0;
	return read != NULL || !is_known(&header->destination, known) ||
	       frames_read(NULL, frames) == -1;
}

int
sniff_quic_begins_another(const uint8_t *datagram, size_t len,
    const struct quic_id *known, struct sniff_quic *read)
{
	struct bytes rest = { .at = datagram, .left = len };
	struct header header;
	int packets;

	for (packets = 0; packets < PACKETS_MOST && rest.left > 0 &&
			  header_read(&rest, &header);
	     packets++)
		if (initial_begins(&header, known, read))
			return 1;
	return 0;
}

static enum sniff_status
unreadable(struct sniff_name *name)
{
	name->unread = 1;
	return SNIFF_NONE;
}

/* What has come of the hello says how long it is: RFC 8446, 4. */
static int
hello_is_whole(const struct sniff_quic *quic)
{
	struct bytes head = { .at = quic->hello, .left = quic->contiguous };
	uint64_t due;

	(void)number(&head, 1);
	due = number(&head, 3);
	return !head.bad && head.left >= due;
}

enum sniff_status
sniff_quic(struct sniff_quic *quic, const uint8_t *datagram, size_t len,
    struct sniff_name *name)
{
	struct bytes rest = { .at = datagram, .left = len };
	struct header header;
	enum sniff_status status;
	int packets;

	memset(name, 0, sizeof(*name));
	for (packets = 0; packets < PACKETS_MOST && rest.left > 0 &&
			  header_read(&rest, &header);
	     packets++)
		if (header.type == header.version->initial &&
		    initial_read(quic, &header) == -1)
			return unreadable(name);
	quic->datagrams++;
	if (quic->version == 0)
		return unreadable(name);
	status =
	    sniff_hello(quic->hello, quic->contiguous, FLOW_HOST_QUIC, name);
	if ((status == SNIFF_MORE && quic->datagrams >= SNIFF_QUIC_DATAGRAMS) ||
	    (status == SNIFF_NONE && !hello_is_whole(quic)))
		return unreadable(name);
	return status;
}
