/* SPDX-License-Identifier: ISC */
/* What becomes of a resolver's message, and what clients get of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dns_fixture.h"
#include "dnsd/answer.h"
#include "dnsd/maker.h"
#include "dnsd/query.h"

static struct answer_limits limits;
static const struct answer_age fresh = { 0, 0 };

static struct maker *maker;
static struct dns_message message;
static struct answer answer;
static struct query query;
static uint8_t sent[LIMIT_DNS_PACKET_BYTES];
static size_t sent_bytes;

static int
setup(void **state)
{
	(void)state;
	limits = (struct answer_limits){ 86400, 3600, NULL, NULL };
	maker = maker_new();
	dns_begin(&message, 0, 0, "www.example", WIRE_A);
	memset(&query, 0, sizeof(query));
	query.id = 0x4711;
	query.qclass = WIRE_CLASS_IN;
	query.udp_bytes = 512;
	query.recursion_desired = 1;
	query.question = dns_question("www.example", WIRE_A);
	memcpy(query.cased, "\3wWw\7ExAmPlE", 13);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(maker);
	return 0;
}

/* From memory that ends where the message does. */
static int
take_as(const struct resolution *resolution)
{
	struct resolution exact = *resolution;
	uint8_t *bytes = malloc(exact.len_bytes + 1);
	int result;

	if (exact.len_bytes > 0)
		memcpy(bytes + 1, exact.packet, exact.len_bytes);
	exact.packet = bytes + 1;
	result = answer_take(
	    maker, &query.question, query.dnssec_ok, &exact, &limits, &answer);
	free(bytes);
	return result;
}

static int
take(uint16_t rcode)
{
	struct resolution resolution = dns_resolution(&message, rcode);

	return take_as(&resolution);
}

static uint16_t
put(void)
{
	memset(sent, 0xa5, sizeof(sent));
	sent_bytes = answer_write(&answer, &query, &fresh, sent, sizeof(sent));
	return wire_get16(sent + 2);
}

static void
test_client_gets_its_id_case_and_bits(void **state)
{
	(void)state;
	dns_a(&message, "www.example", 300, 7);
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(put(), WIRE_QR | WIRE_RD | WIRE_RA);
	assert_int_equal(wire_get16(sent), 0x4711);
	assert_memory_equal(sent + 12, "\3wWw\7ExAmPlE", 13);
	assert_memory_equal(sent + 4, "\0\1\0\1\0\0\0\0", 8);
	/* The owner is a pointer to the question. */
	assert_int_equal(sent_bytes, 12 + 17 + 2 + 10 + 4);
	assert_memory_equal(
	    sent + 29, "\300\14\0\1\0\1\0\0\1\54\0\4\300\0\2\7", 16);
	query.recursion_desired = 0;
	assert_int_equal(put(), WIRE_QR | WIRE_RA);
	query.question.checking_disabled = 1;
	assert_int_equal(put(), WIRE_QR | WIRE_RA | WIRE_CD);
}

static void
test_authentic_data_is_for_who_asks(void **state)
{
	struct resolution secure;

	(void)state;
	dns_a(&message, "www.example", 300, 7);
	secure = dns_resolution(&message, WIRE_NOERROR);
	secure.security = DNS_SECURITY_SECURE;
	assert_int_equal(take_as(&secure), 0);
	assert_int_equal(put() & WIRE_AD, 0);
	query.authentic_data = 1;
	assert_int_equal(put() & WIRE_AD, WIRE_AD);
	query.authentic_data = 0;
	query.dnssec_ok = 1;
	assert_int_equal(put() & WIRE_AD, WIRE_AD);
	query.question.checking_disabled = 1;
	assert_int_equal(put() & WIRE_AD, 0);
	query.question.checking_disabled = 0;
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(put() & WIRE_AD, 0);
}

static void
test_signatures_are_for_who_asks(void **state)
{
	(void)state;
	dns_a(&message, "www.example", 300, 7);
	dns_signature(&message, DNS_ANSWER, "www.example", WIRE_A, 200);
	dns_record_put(&message, DNS_AUTHORITY, "example", WIRE_NSEC, 100,
	    "\1z\0\0\1\100", 6);
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(answer.answers, 1);
	assert_int_equal(answer.authorities, 0);
	assert_int_equal(answer.ttl_s, 300);
	query.dnssec_ok = 1;
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(answer.answers, 2);
	assert_int_equal(answer.authorities, 1);
	assert_int_equal(answer.ttl_s, 100);
}

