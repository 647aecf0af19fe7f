/* SPDX-License-Identifier: ISC */
/*
 * Owns nothing: what it takes apart goes into a maker.  Reads what the resolver
 * sent, which met hostile servers: every length, name, section and owner is
 * checked.
 */
#include "dnsd/answer.h"

#include <string.h>

#include "dnsd/dname.h"
#include "dnsd/maker.h"
#include "dnsd/query.h"
#include "dnsd/rdata.h"
#include "dnsd/svcb.h"
#include "dnsd/wire.h"
#include "dnsd/writer.h"

#define SERVFAIL_TTL_S 5 /* RFC 2308, 7.1 has five minutes as the limit */
#define SOA_TAIL 4	 /* MINIMUM is its last field */

struct record {
	uint8_t owner[LIMIT_DNS_NAME_BYTES];
	uint16_t owner_bytes;
	uint16_t covered; /* of RRSIG: the type that it signs; else the type */
	uint32_t ttl_s;
	struct rdata data;
};

/* A message on its way to become an answer. */
struct taking {
	struct maker *maker;
	struct answer *answer;
	const struct question *question;
	const struct answer_limits *limits;
	int dnssec_ok;
	int positive; /* there is a record of the type asked for */
	int has_soa;
	uint16_t kept_type;		     /* of ANY: the one that is given */
	uint16_t removed_type;		     /* of what was left out, or 0 */
	uint8_t chain[LIMIT_DNS_NAME_BYTES]; /* the name that is due now */
	uint16_t chain_bytes;
	uint32_t ttl_s;
	size_t owners_bytes; /* read so far */
};

static int
record_read(
    const uint8_t *message, size_t len, size_t *at, struct record *record)
{
	int owner_bytes = dname_read(message, len, at, record->owner);
	const uint8_t *fixed = message + *at;

	if (owner_bytes == -1 || len - *at < WIRE_RECORD_BYTES)
		return -1;
	/* Of OPT that is a size, RFC 6891, 6.1.2. */
	if (wire_get16(fixed) != WIRE_OPT &&
	    wire_get16(fixed + 2) != WIRE_CLASS_IN)
		return -1;
	record->owner_bytes = (uint16_t)owner_bytes;
	record->ttl_s = wire_get32(fixed + 4);
	if (record->ttl_s > INT32_MAX) /* RFC 2181, 8 */
		record->ttl_s = 0;
	*at += WIRE_RECORD_BYTES;
	record->data = (struct rdata){
		.message = message,
		.len = len,
		.at = *at,
		.bytes = wire_get16(fixed + 8),
		.type = wire_get16(fixed),
	};
	if (record->data.bytes > len - *at)
		return -1;
	record->covered = record->data.type;
	if (record->data.type == WIRE_RRSIG) {
		if (record->data.bytes < 2)
			return -1;
		record->covered = wire_get16(message + *at);
	}
	*at += record->data.bytes;
	return 0;
}

static int
keep(struct taking *taking, const struct record *record, uint32_t ttl_s)
{
	if (maker_add(taking->maker, record->owner, record->owner_bytes,
		&record->data, ttl_s) == -1)
		return -1;
	if (ttl_s < taking->ttl_s)
		taking->ttl_s = ttl_s;
	return 0;
}

/* Whether name ends in end. */
static int
is_below(const uint8_t *name, size_t name_bytes, const uint8_t *end,
    size_t end_bytes)
{
	size_t at = 0;

	while (name_bytes - at > end_bytes && name[at] != 0)
		at += 1U + name[at];
	return name_bytes - at == end_bytes &&
	       dname_equal(name + at, end, end_bytes);
}

static int
is_of_due_name(const struct taking *taking, const struct record *record)
{
	return record->owner_bytes == taking->chain_bytes &&
	       dname_equal(record->owner, taking->chain, taking->chain_bytes);
}

/* Whether a record of the answer section is about the name that is due. */
static int
is_due(const struct taking *taking, const struct record *record)
{
	if (is_of_due_name(taking, record))
		return 1;
	/* A DNAME stands before the alias that it made, its signature too. */
	return record->covered == WIRE_DNAME &&
	       is_below(taking->chain, taking->chain_bytes, record->owner,
		   record->owner_bytes);
}

/* Not what only leads to another name: DNAME, and signatures of aliases. */
static int
is_asked_for(const struct taking *taking, const struct record *record)
{
	return record->data.type == taking->question->qtype &&
	       is_of_due_name(taking, record);
}

static int
is_wanted(struct taking *taking, const struct record *record)
{
	uint16_t qtype = taking->question->qtype, type = record->data.type;

	if (qtype == WIRE_ANY) {
		/* One set will do, RFC 8482, 4.1. */
		if (taking->kept_type == 0 && type != WIRE_RRSIG)
			taking->kept_type = type;
		if (record->covered != taking->kept_type)
			return 0;
	}
	if (is_asked_for(taking, record) || taking->dnssec_ok)
		return 1;
	return type != WIRE_RRSIG && type != WIRE_NSEC && type != WIRE_NSEC3;
}

