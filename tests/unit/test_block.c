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
		TEST(test_refusal_has_no_records),
	};

	return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
