/* SPDX-License-Identifier: ISC */
/* Messages of DNS, made piece by piece, for several tests. */
#ifndef TESTS_DNS_FIXTURE_H
#define TESTS_DNS_FIXTURE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dnsd/front.h"
#include "dnsd/wire.h"

struct dns_message {
	uint8_t bytes[65536];
	size_t len;
};

enum dns_section { DNS_ANSWER = 6, DNS_AUTHORITY = 8, DNS_ADDITIONAL = 10 };

/* "www.example" in wire form; its length. */
static inline size_t
dns_name(const char *text, uint8_t *to)
{
	size_t at = 0, label;

	while (*text != '\0') {
		label = strcspn(text, ".");
		to[at] = (uint8_t)label;
		memcpy(to + at + 1, text, label);
		at += 1 + label;
		text += label + (text[label] == '.');
	}
	to[at] = 0;
	return at + 1;
}

static inline void
dns_put(struct dns_message *message, const void *bytes, size_t len)
{
	if (len > 0)
		memcpy(message->bytes + message->len, bytes, len);
	message->len += len;
}

static inline void
dns_put16(struct dns_message *message, unsigned int value)
{
	wire_put16(message->bytes + message->len, value);
	message->len += 2;
}

static inline void
dns_put_name(struct dns_message *message, const char *text)
{
	message->len += dns_name(text, message->bytes + message->len);
}

static inline void
dns_count(struct dns_message *message, enum dns_section section)
{
	wire_put16(message->bytes + section,
	    wire_get16(message->bytes + section) + 1U);
}

/* A header and a question. */
static inline void
dns_begin(struct dns_message *message, uint16_t id, uint16_t flags,
    const char *name, uint16_t qtype)
{
	memset(message->bytes, 0, WIRE_HEADER_BYTES);
	wire_put16(message->bytes, id);
	wire_put16(message->bytes + 2, flags);
	wire_put16(message->bytes + 4, 1);
	message->len = WIRE_HEADER_BYTES;
	dns_put_name(message, name);
	dns_put16(message, qtype);
	dns_put16(message, WIRE_CLASS_IN);
}

static inline void
dns_record_put(struct dns_message *message, enum dns_section section,
    const char *owner, uint16_t type, uint32_t ttl_s, const void *data,
    size_t len)
{
	dns_put_name(message, owner);
	dns_put16(message, type);
	dns_put16(message, WIRE_CLASS_IN);
	dns_put16(message, ttl_s >> 16);
	dns_put16(message, ttl_s & UINT16_MAX);
	dns_put16(message, (unsigned int)len);
	dns_put(message, data, len);
	dns_count(message, section);
}

static inline void
dns_a(struct dns_message *message, const char *owner, uint32_t ttl_s,
    unsigned int last)
{
	uint8_t addr[4] = { 192, 0, 2, (uint8_t)last };

	dns_record_put(
	    message, DNS_ANSWER, owner, WIRE_A, ttl_s, addr, sizeof(addr));
}

static inline void
dns_alias(struct dns_message *message, const char *owner, uint32_t ttl_s,
    const char *target)
{
	uint8_t name[LIMIT_DNS_NAME_BYTES];

	dns_record_put(message, DNS_ANSWER, owner, WIRE_CNAME, ttl_s, name,
	    dns_name(target, name));
}

static inline void
dns_soa(struct dns_message *message, const char *owner, uint32_t ttl_s,
    uint32_t minimum_s)
{
	uint8_t data[64];
	size_t len = dns_name("ns", data);

	len += dns_name("host", data + len);
	memset(data + len, 1, 16);
	wire_put32(data + len + 16, minimum_s);
	dns_record_put(
	    message, DNS_AUTHORITY, owner, WIRE_SOA, ttl_s, data, len + 20);
}

/* A signature by "example"; of nothing that could be checked. */
static inline void
dns_signature(struct dns_message *message, enum dns_section section,
    const char *owner, uint16_t covered, uint32_t ttl_s)
{
	uint8_t data[64] = { (uint8_t)(covered >> 8), (uint8_t)covered };
	size_t len = 18 + dns_name("example", data + 18);

	memset(data + len, 7, 8);
	dns_record_put(
	    message, section, owner, WIRE_RRSIG, ttl_s, data, len + 8);
}

static inline void
dns_edns(struct dns_message *message, uint16_t udp_bytes, uint32_t flags,
    const void *options, size_t len)
{
	dns_record_put(
	    message, DNS_ADDITIONAL, "", WIRE_OPT, flags, options, len);
	wire_put16(message->bytes + message->len - len - 8, udp_bytes);
}

static inline struct resolution
dns_resolution(const struct dns_message *message, uint16_t rcode)
{
	return (struct resolution){
		.rcode = rcode,
		.ede = DNS_EDE_NONE,
		.security = DNS_SECURITY_INSECURE,
		.packet = message->bytes,
		.len_bytes = message->len,
	};
}

static inline struct question
dns_question(const char *name, uint16_t qtype)
{
	struct question question = { .qtype = qtype };

	question.name_bytes = (uint8_t)dns_name(name, question.name);
	return question;
}

#endif
