/* SPDX-License-Identifier: ISC */
/* What is a question, what answers it, and how it is padded and refused. */
#include "dnsd/dot/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* example.org. A, recursion desired, OPT of 1232 bytes with DO */
static const uint8_t sample[] = { 0x12, 0x34, 0x01, 0x10, 0, 1, 0, 0, 0, 0, 0,
	1, 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'o', 'r', 'g', 0, 0, 1, 0,
	1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0 };

#define QUESTION_END 29

static void
test_query_of_one_question(void **state)
{
	uint8_t packet[sizeof(sample)];

	(void)state;
	memcpy(packet, sample, sizeof(packet));
	assert_true(packet_is_query(packet, sizeof(packet)));
	packet[2] |= 0x80; /* a response */
	assert_false(packet_is_query(packet, sizeof(packet)));
	packet[2] = 1;
	packet[5] = 2; /* two questions */
	assert_false(packet_is_query(packet, sizeof(packet)));
	packet[5] = 1;
	packet[7] = 1; /* an answer */
	assert_false(packet_is_query(packet, sizeof(packet)));
	packet[7] = 0;
	packet[12] = 0xc0; /* a compressed name */
	assert_false(packet_is_query(packet, sizeof(packet)));
}

static void
test_nothing_is_read_beyond_the_end(void **state)
{
	uint8_t *packet;
	size_t len;

	(void)state;
	for (len = 0; len < QUESTION_END; len++) {
		/* of just that size, for the address sanitizer */
		packet = malloc(len + 1);
		memcpy(packet + 1, sample, len);
		assert_false(packet_is_query(packet + 1, len));
		assert_false(
		    packet_answers(packet + 1, len, sample, sizeof(sample)));
		free(packet);
	}
	assert_true(packet_is_query(sample, QUESTION_END));
}

static void
test_answer_repeats_the_question(void **state)
{
	uint8_t answer[QUESTION_END];

	(void)state;
	memcpy(answer, sample, sizeof(answer));
	assert_false(
	    packet_answers(answer, sizeof(answer), sample, sizeof(sample)));
	answer[2] |= 0x80;
	assert_true(
	    packet_answers(answer, sizeof(answer), sample, sizeof(sample)));
	answer[0] ^= 1; /* another id */
	assert_true(
	    packet_answers(answer, sizeof(answer), sample, sizeof(sample)));
	memcpy(answer + 13, "EXample\3oRG", 11); /* in other letters */
	assert_true(
	    packet_answers(answer, sizeof(answer), sample, sizeof(sample)));
	answer[13] = 'f'; /* another name */
	assert_false(
	    packet_answers(answer, sizeof(answer), sample, sizeof(sample)));
	answer[13] = 'e';
	answer[26] = 28; /* another type */
	assert_false(
	    packet_answers(answer, sizeof(answer), sample, sizeof(sample)));
}

static void
test_queries_are_padded_to_a_block(void **state)
{
	uint8_t out[PACKET_ROOM_BYTES];
	size_t len = packet_pad(sample, sizeof(sample), out);

	(void)state;
	assert_int_equal(len, PACKET_PADDED_BYTES);
	assert_memory_equal(out, sample, sizeof(sample) - 2);
	assert_int_equal(out[sizeof(sample) - 1], len - sizeof(sample));
	assert_int_equal(out[sizeof(sample) + 1], 12);
	assert_int_equal(out[sizeof(sample) + 3], len - sizeof(sample) - 4);
	assert_true(packet_is_query(out, len));
	/* without EDNS there is no place for it */
	assert_int_equal(packet_pad(sample, QUESTION_END, out), QUESTION_END);
}

static void
test_size_of_datagrams(void **state)
{
	uint8_t query[sizeof(sample)];

	(void)state;
	memcpy(query, sample, sizeof(query));
	assert_int_equal(packet_udp_bytes(query, sizeof(query)), 1232);
	query[32] = 0; /* 208 bytes: as little as nothing */
	assert_int_equal(packet_udp_bytes(query, sizeof(query)), 512);
	query[11] = 0;
	assert_int_equal(packet_udp_bytes(query, QUESTION_END), 512);
}

static void
test_refusal_keeps_the_question(void **state)
{
	uint8_t query[sizeof(sample)];
	size_t len;

	(void)state;
	memcpy(query, sample, sizeof(query));
	len = packet_refuse(query, sizeof(query), PACKET_SERVFAIL, 0);
	assert_int_equal(len, QUESTION_END);
	assert_true(packet_answers(query, len, sample, sizeof(sample)));
	assert_int_equal(packet_rcode(query), PACKET_SERVFAIL);
	assert_int_equal(query[2], 0x81);
	assert_int_equal(query[3], 0x92);
	assert_int_equal(query[11], 0);
	memcpy(query, sample, sizeof(query));
	packet_refuse(query, sizeof(query), PACKET_NOERROR, 1);
	assert_int_equal(query[2], 0x83);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query_of_one_question),
		cmocka_unit_test(test_nothing_is_read_beyond_the_end),
		cmocka_unit_test(test_answer_repeats_the_question),
		cmocka_unit_test(test_queries_are_padded_to_a_block),
		cmocka_unit_test(test_size_of_datagrams),
		cmocka_unit_test(test_refusal_keeps_the_question),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
