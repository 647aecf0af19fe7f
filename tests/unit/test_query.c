/* SPDX-License-Identifier: ISC */
/* Questions as clients write them, and as none should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dns_fixture.h"
#include "dnsd/query.h"

static struct dns_message message;
static struct query query;

/* From memory that ends where the message does. */
static int
parse(void)
{
	uint8_t *exact = malloc(message.len + 1);
	int verdict;

	memcpy(exact + 1, message.bytes, message.len);
	memset(&query, 0xa5, sizeof(query));
	verdict = query_parse(exact + 1, message.len, &query);
	free(exact);
	return verdict;
}

static int
setup(void **state)
{
	(void)state;
	dns_begin(&message, 0x1234, WIRE_RD, "Www.EXAMPLE", WIRE_A);
	return 0;
}

static void
test_question_is_read(void **state)
{
	(void)state;
	assert_int_equal(parse(), QUERY_GOOD);
	assert_int_equal(query.id, 0x1234);
	assert_int_equal(query.udp_bytes, 512);
	assert_true(query.recursion_desired);
	assert_false(query.edns);
	assert_false(query.dnssec_ok);
	assert_false(query.authentic_data);
	assert_false(query.question.checking_disabled);
	assert_int_equal(query.question.qtype, WIRE_A);
	assert_int_equal(query.question.name_bytes, 13);
	assert_memory_equal(query.question.name, "\3www\7example", 13);
	assert_memory_equal(query.cased, "\3Www\7EXAMPLE", 13);
}

static void
test_bits_are_read(void **state)
{
	(void)state;
	dns_begin(&message, 1, WIRE_AD | WIRE_CD, "", WIRE_NS);
	assert_int_equal(parse(), QUERY_GOOD);
	assert_false(query.recursion_desired);
	assert_true(query.authentic_data);
	assert_true(query.question.checking_disabled);
	assert_int_equal(query.question.name_bytes, 1);
}

static void
test_edns_is_read(void **state)
{
	static const struct {
		uint16_t said, most;
	} sizes[] = { { 0, 512 }, { 511, 512 }, { 900, 900 }, { 1232, 1232 },
		{ 65535, 1232 } };
	static const uint8_t cookie[] = { 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8 };
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		setup(state);
		dns_edns(
		    &message, sizes[i].said, WIRE_DO, cookie, sizeof(cookie));
		assert_int_equal(parse(), QUERY_GOOD);
		assert_int_equal(query.udp_bytes, sizes[i].most);
		assert_true(query.edns);
		assert_true(query.dnssec_ok);
	}
}

static void
test_answers_are_dropped(void **state)
{
	(void)state;
	wire_put16(message.bytes + 2, WIRE_QR);
	assert_int_equal(parse(), QUERY_DROP);
	wire_put16(message.bytes + 2, WIRE_QR | 0x2800);
	assert_int_equal(parse(), QUERY_DROP);
}

static void
test_less_than_a_header_is_dropped(void **state)
{
	(void)state;
	for (message.len = 0; message.len < WIRE_HEADER_BYTES; message.len++)
		assert_int_equal(parse(), QUERY_DROP);
}

static void
test_other_opcodes_are_not_implemented(void **state)
{
	unsigned int opcode;

	(void)state;
	for (opcode = 1; opcode < 16; opcode++) {
		wire_put16(message.bytes + 2, opcode << 11);
		assert_int_equal(parse(), WIRE_NOTIMP);
		assert_int_equal(query.opcode, opcode << 11);
		assert_int_equal(query.question.name_bytes, 13);
		assert_false(query.edns);
	}
	message.len--;
	assert_int_equal(parse(), WIRE_NOTIMP);
	assert_int_equal(query.question.name_bytes, 0);
}

static void
test_what_is_turned_down_may_have_edns(void **state)
{
	(void)state;
	wire_put16(message.bytes + 2, 5 << 11);
	dns_edns(&message, 900, WIRE_DO, NULL, 0);
	assert_int_equal(parse(), WIRE_NOTIMP);
	assert_true(query.edns);
	assert_true(query.dnssec_ok);
	dns_begin(&message, 1, 0, "example", WIRE_AXFR);
	dns_edns(&message, 900, 0, NULL, 0);
	assert_int_equal(parse(), WIRE_REFUSED);
	assert_true(query.edns);
}

static void
test_one_question_is_asked(void **state)
{
	static const uint16_t counts[] = { 0, 2, 65535 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		wire_put16(message.bytes + 4, counts[i]);
		assert_int_equal(parse(), WIRE_FORMERR);
		assert_int_equal(query.question.name_bytes, 0);
	}
}

static void
test_message_that_is_cut_is_an_error(void **state)
{
	size_t whole;

	(void)state;
	dns_edns(&message, 1232, 0, "\0\12\0\0", 4);
	whole = message.len;
	for (message.len = WIRE_HEADER_BYTES; message.len < whole;
	     message.len++)
		assert_int_equal(parse(), WIRE_FORMERR);
	assert_int_equal(parse(), QUERY_GOOD);
}