static void
test_signature_asked_for_is_given(void **state)
{
	(void)state;
	query.question.qtype = WIRE_RRSIG;
	dns_begin(&message, 0, 0, "www.example", WIRE_RRSIG);
	dns_signature(&message, DNS_ANSWER, "www.example", WIRE_A, 200);
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(answer.answers, 1);
}

static void
test_time_is_counted_down(void **state)
{
	struct answer_age age = { 100, 0 };

	(void)state;
	dns_a(&message, "www.example", 300, 7);
	dns_a(&message, "www.example", 400, 8);
	assert_int_equal(take(WIRE_NOERROR), 0);
	(void)answer_write(&answer, &query, &age, sent, sizeof(sent));
	assert_int_equal(wire_get32(sent + 29 + 6), 200);
	assert_int_equal(wire_get32(sent + 29 + 16 + 6), 300);
	assert_int_equal(answer_ttl(&answer, &age), 200);
	age.stale = 1;
	(void)answer_write(&answer, &query, &age, sent, sizeof(sent));
	assert_int_equal(wire_get32(sent + 29 + 6), ANSWER_STALE_TTL_S);
	assert_int_equal(answer_ttl(&answer, &age), ANSWER_STALE_TTL_S);
}

static void
test_ttl_has_a_limit_and_no_sign(void **state)
{
	(void)state;
	dns_a(&message, "www.example", 1000000, 7);
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(answer.ttl_s, 86400);
	(void)put();
	assert_int_equal(wire_get32(sent + 29 + 6), 86400);
	dns_a(&message, "www.example", 0x80000000U, 7);
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(answer.ttl_s, 0);
}

static void
test_negative_answer_lives_as_its_soa_says(void **state)
{
	static const struct {
		uint32_t ttl_s, minimum_s, lives_s;
	} rows[] = { { 900, 60, 60 }, { 30, 60, 30 }, { 9000, 9000, 3600 } };
	static const struct answer_age aged = { 20, 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		dns_begin(&message, 0, 0, "www.example", WIRE_A);
		dns_soa(&message, "example", rows[i].ttl_s, rows[i].minimum_s);
		assert_int_equal(take(WIRE_NXDOMAIN), 0);
		assert_int_equal(answer.ttl_s, rows[i].lives_s);
		assert_int_equal(answer.rcode, WIRE_NXDOMAIN);
		assert_int_equal(put() & 15, WIRE_NXDOMAIN);
		assert_int_equal(
		    wire_get32(sent + answer.ttls[0]), rows[i].lives_s);
		(void)answer_write(&answer, &query, &aged, sent, sizeof(sent));
		assert_int_equal(
		    wire_get32(sent + answer.ttls[0]), rows[i].lives_s - 20);
	}
}

static void
test_negative_answer_without_soa_is_not_kept(void **state)
{
	(void)state;
	assert_int_equal(take(WIRE_NXDOMAIN), 0);
	assert_int_equal(answer.ttl_s, 0);
	dns_alias(&message, "www.example", 300, "a.example");
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(answer.ttl_s, 0);
}

static void
test_aliases_are_followed(void **state)
{
	uint8_t name[LIMIT_DNS_NAME_BYTES];

	(void)state;
	dns_alias(&message, "www.example", 300, "Cdn.Example");
	dns_alias(&message, "cdn.example", 300, "a.other");
	dns_a(&message, "A.OTHER", 300, 7);
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(answer.answers, 3);
	assert_int_equal(answer.has, ANSWER_ADDRESSES | ANSWER_ALIASES);
	assert_int_equal(answer_alias(&answer, &query.question, 0, name), 13);
	assert_memory_equal(name, "\3cdn\7example", 13);
	assert_int_equal(answer_alias(&answer, &query.question, 1, name), 9);
	assert_memory_equal(name, "\1a\5other", 9);
	assert_int_equal(answer_alias(&answer, &query.question, 2, name), 0);
	assert_memory_equal(answer.summary, "\0\5\15\3Cdn\7Example", 16);
}

