/* SPDX-License-Identifier: ISC */
/* Names in heads of requests, whole, cut, and wrong. */
#include "relay/sniff_http.h"
#include "tests/unit/hello_fixture.h"

#define LINE "GET / HTTP/1.1\r\n"

static struct sniff_name name;

static enum sniff_status
sniff(const char *text, size_t len)
{
	return fixture_sniff(text, len, &name);
}

static void
found(const char *text, const char *host)
{
	if (sniff(text, strlen(text)) != SNIFF_FOUND)
		fail_msg("no name in %s", text);
	assert_string_equal(name.host, host);
	assert_int_equal(name.source, FLOW_HOST_HTTP);
}

static void
none(const char *text)
{
	if (sniff(text, strlen(text)) != SNIFF_NONE)
		fail_msg("not none: %s", text);
	assert_string_equal(name.host, "");
	assert_int_equal(name.source, FLOW_HOST_NONE);
}

static void
test_host_is_found(void **state)
{
	(void)state;
	found(LINE "Host: www.example.org\r\n\r\n", "www.example.org");
	found(LINE "host:a_b.Example\r\n\r\nbody", "a_b.example");
	found(LINE "Accept: */*\r\nHOST: \t a.b \t\r\nX: \xff\r\n\r\n", "a.b");
	found("M-SEARCH * HTTP/1.0\r\nHost: a.b\r\n\r\n", "a.b");
	found("GET /?q=http://c.d HTTP/1.1\nHost: a.b\n\n", "a.b");
}

static void
test_every_beginning_of_a_head_wants_more(void **state)
{
	static const char text[] = "POST http://a.example:80/ HTTP/1.1\r\n"
				   "Host: b.example\r\nEmpty:\r\n\r\n";
	size_t len;

	(void)state;
	for (len = 1; len < strlen(text); len++)
		assert_int_equal(sniff(text, len), SNIFF_MORE);
	found(text, "a.example");
}

static void
test_port_is_not_part_of_the_name(void **state)
{
	(void)state;
	found(LINE "Host: a.example:8080\r\n\r\n", "a.example");
	found(LINE "Host: a.example.:\r\n\r\n", "a.example");
	none(LINE "Host: a.example:80x\r\n\r\n");
	none(LINE "Host: a.example:80:80\r\n\r\n");
}

