/* SPDX-License-Identifier: ISC */
/* What clients get of the policy's own answers. */
#include "dnsd/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dns_fixture.h"
#include "dnsd/maker.h"
#include "dnsd/query.h"

#define QUESTION_END 29

static struct maker *maker;
static struct answer answer;
static struct query query;
static uint8_t sent[LIMIT_DNS_PACKET_BYTES];
static size_t sent_bytes;

static int
setup(void **state)
{
	(void)state;
	maker = maker_new();
	memset(&query, 0, sizeof(query));
	query.qclass = WIRE_CLASS_IN;
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

static void
block_within(enum front_answer with, uint16_t qtype, size_t max)
{
	static const struct answer_age fresh = { 0, 0 };
	const struct front_verdict verdict = { with, 12, WIRE_EDE_BLOCKED };

	query.question.qtype = qtype;
	block_answer(maker, &query.question, &verdict, &answer);
	assert_int_equal(answer.ede, WIRE_EDE_BLOCKED);
	memset(sent, 0xa5, sizeof(sent));
	sent_bytes = answer_write(&answer, &query, &fresh, sent, max);
	assert_memory_equal(
	    sent + WIRE_HEADER_BYTES, query.cased, query.question.name_bytes);
}

static void
block(enum front_answer with, uint16_t qtype)
{
	block_within(with, qtype, sizeof(sent));
}

static void
test_zero_address(void **state)
{
	(void)state;
	block(FRONT_ZERO, WIRE_A);
	assert_int_equal(answer.answers, 1);
	assert_int_equal(answer.has, 0);
	assert_memory_equal(
	    sent + QUESTION_END, "\300\14\0\1\0\1\0\0\0\12\0\4\0\0\0\0", 16);
	assert_int_equal(sent_bytes, QUESTION_END + 12 + 4);
	block(FRONT_ZERO, WIRE_AAAA);
	assert_int_equal(answer.answers, 1);
	assert_int_equal(sent_bytes, QUESTION_END + 12 + 16);
}

/* Owner, type, class, TTL and length; then two names and five numbers. */
#define SOA                             \
	"\300\14\0\6\0\1\0\0\0\12\0\46" \
	"\300\14\6nobody\7invalid\0"    \
	"\0\0\0\1\0\0\16\20\0\0\4\260\0\11\72\200\0\0\0\12"
#define SOA_BYTES (sizeof(SOA) - 1)

/* RFC 2308, 2.1 and 2.2; owner and server are the name as it was asked. */
static void
test_what_is_not_there_can_be_remembered(void **state)
{
	static const struct {
		enum front_answer with;
		uint16_t qtype, rcode;
	} rows[] = { { FRONT_NXDOMAIN, WIRE_A, WIRE_NXDOMAIN },
		{ FRONT_NXDOMAIN, WIRE_SOA, WIRE_NXDOMAIN },
		{ FRONT_NODATA, WIRE_SVCB, WIRE_NOERROR },
		{ FRONT_ZERO, WIRE_HTTPS, WIRE_NOERROR } };
	const struct answer_age none = { 0, 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		block(rows[i].with, rows[i].qtype);
		assert_int_equal(sent[3] & 15, rows[i].rcode);
		assert_memory_equal(sent + 4, "\0\1\0\0\0\1\0\0", 8);
		assert_memory_equal(sent + QUESTION_END, SOA, SOA_BYTES);
		assert_int_equal(sent_bytes, QUESTION_END + SOA_BYTES);
		assert_int_equal(answer.ttl_s, BLOCK_TTL_S);
		assert_int_equal(answer_ttl(&answer, &none), BLOCK_TTL_S);
		assert_int_equal(answer.summary_bytes, 0);
	}
}

static void
test_the_soa_counts_as_all_that_is_sent(void **state)
{
	size_t whole;

	(void)state;
	query.edns = 1;
	block(FRONT_NXDOMAIN, WIRE_A);
	whole = sent_bytes;
	assert_int_equal(whole, QUESTION_END + SOA_BYTES + 17);
	block_within(FRONT_NXDOMAIN, WIRE_A, whole);
	assert_int_equal(sent_bytes, whole);
	assert_int_equal(wire_get16(sent + 2) & WIRE_TC, 0);
	block_within(FRONT_NXDOMAIN, WIRE_A, whole - 1);
	assert_int_equal(sent_bytes, QUESTION_END + 17);
	assert_int_equal(wire_get16(sent + 2) & WIRE_TC, WIRE_TC);
	assert_int_equal(wire_get16(sent + 8), 0);
}

/* Of the longest name and of none, without EDNS. */
static void
test_every_name_has_room_for_its_soa(void **state)
{
	char name[254];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(name) - 1; i++)
		name[i] = i % 2 ? '.' : 'a';
	name[i] = '\0';
	query.edns = 1;
	query.question = dns_question(name, WIRE_A);
	assert_int_equal(query.question.name_bytes, 255);
	memcpy(query.cased, query.question.name, 255);
	block_within(FRONT_NXDOMAIN, WIRE_A, WIRE_UDP_PLAIN_BYTES);
	assert_int_equal(wire_get16(sent + 2) & WIRE_TC, 0);
	assert_int_equal(wire_get16(sent + 8), 1);
	query.question = dns_question("", WIRE_A);
	query.cased[0] = 0;
	block(FRONT_NXDOMAIN, WIRE_A);
	assert_int_equal(wire_get16(sent + 8), 1);
	assert_memory_equal(
	    sent + 17, "\0\0\6\0\1\0\0\0\12\0\45\0\6nobody", 19);
}

static void
test_refusal_has_no_records(void **state)
{
	(void)state;
	block(FRONT_REFUSED, WIRE_A);
	assert_int_equal(sent[3] & 15, WIRE_REFUSED);
	assert_int_equal(sent_bytes, QUESTION_END);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_zero_address),
		TEST(test_what_is_not_there_can_be_remembered),
		TEST(test_the_soa_counts_as_all_that_is_sent),
		TEST(test_every_name_has_room_for_its_soa),
		TEST(test_refusal_has_no_records),
	};

	return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