static void
test_records_of_other_names_are_left_out(void **state)
{
	(void)state;
	dns_a(&message, "bank.example", 300, 66);
	dns_alias(&message, "www.example", 300, "a.other");
	dns_a(&message, "www.example", 300, 66);
	dns_a(&message, "a.other", 300, 7);
	dns_a(&message, "b.other", 300, 66);
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(answer.answers, 2);
	(void)put();
	assert_int_equal(sent[sent_bytes - 1], 7);
}

static void
test_alias_of_a_subtree_is_kept(void **state)
{
	(void)state;
	dns_record_put(
	    &message, DNS_ANSWER, "example", WIRE_DNAME, 300, "\5other", 7);
	dns_alias(&message, "www.example", 300, "www.other");
	dns_a(&message, "www.other", 300, 7);
	dns_record_put(
	    &message, DNS_ANSWER, "ample", WIRE_DNAME, 300, "\5other", 7);
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(answer.answers, 3);
}

/* What only leads there is not what was asked for: SOA is wanted. */
static void
test_type_of_what_leads_on_is_no_answer(void **state)
{
	(void)state;
	query.question.qtype = WIRE_DNAME;
	dns_begin(&message, 0, 0, "www.example", WIRE_DNAME);
	dns_record_put(
	    &message, DNS_ANSWER, "example", WIRE_DNAME, 300, "\5other", 7);
	dns_alias(&message, "www.example", 300, "www.other");
	dns_soa(&message, "other", 300, 300);
	assert_int_equal(take(WIRE_NXDOMAIN), 0);
	assert_int_equal(answer.answers, 2);
	assert_int_equal(answer.authorities, 1);
	query.question.qtype = WIRE_RRSIG;
	dns_begin(&message, 0, 0, "www.example", WIRE_RRSIG);
	dns_record_put(
	    &message, DNS_ANSWER, "example", WIRE_DNAME, 300, "\5other", 7);
	dns_signature(&message, DNS_ANSWER, "example", WIRE_DNAME, 300);
	dns_alias(&message, "www.example", 300, "www.other");
	dns_signature(&message, DNS_ANSWER, "www.example", WIRE_CNAME, 300);
	dns_soa(&message, "other", 300, 300);
	assert_int_equal(take(WIRE_NXDOMAIN), 0);
	assert_int_equal(answer.answers, 2);
	assert_int_equal(answer.authorities, 1);
}

static void
test_any_gets_one_set(void **state)
{
	query.question.qtype = WIRE_ANY;
	query.dnssec_ok = 1;
	(void)state;
	dns_begin(&message, 0, 0, "www.example", WIRE_ANY);
	dns_a(&message, "www.example", 300, 7);
	dns_a(&message, "www.example", 300, 8);
	dns_record_put(
	    &message, DNS_ANSWER, "www.example", 16, 300, "\3abc", 4);
	dns_signature(&message, DNS_ANSWER, "www.example", WIRE_A, 300);
	dns_signature(&message, DNS_ANSWER, "www.example", 16, 300);
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(answer.answers, 3);
}

static void
test_long_answer_is_cut_whole(void **state)
{
	unsigned int i;
	size_t whole;

	(void)state;
	for (i = 0; i < 40; i++)
		dns_a(&message, "www.example", 300, i);
	assert_int_equal(take(WIRE_NOERROR), 0);
	(void)put();
	whole = sent_bytes;
	assert_int_equal(
	    answer_write(&answer, &query, &fresh, sent, whole), whole);
	assert_int_equal(sent[2] & 2, 0);
	sent_bytes = answer_write(&answer, &query, &fresh, sent, whole - 1);
	assert_int_equal(wire_get16(sent + 2) & WIRE_TC, WIRE_TC);
	assert_int_equal(sent_bytes, 12 + 17);
	assert_memory_equal(sent + 4, "\0\1\0\0\0\0\0\0", 8);
}

