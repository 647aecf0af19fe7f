/* SPDX-License-Identifier: ISC */
#include "relay/http_connect.h"

#include <stdio.h>
#include <stdlib.h>

#include "schema/flow.h"
#include "target_fixture.h"

static enum answer_status
read_text(const char *text, struct answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	return http_connect_read((const uint8_t *)text, strlen(text), answer);
}

static void
test_requests_name_the_target(void **state)
{
	static const struct {
		const char *endpoint;
		const char *host;
		struct credential credential;
		const char *text;
	} cases[] = {
		{ "10.0.0.9:443", NULL, { NULL, NULL },
		    "CONNECT 10.0.0.9:443 HTTP/1.1\r\nHost: 10.0.0.9:443\r\n"
		    "\r\n" },
		{ "[2001:db8::1]:80", NULL, { "Aladdin", "open sesame" },
		    "CONNECT [2001:db8::1]:80 HTTP/1.1\r\n"
		    "Host: [2001:db8::1]:80\r\nProxy-Authorization: Basic "
		    "QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n" },
		{ "10.0.0.9:443", "a.example", { "u", "pw" },
		    "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n"
		    "Proxy-Authorization: Basic dTpwdw==\r\n\r\n" },
		{ "10.0.0.9:443", "a", { "u", "p" },
		    "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n"
		    "Proxy-Authorization: Basic dTpw\r\n\r\n" },
		{ "10.0.0.9:443", "a", { "\xff\xfe", "\xfb" },
		    "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n"
		    "Proxy-Authorization: Basic //46+w==\r\n\r\n" },
	};
	char buf[HTTP_CONNECT_REQUEST_BYTES];
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct target target =
		    target_of(cases[i].endpoint, cases[i].host);

		len = http_connect_write(&target, &cases[i].credential, buf);
		assert_int_equal(len, strlen(cases[i].text));
		assert_memory_equal(buf, cases[i].text, len);
	}
}

static void
test_the_longest_request_fits(void **state)
{
	char longest[256], buf[HTTP_CONNECT_REQUEST_BYTES];
	struct credential credential = { longest, longest };
	struct target target = target_of("10.0.0.9:65535", longest);

	(void)state;
	memset(longest, 'x', 255);
	longest[255] = '\0';
	assert_in_range(
	    http_connect_write(&target, &credential, buf), 1200, sizeof(buf));
}

static void
test_what_stands_behind_the_head_is_the_flows(void **state)
{
	static const struct {
		const char *text;
		size_t used;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\n\r\nbytes", 19 },
		{ "HTTP/1.0 200\r\n\r\n\r\n", 16 },
		{ "HTTP/1.1 299 \r\nContent-Length: 5\r\n\r\nhello", 36 },
		{ "HTTP/1.1 200 OK\n\nx", 17 },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 44 },
	};
	struct answer answer;
	uint8_t *exact;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    read_text(cases[i].text, &answer), ANSWER_GOOD);
		assert_int_equal(answer.used, cases[i].used);
		for (n = 0; n < cases[i].used; n++) {
			exact = malloc(n + 1);
			memcpy(exact + 1, cases[i].text, n);
			assert_int_equal(
			    http_connect_read(exact + 1, n, &answer),
			    ANSWER_MORE);
			free(exact);
		}
	}
}

static void
test_other_answers_are_errors(void **state)
{
	static const struct {
		const char *text;
		unsigned int error;
	} cases[] = {
		{ "HTTP/1.1 407 Proxy Auth", FLOW_ERROR_HTTP + 407 },
		{ "HTTP/1.1 502\r", FLOW_ERROR_HTTP + 502 },
		{ "HTTP/1.1 101 Switching\r\n\r\n", FLOW_ERROR_HTTP + 101 },
		{ "HTTP/1.1 301 Moved\r\n\r\n", FLOW_ERROR_HTTP + 301 },
		{ "HTTP/1.1 099 x", FLOW_ERROR_HTTP + 99 },
		{ "HTTP/1.1 999 x", FLOW_ERROR_HTTP + 999 },
		{ "HTTP/1.1 2000 x", FLOW_ERROR_NOT_UNDERSTOOD },
		{ "HTTP/2 200 OK\r\n\r\n", FLOW_ERROR_NOT_UNDERSTOOD },
		{ "HTTP/1.1  200 OK", FLOW_ERROR_NOT_UNDERSTOOD },
		{ "SSH-2.0-x", FLOW_ERROR_NOT_UNDERSTOOD },
		{ "h", FLOW_ERROR_NOT_UNDERSTOOD },
		{ "HTTP/1.1 100 C\r\n\r\ngarbage", FLOW_ERROR_NOT_UNDERSTOOD },
	};
	char buf[FLOW_ERROR_BYTES];
	struct answer answer;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(read_text(cases[i].text, &answer), ANSWER_BAD);
		assert_int_equal(answer.error, cases[i].error);
		assert_non_null(flow_error_text(answer.error, buf));
	}
	assert_string_equal(
	    flow_error_text(FLOW_ERROR_HTTP + 407, buf), "http: 407");
}

static void
test_a_head_has_its_most(void **state)
{
	uint8_t head[HTTP_CONNECT_HEAD_BYTES + 16];
	struct answer answer;

	(void)state;
	memset(head, 'x', sizeof(head));
	memcpy(head, "HTTP/1.1 200 ", 13);
	assert_int_equal(
	    http_connect_read(head, HTTP_CONNECT_HEAD_BYTES - 1, &answer),
	    ANSWER_MORE);
	assert_int_equal(
	    http_connect_read(head, HTTP_CONNECT_HEAD_BYTES, &answer),
	    ANSWER_BAD);
	assert_int_equal(answer.error, FLOW_ERROR_NOT_UNDERSTOOD);
	memcpy(head + HTTP_CONNECT_HEAD_BYTES - 4, "\r\n\r\n", 4);
	assert_int_equal(
	    http_connect_read(head, sizeof(head), &answer), ANSWER_GOOD);
	assert_int_equal(answer.used, HTTP_CONNECT_HEAD_BYTES);
	memset(head + HTTP_CONNECT_HEAD_BYTES - 4, 'x', 4);
	memcpy(head + HTTP_CONNECT_HEAD_BYTES, "\r\n\r\n", 4);
	assert_int_equal(
	    http_connect_read(head, sizeof(head), &answer), ANSWER_BAD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_name_the_target),
		cmocka_unit_test(test_the_longest_request_fits),
		cmocka_unit_test(test_what_stands_behind_the_head_is_the_flows),
		cmocka_unit_test(test_other_answers_are_errors),
		cmocka_unit_test(test_a_head_has_its_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