static void
test_junk_behind_is_an_error(void **state)
{
	(void)state;
	message.bytes[message.len++] = 0;
	assert_int_equal(parse(), WIRE_FORMERR);
	/* Whom it was from is known all the same. */
	assert_int_equal(query.question.name_bytes, 13);
	setup(state);
	dns_edns(&message, 1232, 0, NULL, 0);
	message.bytes[message.len++] = 0;
	assert_int_equal(parse(), WIRE_FORMERR);
}

static void
test_pointer_in_a_question_is_an_error(void **state)
{
	(void)state;
	message.bytes[12] = 0xc0;
	message.bytes[13] = 12;
	assert_int_equal(parse(), WIRE_FORMERR);
	message.bytes[12] = 0x40;
	assert_int_equal(parse(), WIRE_FORMERR);
}

static void
long_name(size_t last)
{
	char name[256];

	memset(name, 'a', sizeof(name));
	name[63] = name[127] = name[191] = '.';
	name[192 + last] = '\0';
	dns_begin(&message, 1, 0, name, WIRE_A);
}

static void
test_longest_name(void **state)
{
	(void)state;
	long_name(61);
	assert_int_equal(parse(), QUERY_GOOD);
	assert_int_equal(query.question.name_bytes, 255);
	long_name(62);
	assert_int_equal(parse(), WIRE_FORMERR);
}

static void
test_records_besides_edns_are_an_error(void **state)
{
	(void)state;
	dns_a(&message, "a", 1, 1);
	assert_int_equal(parse(), WIRE_FORMERR);
	setup(state);
	dns_soa(&message, "a", 1, 1);
	assert_int_equal(parse(), WIRE_FORMERR);
	setup(state);
	dns_record_put(&message, DNS_ADDITIONAL, "", WIRE_TSIG, 0, NULL, 0);
	assert_int_equal(parse(), WIRE_FORMERR);
	setup(state);
	dns_edns(&message, 1232, 0, NULL, 0);
	dns_edns(&message, 1232, 0, NULL, 0);
	assert_int_equal(parse(), WIRE_FORMERR);
	setup(state);
	dns_record_put(&message, DNS_ADDITIONAL, "a", WIRE_OPT, 0, NULL, 0);
	assert_int_equal(parse(), WIRE_FORMERR);
}

static void
test_other_version_of_edns_is_bad(void **state)
{
	(void)state;
	dns_edns(&message, 1232, 1 << 16, NULL, 0);
	assert_int_equal(parse(), WIRE_BADVERS);
	assert_true(query.edns);
}

static void
test_options_that_are_cut_are_an_error(void **state)
{
	(void)state;
	dns_edns(&message, 1232, 0, "\0\12\0\5abcd", 8);
	assert_int_equal(parse(), WIRE_FORMERR);
	setup(state);
	dns_edns(&message, 1232, 0, "\0\12\0", 3);
	assert_int_equal(parse(), WIRE_FORMERR);
}

static void
test_other_classes_are_refused(void **state)
{
	static const uint16_t classes[] = { 0, 3, 4, 254, 255 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		wire_put16(message.bytes + message.len - 2, classes[i]);
		assert_int_equal(parse(), WIRE_REFUSED);
		assert_int_equal(query.qclass, classes[i]);
	}
}

static void
test_types_that_are_no_data(void **state)
{
	static const struct {
		uint16_t type;
		int verdict;
	} rows[] = {
		{ 0, WIRE_FORMERR },
		{ WIRE_OPT, WIRE_FORMERR },
		{ WIRE_AXFR, WIRE_REFUSED },
		{ WIRE_IXFR, WIRE_REFUSED },
		{ WIRE_TSIG, WIRE_REFUSED },
		{ WIRE_MAILA, WIRE_NOTIMP },
		{ WIRE_ANY, QUERY_GOOD },
		{ 65280, QUERY_GOOD },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		dns_begin(&message, 1, 0, "example", rows[i].type);
		assert_int_equal(parse(), rows[i].verdict);
	}
}

static void
test_transfer_with_its_serial_is_refused(void **state)
{
	(void)state;
	dns_begin(&message, 1, 0, "example", WIRE_IXFR);
	dns_soa(&message, "example", 1, 1);
	assert_int_equal(parse(), WIRE_REFUSED);
}

#define TEST(test) cmocka_unit_test_setup(test, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_question_is_read),
		TEST(test_bits_are_read),
		TEST(test_edns_is_read),
		TEST(test_answers_are_dropped),
		TEST(test_less_than_a_header_is_dropped),
		TEST(test_other_opcodes_are_not_implemented),
		TEST(test_what_is_turned_down_may_have_edns),
		TEST(test_one_question_is_asked),
		TEST(test_message_that_is_cut_is_an_error),
		TEST(test_junk_behind_is_an_error),
		TEST(test_pointer_in_a_question_is_an_error),
		TEST(test_longest_name),
		TEST(test_records_besides_edns_are_an_error),
		TEST(test_other_version_of_edns_is_bad),
		TEST(test_options_that_are_cut_are_an_error),
		TEST(test_other_classes_are_refused),
		TEST(test_types_that_are_no_data),
		TEST(test_transfer_with_its_serial_is_refused),
	};

	return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