static void
test_edns_is_for_who_has_it(void **state)
{
	struct resolution failed = { .rcode = WIRE_SERVFAIL, .ede = 22 };

	(void)state;
	assert_int_equal(take_as(&failed), 0);
	assert_true(answer.ttl_s > 0 && answer.ttl_s <= 5);
	assert_int_equal(put() & 15, WIRE_SERVFAIL);
	assert_int_equal(sent_bytes, 29);
	query.edns = 1;
	query.dnssec_ok = 1;
	(void)put();
	assert_int_equal(sent_bytes, 29 + 17);
	assert_memory_equal(
	    sent + 29, "\0\0\51\4\320\0\0\200\0\0\6\0\17\0\2\0\26", 17);
	answer_error(&answer, WIRE_BADVERS, DNS_EDE_NONE);
	assert_int_equal(put() & 15, 0);
	assert_int_equal(sent[29 + 5], 1);
	assert_int_equal(sent_bytes, 29 + 11);
}

static void
test_bogus_data_is_not_given(void **state)
{
	struct resolution bogus;

	(void)state;
	dns_a(&message, "www.example", 300, 66);
	bogus = dns_resolution(&message, WIRE_NOERROR);
	bogus.security = DNS_SECURITY_BOGUS;
	assert_int_equal(take_as(&bogus), 0);
	assert_int_equal(answer.rcode, WIRE_SERVFAIL);
	assert_int_equal(answer.answers, 0);
	assert_int_equal(answer.ede, WIRE_EDE_BOGUS);
	assert_true(answer.ttl_s <= 5);
}

static void
test_answer_to_something_else_is_bad(void **state)
{
	static const struct {
		const char *name;
		uint16_t type;
	} rows[] = { { "www.exampl", WIRE_A }, { "www.examples", WIRE_A },
		{ "wwx.example", WIRE_A }, { "www.example", WIRE_AAAA },
		{ "", WIRE_A } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		dns_begin(&message, 0, 0, rows[i].name, rows[i].type);
		dns_a(&message, "www.example", 300, 66);
		assert_int_equal(take(WIRE_NOERROR), -1);
	}
	dns_begin(&message, 0, 0, "www.example", WIRE_A);
	wire_put16(message.bytes + message.len - 2, 3);
	assert_int_equal(take(WIRE_NOERROR), -1);
}

static void
test_answer_that_is_cut_is_bad(void **state)
{
	size_t whole;

	(void)state;
	dns_alias(&message, "www.example", 300, "a.other");
	dns_a(&message, "a.other", 300, 7);
	dns_soa(&message, "other", 300, 300);
	dns_record_put(&message, DNS_ADDITIONAL, "x", WIRE_A, 1, "abcd", 4);
	whole = message.len;
	for (message.len = 0; message.len < whole; message.len++)
		assert_int_equal(take(WIRE_NOERROR), -1);
	assert_int_equal(take(WIRE_NOERROR), 0);
	message.len++;
	assert_int_equal(take(WIRE_NOERROR), -1);
}