/* Goes on to the name that an alias names. */
static int
follow(struct taking *taking, const struct record *record)
{
	size_t at = record->data.at;
	int len;

	if (taking->question->qtype == WIRE_CNAME ||
	    taking->question->qtype == WIRE_ANY)
		return 0;
	len = dname_read(
	    record->data.message, record->data.len, &at, taking->chain);
	if (len == -1)
		return -1;
	taking->chain_bytes = (uint16_t)len;
	taking->answer->has |= ANSWER_ALIASES;
	return 0;
}

/* Whether a record is left out, or signs what was. */
static int
is_rebinding(struct taking *taking, const struct record *record)
{
	const struct answer_limits *limits = taking->limits;
	uint8_t name[LIMIT_DNS_NAME_BYTES];

	if (record->data.type == WIRE_RRSIG)
		return record->covered == taking->removed_type;
	if (limits->may_be_private == NULL || !svcb_is_private(&record->data))
		return 0;
	dname_lower(name, record->owner, record->owner_bytes);
	if (limits->may_be_private(limits->ctx, name, record->owner_bytes))
		return 0;
	taking->removed_type = record->data.type;
	return 1;
}

static uint32_t
at_most(uint32_t value, uint32_t most)
{
	return value < most ? value : most;
}

/* Signatures of an alias follow it, when the next name is due already. */
static int
is_signature_of_alias(const struct taking *taking, const struct record *record)
{
	return record->data.type == WIRE_RRSIG &&
	       record->covered == WIRE_CNAME &&
	       (taking->answer->has & ANSWER_ALIASES) != 0;
}

static int
take_answer(struct taking *taking, const struct record *record)
{
	uint16_t type = record->data.type;

	if (type == WIRE_OPT ||
	    (!is_due(taking, record) && !is_signature_of_alias(taking, record)))
		return 0;
	if (!is_wanted(taking, record) || is_rebinding(taking, record))
		return 0;
	if (taking->question->qtype == WIRE_ANY || is_asked_for(taking, record))
		taking->positive = 1;
	if (keep(taking, record,
		at_most(record->ttl_s, taking->limits->ttl_max_s)) == -1)
		return -1;
	taking->answer->answers++;
	if (type != WIRE_RRSIG &&
	    maker_summarize(taking->maker, &record->data) == -1)
		return -1;
	return type == WIRE_CNAME ? follow(taking, record) : 0;
}

/*
 * A negative answer's SOA (RFC 2308, 3), and what proves an answer to those
 * who check it (RFC 4035, 3.1).
 */
static int
take_authority(struct taking *taking, const struct record *record)
{
	const struct rdata *data = &record->data;
	uint32_t ttl_s = record->ttl_s;

	if (record->covered == WIRE_SOA
		? taking->positive
		: !taking->dnssec_ok || (record->covered != WIRE_NSEC &&
					    record->covered != WIRE_NSEC3))
		return 0;
	if (data->type == WIRE_RRSIG && !taking->dnssec_ok)
		return 0;
	if (data->type == WIRE_SOA) {
		if (data->bytes < SOA_TAIL)
			return -1;
		ttl_s = at_most(ttl_s, wire_get32(data->message + data->at +
						  data->bytes - SOA_TAIL));
		taking->has_soa = 1;
	}
	if (keep(taking, record,
		at_most(ttl_s, taking->positive
				   ? taking->limits->ttl_max_s
				   : taking->limits->ttl_negative_max_s)) == -1)
		return -1;
	taking->answer->authorities++;
	return 0;
}

static int
take_nothing(struct taking *taking, const struct record *record)
{
	(void)taking;
	(void)record;
	return 0;
}

static int
take_section(struct taking *taking, const uint8_t *message, size_t len,
    size_t *at, unsigned int count,
    int (*take)(struct taking *, const struct record *))
{
	struct record record;

	while (count-- > 0) {
		if (record_read(message, len, at, &record) == -1)
			return -1;
		taking->owners_bytes += record.owner_bytes;
		if (taking->owners_bytes > WRITER_NAMES_BYTES ||
		    take(taking, &record) == -1)
			return -1;
	}
	return 0;
}

