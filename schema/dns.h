/* SPDX-License-Identifier: ISC */
/*
 * One question and its answer as dnsd tells the flow log about them.
 *
 * A record is its fields and then, in `rest', the name and a summary of the
 * answer section.  Only what is used of `rest' travels: records stand one
 * behind the other, each dns_record_bytes() long, which is a multiple of 8.
 * Whoever receives them walks them with dns_record_check(), which believes
 * nothing in them.
 */
#ifndef SCHEMA_DNS_H
#define SCHEMA_DNS_H

#include <stddef.h>
#include <stdint.h>

#include "schema/dns.def"
#include "schema/flow.h"
#include "schema/limits.h"

#define DNS_ENUM_TRANSPORT(name, word) DNS_TRANSPORT_##name,
#define DNS_ENUM_SOURCE(name, word) DNS_SOURCE_##name,
#define DNS_ENUM_SECURITY(name, word) DNS_SECURITY_##name,

enum dns_transport { DNS_TRANSPORTS(DNS_ENUM_TRANSPORT) DNS_TRANSPORT_COUNT };
enum dns_source { DNS_SOURCES(DNS_ENUM_SOURCE) DNS_SOURCE_COUNT };
enum dns_security { DNS_SECURITIES(DNS_ENUM_SECURITY) DNS_SECURITY_COUNT };

/* Why a question is not with the servers yet. */
enum dns_held {
	DNS_HELD_NOT,
	DNS_HELD_SHARE, /* its client has as many there as it may */
	DNS_HELD_ROOM,	/* there is no room, or none for its dnsd */
	DNS_HELD_COUNT
};

/* The word of a number, NULL for NONE, "?" for a number that has none. */
const char *dns_transport_word(unsigned int);
const char *dns_source_word(unsigned int);
const char *dns_security_word(unsigned int);

#define DNS_ENUM_LATENCY(us) DNS_LATENCY_##us,

enum dns_latency_bucket {
	DNS_LATENCIES(DNS_ENUM_LATENCY) DNS_LATENCY_MORE,
	DNS_LATENCY_BUCKETS
};

/* How long answers of one source took; an answer is in one bucket. */
struct dns_latency {
	uint64_t sum_us;
	uint64_t bucket[DNS_LATENCY_BUCKETS];
};

/* The bound of a bucket, which belongs to it; 0: it has none. */
uint32_t dns_latency_bound_us(unsigned int bucket);

void dns_latency_count(struct dns_latency *, uint32_t us);
void dns_latency_add(struct dns_latency *, const struct dns_latency *);

#define DNS_TTL_NONE UINT32_MAX	 /* no record was sent */
#define DNS_EDE_NONE UINT16_MAX	 /* no extended error */
#define DNS_RULE_NONE UINT16_MAX /* no rule of the policy decided */
#define DNS_RULE_BLOCK 0x8000U	 /* and n: the n-th dns block statement */
/* and n: a way past DNS that is closed, enum dns_way; of flows as well */
#define DNS_RULE_WAY (DNS_RULE_BLOCK + LIMIT_DNS_BLOCKS)

#define DNS_REST_BYTES (LIMIT_DNS_NAME_BYTES + LIMIT_DNS_SUMMARY_BYTES)

/*
 * rest: the name in wire form (RFC 1035, 3.1), lower case, not compressed,
 * name_bytes with its root; then summary_bytes of summary: of each record of
 * the answer section, as long as they fit, its type (two bytes, the high one
 * first), a length, and so many bytes: an address for A and AAAA, a name in
 * wire form for CNAME, DNAME, NS and PTR, nothing for other types.
 */
struct dns_record {
	DNS_FIELDS(FLOW_MEMBER)
	uint8_t rest[DNS_REST_BYTES];
};

_Static_assert(sizeof(struct dns_record) % 8 == 0, "records can be in a row");
_Static_assert(offsetof(struct dns_record, rest) % 8 == 0, "nothing is padded");
_Static_assert(
    LIMIT_RULES <= DNS_RULE_BLOCK && DNS_RULE_WAY + 8 < DNS_RULE_NONE,
    "rules and statements of dns share numbers");

/* How many bytes of a record travel; it must be in order. */
size_t dns_record_bytes(const struct dns_record *);

/*
 * The record that begins at bytes, of which len are there: how long it is, or 0
 * when it is not whole or anything in it is not as described above: numbers
 * out of range, a name without its end, a summary with half an item.  bytes
 * must be aligned to 8.
 */
size_t dns_record_check(const void *bytes, size_t len);

/*
 * A name in wire form as text, "www.example.com", "." for the root; anything
 * but letters, digits, - and _ as RFC 1035, 5.1 escapes it (\. or \ddd).  The
 * name must be whole.  Returns buf.
 */
#define DNS_NAME_TEXT_BYTES 1012
char *dns_name_text(const uint8_t *name, char buf[DNS_NAME_TEXT_BYTES]);

/* Those that processes look for beside dnsd (RFC 1035, RFC 3596, RFC 9460). */
#define DNS_TYPE_A 1
#define DNS_TYPE_AAAA 28
#define DNS_TYPE_SVCB 64

/* "AAAA", or "TYPE65280" (RFC 3597, 5) in buf. */
#define DNS_WORD_BYTES 16
const char *dns_type_text(unsigned int qtype, char buf[DNS_WORD_BYTES]);

#define DNS_RCODE_COUNT 17

/* "NXDOMAIN"; NULL or "?" for a number that has none. */
const char *dns_rcode_word(unsigned int rcode);

/* An item of a summary; data lies in the record. */
struct dns_item {
	uint16_t type;
	uint8_t bytes;
	const uint8_t *data;
};

/*
 * The item at *at, which begins at 0 and moves on: 0, or -1 when there is no
 * more.  The record must be in order.
 */
int
dns_record_item(const struct dns_record *, size_t *at, struct dns_item *item);

#endif