static void
test_data_that_its_type_cannot_have_is_bad(void **state)
{
	static const struct {
		uint16_t type;
		const char *data;
		size_t len;
	} rows[] = {
		{ WIRE_A, "abc", 3 },
		{ WIRE_A, "abcde", 5 },
		{ WIRE_AAAA, "abcd", 4 },
		{ WIRE_CNAME, "\1a", 2 },
		{ WIRE_CNAME, "\1a\0x", 4 },
		{ WIRE_CNAME, "", 0 },
		{ 15, "\0\1", 2 },
		{ 33, "\0\1\0\1\0\1", 6 },
		{ WIRE_RRSIG, "\0\1", 2 },
		{ 35, "\0\1\0\1\1", 5 },
		{ WIRE_CNAME, "\300\64", 2 }, /* to itself */
		{ WIRE_CNAME, "\377\377", 2 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		query.question.qtype = rows[i].type;
		dns_begin(&message, 0, 0, "www.example", rows[i].type);
		dns_record_put(&message, DNS_ANSWER, "www.example",
		    rows[i].type, 1, rows[i].data, rows[i].len);
		assert_int_equal(take(WIRE_NOERROR), -1);
	}
}

static void
test_names_in_data_are_compressed_where_they_may_be(void **state)
{
	(void)state;
	query.question.qtype = 15;
	dns_begin(&message, 0, 0, "www.example", 15);
	dns_record_put(&message, DNS_ANSWER, "www.example", 15, 1,
	    "\0\12\2mx\7example", 14);
	assert_int_equal(take(WIRE_NOERROR), 0);
	(void)put();
	assert_memory_equal(sent + sent_bytes - 9, "\0\7\0\12\2mx\300\20", 9);
	query.question.qtype = 33;
	dns_begin(&message, 0, 0, "www.example", 33);
	dns_record_put(&message, DNS_ANSWER, "www.example", 33, 1,
	    "\0\1\0\2\0\3\300\14", 8);
	assert_int_equal(take(WIRE_NOERROR), 0);
	(void)put();
	assert_memory_equal(
	    sent + sent_bytes - 21, "\0\23\0\1\0\2\0\3\3www\7example", 21);
}

static void
test_answer_moves_to_a_name_below(void **state)
{
	struct query below = query;
	struct answer moved;

	(void)state;
	dns_soa(&message, "example", 300, 300);
	assert_int_equal(take(WIRE_NXDOMAIN), 0);
	below.question = dns_question("a.b.www.example", WIRE_AAAA);
	memcpy(below.cased, below.question.name, below.question.name_bytes);
	assert_int_equal(answer_move(maker, &answer, &query.question,
			     &below.question, 0, &moved),
	    0);
	sent_bytes = answer_write(&moved, &below, &fresh, sent, sizeof(sent));
	assert_int_equal(sent[3] & 15, WIRE_NXDOMAIN);
	assert_int_equal(moved.authorities, 1);
	/* The owner of the SOA: the question's name from its 5th label on. */
	assert_memory_equal(sent + 12 + 17 + 4, "\300\24\0\6", 4);
}

static void
test_options_of_the_resolver_are_its_own(void **state)
{
	(void)state;
	dns_a(&message, "www.example", 300, 7);
	dns_edns(&message, 1232, WIRE_DO, "", 0);
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(answer.answers, 1);
	(void)put();
	assert_int_equal(wire_get16(sent + 10), 0);
}

/* Some hundred bytes of names for every few bytes of the message. */
static void
test_names_that_only_cost_time_are_bad(void **state)
{
	static const enum dns_section sections[] = { DNS_ANSWER, DNS_AUTHORITY,
		DNS_ADDITIONAL };
	char name[255];
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(name) - 2; i++)
		name[i] = i % 2 ? '.' : 'a';
	name[i] = '\0';
	for (i = 0; i < 3; i++) {
		dns_begin(&message, 0, 0, name, WIRE_A);
		query.question = dns_question(name, WIRE_A);
		for (n = 0; n < 800; n++) {
			dns_put(
			    &message, "\300\14\0\1\0\1\0\0\0\11\0\4abcd", 16);
			dns_count(&message, sections[i]);
			if (n == 500)
				assert_int_equal(take(WIRE_NOERROR), 0);
		}
		assert_int_equal(take(WIRE_NOERROR), -1);
	}
}

static void
test_too_many_records_are_bad(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < ANSWER_RECORDS_MAX; i++)
		dns_record_put(
		    &message, DNS_ANSWER, "www.example", WIRE_A, 9, "abcd", 4);
	assert_int_equal(take(WIRE_NOERROR), 0);
	dns_a(&message, "www.example", 9, 1);
	assert_int_equal(take(WIRE_NOERROR), -1);
}

/* Priority, target, and parameters. */
static void
put_service(
    const char *owner, uint16_t type, const void *parameters, size_t len)
{
	uint8_t data[512] = { 0, 1, 0 };

	memcpy(data + 3, parameters, len);
	dns_record_put(&message, DNS_ANSWER, owner, type, 300, data, 3 + len);
}

static void
ask_service(uint16_t type)
{
	query.question.qtype = type;
	dns_begin(&message, 0, 0, "www.example", type);
}

static int
lan_may_be_private(void *ctx, const uint8_t *name, size_t bytes)
{
	(void)ctx;
	return bytes == 9 && memcmp(name, "\3lan\3net", 9) == 0;
}

#define PUBLIC_HINT "\0\4\0\4\306\63\144\7"
#define PRIVATE_HINT "\0\4\0\4\12\1\2\3"

