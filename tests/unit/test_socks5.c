/* SPDX-License-Identifier: ISC */
#include "relay/socks5.h"

#include <errno.h>
#include <stdlib.h>

#include "schema/flow.h"
#include "target_fixture.h"

#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

static void
test_methods_are_offered_as_known(void **state)
{
	uint8_t buf[SOCKS5_METHODS_BYTES];

	(void)state;
	assert_int_equal(socks5_write_methods(0, buf), 3);
	assert_memory_equal(buf, "\5\1\0", 3);
	assert_int_equal(socks5_write_methods(1, buf), 4);
	assert_memory_equal(buf, "\5\2\0\2", 4);
}

static void
test_only_an_offered_method_is_taken(void **state)
{
	static const struct {
		uint8_t bytes[2];
		size_t len;
		int can_login;
		enum answer_status status;
		uint16_t error;
	} cases[] = {
		{ { 5, 0 }, 2, 0, ANSWER_GOOD, 0 },
		{ { 5, 0 }, 2, 1, ANSWER_GOOD, 0 },
		{ { 5, 2 }, 2, 1, ANSWER_GOOD, 0 },
		{ { 5, 2 }, 2, 0, ANSWER_BAD, FLOW_ERROR_NOT_UNDERSTOOD },
		{ { 5, 1 }, 2, 1, ANSWER_BAD, FLOW_ERROR_NOT_UNDERSTOOD },
		{ { 5, 255 }, 2, 1, ANSWER_BAD, FLOW_ERROR_SOCKS5_METHOD },
		{ { 4, 0 }, 1, 1, ANSWER_BAD, FLOW_ERROR_NOT_UNDERSTOOD },
		{ { 5, 0 }, 1, 1, ANSWER_MORE, 0 },
		{ { 0, 0 }, 0, 1, ANSWER_MORE, 0 },
	};
	enum socks5_method method;
	struct answer answer;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&answer, 0, sizeof(answer));
		assert_int_equal(
		    socks5_read_method(cases[i].bytes, cases[i].len,
			cases[i].can_login, &method, &answer),
		    cases[i].status);
		assert_int_equal(answer.error, cases[i].error);
		if (cases[i].status == ANSWER_GOOD) {
			assert_int_equal(answer.used, 2);
			assert_int_equal(method, cases[i].bytes[1]);
		}
	}
}

static void
test_login_goes_as_rfc_1929_says(void **state)
{
	struct credential credential = { "me", "se cret" };
	uint8_t buf[SOCKS5_LOGIN_BYTES];
	char longest[300];
	struct answer answer = { 0 };

	(void)state;
	assert_int_equal(socks5_write_login(&credential, buf), 12);
	assert_memory_equal(buf, "\1\2me\7se cret", 12);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	credential.user = credential.password = longest;
	assert_int_equal(socks5_write_login(&credential, buf), 513);
	assert_int_equal(socks5_read_login(BYTES("\1"), &answer), ANSWER_MORE);
	assert_int_equal(
	    socks5_read_login(BYTES("\1\0\5"), &answer), ANSWER_GOOD);
	assert_int_equal(answer.used, 2);
	assert_int_equal(socks5_read_login(BYTES("\1\1"), &answer), ANSWER_BAD);
	assert_int_equal(answer.error, FLOW_ERROR_SOCKS5_LOGIN);
	assert_int_equal(socks5_read_login(BYTES("\5"), &answer), ANSWER_BAD);
	assert_int_equal(answer.error, FLOW_ERROR_NOT_UNDERSTOOD);
}

static void
test_requests_name_the_target(void **state)
{
	struct target v4 = target_of("10.0.0.9:443", NULL);
	struct target v6 = target_of("[2001:db8::1]:80", NULL);
	struct target name = target_of("10.0.0.9:443", "a.example");
	uint8_t buf[SOCKS5_REQUEST_BYTES];
	char longest[300];

	(void)state;
	assert_int_equal(socks5_write_request(SOCKS5_CONNECT, &v4, buf), 10);
	assert_memory_equal(buf, "\5\1\0\1\12\0\0\11\1\273", 10);
	assert_int_equal(
	    socks5_write_request(SOCKS5_UDP_ASSOCIATE, &v6, buf), 22);
	assert_memory_equal(
	    buf, "\5\3\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\120", 22);
	assert_int_equal(socks5_write_request(SOCKS5_CONNECT, &name, buf), 16);
	assert_memory_equal(buf, "\5\1\0\3\11a.example\1\273", 16);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	name.host = longest;
	assert_int_equal(socks5_write_request(SOCKS5_CONNECT, &name, buf), 262);
}

