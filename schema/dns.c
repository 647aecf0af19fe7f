/* SPDX-License-Identifier: ISC */
/*
 * The words, names and lengths of records of DNS.  Reads records of a process
 * that met hostile bytes, and nothing outside of them.  Pure.
 */
#include "schema/dns.h"

#include <stdio.h>
#include <string.h>

#define FIXED offsetof(struct dns_record, rest)
#define ITEM_HEAD 3 /* type and length */
#define LABEL_MAX 63
#define RCODE_MAX 4095

#define DNS_WORD(name, word) word,

static const char *const transports[] = { DNS_TRANSPORTS(DNS_WORD) };
static const char *const sources[] = { DNS_SOURCES(DNS_WORD) };
static const char *const securities[] = { DNS_SECURITIES(DNS_WORD) };

#define DNS_BOUND(us) us,

static const uint32_t bounds_us[] = { DNS_LATENCIES(DNS_BOUND) };

static const struct {
	uint16_t type;
	const char *word;
} types[] = {
	{ 1, "A" },
	{ 2, "NS" },
	{ 5, "CNAME" },
	{ 6, "SOA" },
	{ 12, "PTR" },
	{ 13, "HINFO" },
	{ 15, "MX" },
	{ 16, "TXT" },
	{ 28, "AAAA" },
	{ 29, "LOC" },
	{ 33, "SRV" },
	{ 35, "NAPTR" },
	{ 39, "DNAME" },
	{ 41, "OPT" },
	{ 43, "DS" },
	{ 44, "SSHFP" },
	{ 46, "RRSIG" },
	{ 47, "NSEC" },
	{ 48, "DNSKEY" },
	{ 50, "NSEC3" },
	{ 51, "NSEC3PARAM" },
	{ 52, "TLSA" },
	{ 53, "SMIMEA" },
	{ 59, "CDS" },
	{ 60, "CDNSKEY" },
	{ 61, "OPENPGPKEY" },
	{ 64, "SVCB" },
	{ 65, "HTTPS" },
	{ 99, "SPF" },
	{ 249, "TKEY" },
	{ 250, "TSIG" },
	{ 251, "IXFR" },
	{ 252, "AXFR" },
	{ 255, "ANY" },
	{ 256, "URI" },
	{ 257, "CAA" },
};

static const char *const rcodes[DNS_RCODE_COUNT] = {
	"NOERROR",
	"FORMERR",
	"SERVFAIL",
	"NXDOMAIN",
	"NOTIMP",
	"REFUSED",
	"YXDOMAIN",
	"YXRRSET",
	"NXRRSET",
	"NOTAUTH",
	"NOTZONE",
	NULL,
	NULL,
	NULL,
	NULL,
	NULL,
	"BADVERS",
};

static const char *
word_of(const char *const *words, unsigned int count, unsigned int number)
{
	return number < count ? words[number] : "?";
}

const char *
dns_rcode_word(unsigned int rcode)
{
	return word_of(rcodes, DNS_RCODE_COUNT, rcode);
}

const char *
dns_transport_word(unsigned int number)
{
	return word_of(transports, DNS_TRANSPORT_COUNT, number);
}

const char *
dns_source_word(unsigned int number)
{
	return word_of(sources, DNS_SOURCE_COUNT, number);
}

const char *
dns_security_word(unsigned int number)
{
	return word_of(securities, DNS_SECURITY_COUNT, number);
}

const char *
dns_type_text(unsigned int qtype, char buf[DNS_WORD_BYTES])
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].type == qtype)
			return types[i].word;
	(void)snprintf(buf, DNS_WORD_BYTES, "TYPE%u", qtype & UINT16_MAX);
	return buf;
}

static int
is_plain(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
}

static char *
byte_put(char *to, uint8_t byte)
{
	if (is_plain(byte)) {
		*to++ = (char)byte;
		return to;
	}
	*to++ = '\\';
	if (byte > ' ' && byte < 0x7f) {
		*to++ = (char)byte;
		return to;
	}
	*to++ = (char)('0' + byte / 100);
	*to++ = (char)('0' + byte / 10 % 10);
	*to++ = (char)('0' + byte % 10);
	return to;
}