static void
test_services_with_private_hints_are_left_out(void **state)
{
	static const uint16_t types[] = { WIRE_SVCB, WIRE_HTTPS };
	size_t t;

	(void)state;
	limits.may_be_private = lan_may_be_private;
	for (t = 0; t < 2; t++) {
		ask_service(types[t]);
		put_service("www.example", types[t], PRIVATE_HINT, 8);
		put_service("www.example", types[t], "\0\4\0", 3);
		assert_int_equal(take(WIRE_NOERROR), 0);
		assert_int_equal(answer.answers, 0);
		assert_int_equal(answer.has, 0);
		assert_int_equal(answer.ttl_s, 0);
		put_service("www.example", types[t], PUBLIC_HINT, 8);
		assert_int_equal(take(WIRE_NOERROR), 0);
		assert_int_equal(answer.answers, 1);
		assert_int_equal(answer.has, ANSWER_ADDRESSES);
		assert_int_equal(answer.ttl_s, 300);
	}
}

/* It is the name of the record that counts, in any case of letters. */
static void
test_names_that_may_have_private_hints_keep_them(void **state)
{
	(void)state;
	limits.may_be_private = lan_may_be_private;
	ask_service(WIRE_HTTPS);
	dns_alias(&message, "www.example", 300, "LAN.net");
	put_service("LAN.net", WIRE_HTTPS, PRIVATE_HINT, 8);
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(answer.answers, 2);
	limits.may_be_private = NULL;
	ask_service(WIRE_HTTPS);
	put_service("www.example", WIRE_HTTPS, PRIVATE_HINT, 8);
	put_service("www.example", WIRE_HTTPS, "\0\4\0", 3);
	assert_int_equal(take(WIRE_NOERROR), 0);
	assert_int_equal(answer.answers, 2);
}

static void
take_signed(const char *parameters)
{
	static const uint8_t rrsig[] = { 0, WIRE_HTTPS, 13, 2, 0, 0, 1, 44, 9,
		9, 9, 9, 1, 1, 1, 1, 0, 7, 0, 'x' };
	struct resolution secure;

	ask_service(WIRE_HTTPS);
	put_service("www.example", WIRE_HTTPS, parameters, 8);
	dns_record_put(&message, DNS_ANSWER, "www.example", WIRE_RRSIG, 300,
	    rrsig, sizeof(rrsig));
	secure = dns_resolution(&message, WIRE_NOERROR);
	secure.security = DNS_SECURITY_SECURE;
	assert_int_equal(take_as(&secure), 0);
}

/* Nobody is told that all of the rest had been proven. */
static void
test_what_is_left_out_has_no_signature(void **state)
{
	(void)state;
	limits.may_be_private = lan_may_be_private;
	query.dnssec_ok = 1;
	take_signed(PUBLIC_HINT);
	assert_int_equal(answer.answers, 2);
	assert_true((put() & WIRE_AD) != 0);
	take_signed(PRIVATE_HINT);
	assert_int_equal(answer.answers, 0);
	assert_int_equal(answer.security, DNS_SECURITY_NONE);
	assert_int_equal(put() & WIRE_AD, 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_client_gets_its_id_case_and_bits),
		TEST(test_authentic_data_is_for_who_asks),
		TEST(test_signatures_are_for_who_asks),
		TEST(test_signature_asked_for_is_given),
		TEST(test_time_is_counted_down),
		TEST(test_ttl_has_a_limit_and_no_sign),
		TEST(test_negative_answer_lives_as_its_soa_says),
		TEST(test_negative_answer_without_soa_is_not_kept),
		TEST(test_aliases_are_followed),
		TEST(test_records_of_other_names_are_left_out),
		TEST(test_alias_of_a_subtree_is_kept),
		TEST(test_type_of_what_leads_on_is_no_answer),
		TEST(test_any_gets_one_set),
		TEST(test_long_answer_is_cut_whole),
		TEST(test_edns_is_for_who_has_it),
		TEST(test_bogus_data_is_not_given),
		TEST(test_answer_to_something_else_is_bad),
		TEST(test_answer_that_is_cut_is_bad),
		TEST(test_data_that_its_type_cannot_have_is_bad),
		TEST(test_names_in_data_are_compressed_where_they_may_be),
		TEST(test_answer_moves_to_a_name_below),
		TEST(test_options_of_the_resolver_are_its_own),
		TEST(test_names_that_only_cost_time_are_bad),
		TEST(test_services_with_private_hints_are_left_out),
		TEST(test_names_that_may_have_private_hints_keep_them),
		TEST(test_what_is_left_out_has_no_signature),
		TEST(test_too_many_records_are_bad),
	};

	return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