static void
test_replies_are_read_to_their_last_byte(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "\5\0\0\1\12\0\0\11\1\273", 10 },
		{ "\5\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\120", 22 },
		{ "\5\0\0\3\3abc\0\1", 10 },
		{ "\5\0\0\3\0\0\1", 7 },
	};
	struct answer answer = { 0 };
	struct addr bound;
	uint8_t *exact;
	uint16_t port;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (n = 0; n < cases[i].len; n++) {
			/* The sanitizer sees a byte read too many. */
			exact = malloc(n + 1);
			memcpy(exact + 1, cases[i].bytes, n);
			assert_int_equal(socks5_read_reply(exact + 1, n, &bound,
					     &port, &answer),
			    ANSWER_MORE);
			free(exact);
		}
		assert_int_equal(
		    socks5_read_reply((const uint8_t *)cases[i].bytes,
			cases[i].len + 1, &bound, &port, &answer),
		    ANSWER_GOOD);
		assert_int_equal(answer.used, cases[i].len);
	}
	assert_int_equal(socks5_read_reply(BYTES("\5\0\0\1\12\0\0\11\1\273"),
			     &bound, &port, &answer),
	    ANSWER_GOOD);
	assert_true(addr_is_v4(&bound));
	assert_int_equal(bound.byte[15], 9);
	assert_int_equal(port, 443);
}

static void
test_refusals_say_why(void **state)
{
	uint8_t bytes[2] = { 5, 0 };
	char buf[FLOW_ERROR_BYTES];
	struct answer answer = { 0 };
	struct addr bound;
	uint16_t port;
	unsigned int i;

	(void)state;
	for (i = 1; i <= UINT8_MAX; i++) {
		bytes[1] = (uint8_t)i;
		assert_int_equal(
		    socks5_read_reply(bytes, 2, &bound, &port, &answer),
		    ANSWER_BAD);
		assert_int_equal(answer.error, FLOW_ERROR_SOCKS5 + i);
		assert_non_null(flow_error_text(answer.error, buf));
	}
	assert_int_equal(
	    socks5_read_reply(BYTES("HTTP"), &bound, &port, &answer),
	    ANSWER_BAD);
	assert_int_equal(answer.error, FLOW_ERROR_NOT_UNDERSTOOD);
	assert_int_equal(
	    socks5_read_reply(BYTES("\5\0\0\2"), &bound, &port, &answer),
	    ANSWER_BAD);
	assert_int_equal(answer.error, FLOW_ERROR_NOT_UNDERSTOOD);
}

static void
test_datagrams_go_and_come_back(void **state)
{
	static const char *const endpoints[] = { "192.0.2.7:53",
		"[2001:db8::7]:5353" };
	uint8_t buf[SOCKS5_REQUEST_BYTES + 4];
	struct addr from;
	uint16_t port;
	size_t i, len;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct target target = target_of(endpoints[i], NULL);

		len = socks5_write_datagram(&target, buf);
		memcpy(buf + len, "data", 4);
		assert_int_equal(
		    socks5_read_datagram(buf, len + 4, &from, &port), len);
		assert_int_equal(addr_compare(&from, &target.addr), 0);
		assert_int_equal(port, target.port);
		assert_int_equal(
		    socks5_read_datagram(buf, len, &from, &port), len);
		assert_int_equal(
		    socks5_read_datagram(buf, len - 1, &from, &port), -1);
		assert_int_equal(errno, EBADMSG);
		buf[2] = 1;
		assert_int_equal(
		    socks5_read_datagram(buf, len, &from, &port), -1);
		assert_int_equal(errno, ENOTSUP);
	}
	assert_int_equal(
	    socks5_read_datagram(BYTES("\0\0\0\3\1a\0\1"), &from, &port), -1);
	assert_int_equal(errno, ENOTSUP);
	assert_int_equal(
	    socks5_read_datagram(BYTES("\0\1\0\1abcd\0\1"), &from, &port), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(
	    socks5_read_datagram(BYTES("\0\0\0\2abcd\0\1"), &from, &port), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(socks5_read_datagram(BYTES(""), &from, &port), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_methods_are_offered_as_known),
		cmocka_unit_test(test_only_an_offered_method_is_taken),
		cmocka_unit_test(test_login_goes_as_rfc_1929_says),
		cmocka_unit_test(test_requests_name_the_target),
		cmocka_unit_test(test_replies_are_read_to_their_last_byte),
		cmocka_unit_test(test_refusals_say_why),
		cmocka_unit_test(test_datagrams_go_and_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