/* Whether the message is about the question; *at goes behind that. */
static int
question_matches(const uint8_t *message, size_t len, size_t *at,
    const struct question *question)
{
	uint8_t name[LIMIT_DNS_NAME_BYTES];
	int name_bytes;

	if (len < WIRE_HEADER_BYTES || wire_get16(message + 4) != 1)
		return 0;
	*at = WIRE_HEADER_BYTES;
	name_bytes = dname_read_plain(message, len, at, name);
	if (name_bytes != question->name_bytes ||
	    len - *at < WIRE_QUESTION_BYTES ||
	    !dname_equal(name, question->name, question->name_bytes) ||
	    wire_get16(message + *at) != question->qtype ||
	    wire_get16(message + *at + 2) != WIRE_CLASS_IN)
		return 0;
	*at += WIRE_QUESTION_BYTES;
	return 1;
}

/* Has everything behind the question; moves at over it. */
static int
take_sections(
    struct taking *taking, const uint8_t *message, size_t len, size_t at)
{
	if (take_section(taking, message, len, &at, wire_get16(message + 6),
		take_answer) == -1 ||
	    take_section(taking, message, len, &at, wire_get16(message + 8),
		take_authority) == -1 ||
	    take_section(taking, message, len, &at, wire_get16(message + 10),
		take_nothing) == -1 ||
	    at != len)
		return -1;
	return 0;
}

static int
has_records(unsigned int rcode)
{
	return rcode == WIRE_NOERROR || rcode == WIRE_NXDOMAIN ||
	       rcode == WIRE_YXDOMAIN;
}

static void
taking_begin(struct taking *taking, const struct question *question)
{
	taking->question = question;
	taking->ttl_s = UINT32_MAX;
	taking->chain_bytes = question->name_bytes;
	memcpy(taking->chain, question->name, question->name_bytes);
	maker_begin(taking->maker, question, taking->answer);
}

int
answer_take(struct maker *maker, const struct question *question, int dnssec_ok,
    const struct resolution *resolution, const struct answer_limits *limits,
    struct answer *answer)
{
	struct taking taking = {
		.maker = maker,
		.answer = answer,
		.limits = limits,
		.dnssec_ok = dnssec_ok,
	};
	const uint8_t *message = resolution->packet;
	size_t at, len = resolution->len_bytes;

	answer_error(answer, WIRE_SERVFAIL, resolution->ede);
	answer->security = (uint8_t)resolution->security;
	if (resolution->security == DNS_SECURITY_BOGUS &&
	    resolution->ede == DNS_EDE_NONE)
		answer->ede = WIRE_EDE_BOGUS;
	if (resolution->security == DNS_SECURITY_BOGUS ||
	    !has_records(resolution->rcode)) {
		/* Nobody was asked: the next question may find room. */
		if (resolution->ede != WIRE_EDE_NOT_READY)
			answer->ttl_s = SERVFAIL_TTL_S;
		return 0;
	}
	if (!question_matches(message, len, &at, question))
		return -1;
	taking_begin(&taking, question);
	if (take_sections(&taking, message, len, at) == -1)
		return -1;
	answer->rcode = resolution->rcode;
	answer->ede = resolution->ede;
	if (taking.removed_type == 0)
		answer->security = (uint8_t)resolution->security;
	if (taking.positive || taking.has_soa)
		answer->ttl_s = taking.ttl_s;
	return 0;
}

int
answer_move(struct maker *maker, const struct answer *from,
    const struct question *asked, const struct question *question,
    int dnssec_ok, struct answer *answer)
{
	static const struct answer_limits none = { INT32_MAX, INT32_MAX, NULL,
		NULL };
	struct taking taking = {
		.maker = maker,
		.answer = answer,
		.limits = &none,
		.dnssec_ok = dnssec_ok,
	};
	const struct answer old = *from;
	size_t at = maker_body_at(asked);

	memset(maker->moved, 0, WIRE_HEADER_BYTES);
	wire_put16(maker->moved + 8, old.authorities);
	memcpy(
	    maker->moved + WIRE_HEADER_BYTES, asked->name, asked->name_bytes);
	memcpy(maker->moved + at, old.body, old.body_bytes);
	taking_begin(&taking, question);
	if (old.answers != 0 ||
	    take_sections(&taking, maker->moved, at + old.body_bytes, at) == -1)
		return -1;
	answer->rcode = old.rcode;
	answer->ede = old.ede;
	answer->security = old.security;
	answer->ttl_s = old.ttl_s;
	return 0;
}

void
answer_error(struct answer *answer, unsigned int rcode, unsigned int ede)
{
	memset(answer, 0, sizeof(*answer));
	answer->rcode = (uint16_t)rcode;
	answer->ede = (uint16_t)ede;
}

static size_t
opt_bytes(const struct answer *answer, const struct query *query)
{
	if (!query->edns)
		return 0;
	return 1 + WIRE_RECORD_BYTES + (answer->ede == DNS_EDE_NONE ? 0 : 6);
}