static void
test_addresses_are_no_names(void **state)
{
	(void)state;
	none(LINE "Host: 192.0.2.1\r\n\r\n");
	none(LINE "Host: 192.0.2.1:80\r\n\r\n");
	none(LINE "Host: 0x7f000001\r\n\r\n");
	none(LINE "Host: [2001:db8::1]:80\r\n\r\n");
	none(LINE "Host: 2001:db8::1\r\n\r\n");
	none("GET http://[::1]/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
}

static void
test_authority_of_the_target_wins(void **state)
{
	(void)state;
	found("GET http://a.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n",
	    "a.example");
	found("GET HTTPS://A.example:8443?x HTTP/1.1\r\n\r\n", "a.example");
	found("GET http://a.example#x HTTP/1.1\r\n\r\n", "a.example");
	found("CONNECT a.example:443 HTTP/1.1\r\nHost: b.example\r\n\r\n",
	    "a.example");
	none("GET http://user@a.example/ HTTP/1.1\r\nHost: b.c\r\n\r\n");
	none("GET http:/// HTTP/1.1\r\nHost: b.example\r\n\r\n");
}

static void
test_hosts_that_differ_are_none(void **state)
{
	(void)state;
	found(LINE "Host: a.b\r\nHost: A.B\r\n\r\n", "a.b");
	none(LINE "Host: a.b\r\nHost: c.d\r\n\r\n");
	none(LINE "Host: a.b\r\nHost: [::1]\r\n\r\n");
	none(LINE "Host: \r\nHost: a.b\r\n\r\n");
	none("GET http://a.b/ HTTP/1.1\r\nHost: a.b\r\nHost: c.d\r\n\r\n");
}

static void
test_no_host_is_none(void **state)
{
	(void)state;
	none("GET / HTTP/1.0\r\n\r\n");
	none(LINE "Hosts: a.b\r\nX-Host: a.b\r\n\r\n");
	none(LINE "Host:\r\n\r\n");
}

static void
test_fields_that_are_not_well_formed_are_none_at_once(void **state)
{
	(void)state;
	none(LINE "Host: a.b\r\n folded: x");
	none(LINE "Host: a\r\n\tb");
	none(LINE "Host : a.b");
	none(LINE ": x");
	none(LINE "no colon\r\n");
	none(LINE "X: a\rb");
	none(LINE "X: \x01");
	none(LINE "\r\r\n");
	assert_int_equal(
	    sniff(LINE "X: a\0b\r\n", strlen(LINE) + 8), SNIFF_NONE);
}

static void
test_what_is_not_http_is_none_at_once(void **state)
{
	static const char *const other[] = { "get / HTTP/1.1", "Hello", "G\r\n",
		"A\x80", "G(", "SSH-2.0-x\r\n", "EHLO mail.example\r\n",
		"NICK someone\r\n", "GET  /", "GET /\r\n", "GET /\x01",
		"PRI * HTTP/2.0", "GET / HTTP/2", "GET / HTTP/1.x",
		"GET / HTTP/1.1 ", "GET / HTTP/1.1\rX", "GET / ICY",
		"THIS-METHOD-IS-MUCH-TOO-LONG", "\r\nGET" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		none(other[i]);
}

static void
test_head_of_16_kib_is_read_and_a_longer_one_given_up(void **state)
{
	static char text[SNIFF_MOST_BYTES + 2];
	static const char front[] = LINE "Host: a.b\r\nX: ";

	(void)state;
	memset(text, 'x', SNIFF_MOST_BYTES + 1);
	memcpy(text, front, strlen(front));
	assert_int_equal(sniff(text, SNIFF_MOST_BYTES - 1), SNIFF_MORE);
	assert_int_equal(sniff(text, SNIFF_MOST_BYTES), SNIFF_NONE);
	memcpy(text + SNIFF_MOST_BYTES - 4, "\r\n\r\n", 4);
	found(text, "a.b");
	memcpy(text + SNIFF_MOST_BYTES - 4, "x\r\n\r\n", 5);
	none(text);
}

/* A head that comes byte by byte, as far as it is cut, and what it is then. */
static enum sniff_status
comes(const char *text, size_t from, size_t len)
{
	struct sniff_course course = { 0 };
	enum sniff_status status = SNIFF_MORE;

	for (; from <= len && status == SNIFF_MORE; from++)
		status = fixture_sniff_on(&course, text, from, &name);
	assert_true(from == len + 1 || status == SNIFF_MORE);
	return status;
}

static void
test_end_of_a_head_is_seen_however_it_comes(void **state)
{
	static const char *const last[] = { "\r\n\r\n", "\n\n", "\n\r\n",
		"\r\n\n" };
	char text[3000];
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(last) / sizeof(last[0]); i++)
		for (len = 2500; len < 2900; len += 57) {
			memset(text, 'x', sizeof(text));
			memcpy(text, LINE "Host: a.b\nX: ",
			    strlen(LINE "Host: a.b\nX: "));
			memcpy(text + len, last[i], strlen(last[i]));
			assert_int_equal(
			    comes(text, 1, len + strlen(last[i])), SNIFF_FOUND);
			assert_string_equal(name.host, "a.b");
		}
}

/* Where much has come, one byte more is not worth that all is read again. */
static void
test_long_head_is_not_read_for_every_byte(void **state)
{
	struct sniff_course course = { 0 };
	char text[3000];
	size_t len;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, LINE "X: ", strlen(LINE "X: "));
	assert_int_equal(
	    fixture_sniff_on(&course, text, 2000, &name), SNIFF_MORE);
	text[100] = '\1';
	for (len = 2001; len <= 2250; len++)
		assert_int_equal(
		    fixture_sniff_on(&course, text, len, &name), SNIFF_MORE);
	assert_int_equal(
	    fixture_sniff_on(&course, text, len, &name), SNIFF_NONE);
	/* but at once while there is little */
	memset(&course, 0, sizeof(course));
	text[100] = 'x';
	assert_int_equal(
	    fixture_sniff_on(&course, text, 500, &name), SNIFF_MORE);
	text[500] = '\1';
	assert_int_equal(
	    fixture_sniff_on(&course, text, 501, &name), SNIFF_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_is_found),
		cmocka_unit_test(test_every_beginning_of_a_head_wants_more),
		cmocka_unit_test(test_port_is_not_part_of_the_name),
		cmocka_unit_test(test_addresses_are_no_names),
		cmocka_unit_test(test_authority_of_the_target_wins),
		cmocka_unit_test(test_hosts_that_differ_are_none),
		cmocka_unit_test(test_no_host_is_none),
		cmocka_unit_test(
		    test_fields_that_are_not_well_formed_are_none_at_once),
		cmocka_unit_test(test_what_is_not_http_is_none_at_once),
		cmocka_unit_test(
		    test_head_of_16_kib_is_read_and_a_longer_one_given_up),
		cmocka_unit_test(test_end_of_a_head_is_seen_however_it_comes),
		cmocka_unit_test(test_long_head_is_not_read_for_every_byte),
	};

	return cmocka_run_group_tests_name("sniff_http", tests, NULL, NULL);
}