char *
dns_name_text(const uint8_t *name, char buf[DNS_NAME_TEXT_BYTES])
{
	char *to = buf;
	uint8_t left;

	if (*name == 0)
		*to++ = '.';
	while (*name != 0) {
		for (left = *name++; left > 0; left--)
			to = byte_put(to, *name++);
		if (*name != 0)
			*to++ = '.';
	}
	*to = '\0';
	return buf;
}

size_t
dns_record_bytes(const struct dns_record *record)
{
	size_t len = FIXED + record->name_bytes + record->summary_bytes;

	return (len + 7) & ~(size_t)7;
}

/* Whether these bytes are one name in wire form. */
static int
is_name(const uint8_t *bytes, size_t len)
{
	size_t at = 0;

	while (at < len && bytes[at] != 0) {
		if (bytes[at] > LABEL_MAX)
			return 0;
		at += 1U + bytes[at];
	}
	return len <= LIMIT_DNS_NAME_BYTES && at + 1 == len;
}

static int
is_item(const struct dns_item *item)
{
	switch (item->type) {
	case 1:
		return item->bytes == 4;
	case 28:
		return item->bytes == 16;
	case 2:
	case 5:
	case 12:
	case 39:
		return is_name(item->data, item->bytes);
	}
	return item->bytes == 0;
}

int
dns_record_item(
    const struct dns_record *record, size_t *at, struct dns_item *item)
{
	const uint8_t *summary = record->rest + record->name_bytes;

	if (*at + ITEM_HEAD > record->summary_bytes)
		return -1;
	item->type = (uint16_t)(summary[*at] << 8 | summary[*at + 1]);
	item->bytes = summary[*at + 2];
	item->data = summary + *at + ITEM_HEAD;
	if (*at + ITEM_HEAD + item->bytes > record->summary_bytes)
		return -1;
	*at += ITEM_HEAD + item->bytes;
	return 0;
}

static int
is_summary(const struct dns_record *record)
{
	struct dns_item item;
	size_t at = 0;

	while (dns_record_item(record, &at, &item) == 0)
		if (!is_item(&item))
			return 0;
	return at == record->summary_bytes;
}

static int
is_in_range(const struct dns_record *record)
{
	return record->time_us >= 0 && record->time_us <= LIMIT_TIME_US &&
	       record->rcode <= RCODE_MAX &&
	       record->transport < DNS_TRANSPORT_COUNT &&
	       record->source < DNS_SOURCE_COUNT &&
	       record->security < DNS_SECURITY_COUNT &&
	       (record->action == FLOW_ACTION_RELAY ||
		   record->action == FLOW_ACTION_BLOCK) &&
	       record->capture < FLOW_CAPTURE_COUNT &&
	       record->worker < LIMIT_WORKERS && record->one_in != 0 &&
	       record->summary_bytes <= LIMIT_DNS_SUMMARY_BYTES;
}

size_t
dns_record_check(const void *bytes, size_t len)
{
	const struct dns_record *record = bytes;
	size_t whole;

	if (len < FIXED || !is_in_range(record))
		return 0;
	whole = dns_record_bytes(record);
	if (whole > len)
		return 0;
	if (record->name_bytes != 0 &&
	    !is_name(record->rest, record->name_bytes))
		return 0;
	return is_summary(record) ? whole : 0;
}

uint32_t
dns_latency_bound_us(unsigned int bucket)
{
	return bucket < DNS_LATENCY_MORE ? bounds_us[bucket] : 0;
}

void
dns_latency_count(struct dns_latency *latency, uint32_t us)
{
	unsigned int bucket = 0;

	/* Most come from the cache, and are in the first ones. */
	while (bucket < DNS_LATENCY_MORE && us > bounds_us[bucket])
		bucket++;
	latency->bucket[bucket]++;
	latency->sum_us += us;
}

void
dns_latency_add(struct dns_latency *sum, const struct dns_latency *more)
{
	unsigned int i;

	sum->sum_us += more->sum_us;
	for (i = 0; i < DNS_LATENCY_BUCKETS; i++)
		sum->bucket[i] += more->bucket[i];
}