static size_t
opt_write(const struct answer *answer, const struct query *query, uint8_t *to)
{
	to[0] = 0;
	wire_put16(to + 1, WIRE_OPT);
	wire_put16(to + 3, WIRE_UDP_BYTES);
	to[5] = (uint8_t)(answer->rcode >> 4);
	to[6] = 0;
	wire_put16(to + 7, query->dnssec_ok ? WIRE_DO : 0);
	wire_put16(to + 9, 0);
	if (answer->ede == DNS_EDE_NONE)
		return 11;
	wire_put16(to + 9, 6);
	wire_put16(to + 11, WIRE_OPTION_EDE);
	wire_put16(to + 13, 2);
	wire_put16(to + 15, answer->ede);
	return 17;
}

/* RFC 6840, 5.7 and 5.8: AD for those who have asked for it, if CD was not. */
static unsigned int
flags_of(const struct answer *answer, const struct query *query)
{
	unsigned int flags =
	    WIRE_QR | WIRE_RA | query->opcode | (answer->rcode & 15U);

	if (query->recursion_desired)
		flags |= WIRE_RD;
	if (query->question.checking_disabled)
		flags |= WIRE_CD;
	else if (answer->security == DNS_SECURITY_SECURE &&
		 (query->authentic_data || query->dnssec_ok))
		flags |= WIRE_AD;
	return flags;
}

static size_t
question_write(const struct query *query, uint8_t *message)
{
	size_t at = WIRE_HEADER_BYTES, name_bytes = query->question.name_bytes;

	if (name_bytes == 0)
		return at;
	memcpy(message + at, query->cased, name_bytes);
	at += name_bytes;
	wire_put16(message + at, query->question.qtype);
	wire_put16(message + at + 2, query->qclass);
	return at + WIRE_QUESTION_BYTES;
}

static void
ttls_write(
    const struct answer *answer, const struct answer_age *age, uint8_t *message)
{
	unsigned int i, n = answer->answers + answer->authorities;
	uint8_t *at;
	uint32_t ttl_s;

	if (age->age_s == 0 && !age->stale)
		return;
	for (i = 0; i < n; i++) {
		at = message + answer->ttls[i];
		ttl_s = wire_get32(at);
		if (age->stale)
			ttl_s = ANSWER_STALE_TTL_S;
		else
			ttl_s -= at_most(age->age_s, ttl_s);
		wire_put32(at, ttl_s);
	}
}

size_t
answer_write(const struct answer *answer, const struct query *query,
    const struct answer_age *age, uint8_t *message, size_t max)
{
	size_t at, opt = opt_bytes(answer, query);
	unsigned int flags = flags_of(answer, query);
	int cut;

	at = question_write(query, message);
	cut = at + answer->body_bytes + opt > max;
	wire_put16(message, query->id);
	wire_put16(message + 2, cut ? flags | WIRE_TC : flags);
	wire_put16(message + 4, query->question.name_bytes != 0);
	wire_put16(message + 6, cut ? 0 : answer->answers);
	wire_put16(message + 8, cut ? 0 : answer->authorities);
	wire_put16(message + 10, opt != 0);
	if (!cut && answer->body_bytes != 0) {
		memcpy(message + at, answer->body, answer->body_bytes);
		ttls_write(answer, age, message);
		at += answer->body_bytes;
	}
	if (opt != 0)
		at += opt_write(answer, query, message + at);
	return at;
}

uint32_t
answer_ttl(const struct answer *answer, const struct answer_age *age)
{
	if (answer->answers + answer->authorities == 0)
		return DNS_TTL_NONE;
	if (age->stale)
		return ANSWER_STALE_TTL_S;
	return answer->ttl_s - at_most(age->age_s, answer->ttl_s);
}

void
answer_record(const struct answer *answer, const struct question *question,
    unsigned int i, struct answer_record *record)
{
	const uint8_t *ttl =
	    answer->body + answer->ttls[i] - maker_body_at(question);

	record->type = wire_get16(ttl - 4);
	record->bytes = wire_get16(ttl + 4);
	record->data = ttl + 6;
}

/* Follows the pointers of a message of our own making. */
size_t
answer_alias(const struct answer *answer, const struct question *question,
    unsigned int i, uint8_t name[LIMIT_DNS_NAME_BYTES])
{
	struct answer_record record;
	const uint8_t *at;
	size_t to, used = 0;

	answer_record(answer, question, i, &record);
	if (record.type != WIRE_CNAME)
		return 0;
	at = record.data;
	while (*at != 0) {
		if (*at >= WIRE_POINTER) {
			to = wire_get16(at) & 0x3fffU;
			at =
			    to < maker_body_at(question)
				? question->name + (to - WIRE_HEADER_BYTES)
				: answer->body + (to - maker_body_at(question));
			continue;
		}
		dname_lower(name + used, at, 1U + *at);
		used += 1U + *at;
		at += 1U + *at;
	}
	name[used++] = 0;
	return used;
}
