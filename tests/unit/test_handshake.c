/* SPDX-License-Identifier: ISC */
/* What is said to an upstream, and what of its bytes is left for the flow. */
#include "relay/handshake.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "target_fixture.h"

#define V4_REPLY "\5\0\0\1\0\0\0\0\0\0"

struct line {
	int ours;
	int theirs;
	struct handshake handshake;
	struct handshake_terms terms;
	struct flow_entry record;
	unsigned int error;
};

static void
line_open(struct line *line, enum upstream_kind kind, const char *user)
{
	static const struct flow_entry record = {
		.src = { [10] = 0xff, 0xff, 10, 0, 0, 1 },
		.dst = { [10] = 0xff, 0xff, 192, 0, 2, 7 },
		.sport = 1025,
		.dport = 443,
	};
	int ends[2];

	memset(line, 0, sizeof(*line));
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	line->ours = ends[0];
	line->theirs = ends[1];
	line->record = record;
	line->terms.record = &line->record;
	line->terms.credential.user = user;
	line->terms.credential.password = user == NULL ? NULL : "pw";
	handshake_begin(&line->handshake, kind);
}

static void
line_close(struct line *line)
{
	close(line->ours);
	close(line->theirs);
}

static enum answer_status
go_on(struct line *line)
{
	return handshake_run(
	    &line->handshake, &line->terms, line->ours, &line->error);
}

static void
tell(struct line *line, const char *bytes, size_t len)
{
	assert_int_equal(write(line->theirs, bytes, len), len);
}

#define TELL(line, literal) tell(line, literal, sizeof(literal) - 1)

/* What one end finds, and nothing more. */
static void
expect(int fd, const char *bytes, size_t len)
{
	char found[1024];

	assert_int_equal(read(fd, found, sizeof(found)), len);
	assert_memory_equal(found, bytes, len);
	assert_int_equal(read(fd, found, sizeof(found)), -1);
	assert_int_equal(errno, EAGAIN);
}

#define SAID(line, literal) expect((line)->theirs, literal, sizeof(literal) - 1)
#define LEFT(line, literal) expect((line)->ours, literal, sizeof(literal) - 1)

static void
test_socks5_without_login(void **state)
{
	struct line line;

	(void)state;
	line_open(&line, UPSTREAM_SOCKS5, NULL);
	assert_int_equal(go_on(&line), ANSWER_MORE);
	SAID(&line, "\5\1\0");
	assert_false(handshake_is_proven(&line.handshake));
	TELL(&line, "\5\0");
	assert_int_equal(go_on(&line), ANSWER_MORE);
	SAID(&line, "\5\1\0\1\300\0\2\7\1\273");
	assert_true(handshake_is_proven(&line.handshake));
	assert_true(handshake_has_asked(&line.handshake));
	TELL(&line, V4_REPLY "first");
	assert_int_equal(go_on(&line), ANSWER_GOOD);
	LEFT(&line, "first");
	line_close(&line);
}

static void
test_socks5_logs_in_when_it_is_asked_to(void **state)
{
	struct line line;

	(void)state;
	line_open(&line, UPSTREAM_SOCKS5, "me");
	assert_int_equal(go_on(&line), ANSWER_MORE);
	SAID(&line, "\5\2\0\2");
	TELL(&line, "\5\2");
	assert_int_equal(go_on(&line), ANSWER_MORE);
	SAID(&line, "\1\2me\2pw");
	assert_false(handshake_has_asked(&line.handshake));
	TELL(&line, "\1\0");
	assert_int_equal(go_on(&line), ANSWER_MORE);
	SAID(&line, "\5\1\0\1\300\0\2\7\1\273");
	TELL(&line, V4_REPLY);
	assert_int_equal(go_on(&line), ANSWER_GOOD);
	line_close(&line);
}

static void
test_socks5_does_not_log_in_when_it_need_not(void **state)
{
	struct line line;

	(void)state;
	line_open(&line, UPSTREAM_SOCKS5, "me");
	assert_int_equal(go_on(&line), ANSWER_MORE);
	SAID(&line, "\5\2\0\2");
	TELL(&line, "\5\0");
	assert_int_equal(go_on(&line), ANSWER_MORE);
	SAID(&line, "\5\1\0\1\300\0\2\7\1\273");
	line_close(&line);
}

static void
test_answers_may_come_before_what_they_answer(void **state)
{
	struct line line;

	(void)state;
	line_open(&line, UPSTREAM_SOCKS5, NULL);
	TELL(&line, "\5\0" V4_REPLY "first");
	assert_int_equal(go_on(&line), ANSWER_GOOD);
	SAID(&line, "\5\1\0\5\1\0\1\300\0\2\7\1\273");
	LEFT(&line, "first");
	line_close(&line);
}

static void
test_an_end_between_two_answers_is_told_at_once(void **state)
{
	struct line line;

	(void)state;
	line_open(&line, UPSTREAM_SOCKS5, NULL);
	assert_int_equal(go_on(&line), ANSWER_MORE);
	TELL(&line, "\5\0");
	line.handshake.ended = 1;
	assert_int_equal(go_on(&line), ANSWER_BAD);
	assert_int_equal(line.error, FLOW_ERROR_ENDED);
	line_close(&line);
}

static void
test_http_leaves_what_follows_the_head(void **state)
{
	struct line line;

	(void)state;
	line_open(&line, UPSTREAM_HTTP, "me");
	assert_int_equal(go_on(&line), ANSWER_MORE);
	SAID(&line, "CONNECT 192.0.2.7:443 HTTP/1.1\r\n"
		    "Host: 192.0.2.7:443\r\n"
		    "Proxy-Authorization: Basic bWU6cHc=\r\n\r\n");
	TELL(&line, "HTTP/1.1 200 OK\r\n\r");
	assert_int_equal(go_on(&line), ANSWER_MORE);
	TELL(&line, "\nfirst");
	assert_int_equal(go_on(&line), ANSWER_GOOD);
	LEFT(&line, "first");
	line_close(&line);
}

static void
test_the_header_needs_no_answer(void **state)
{
	struct line line;

	(void)state;
	line_open(&line, UPSTREAM_PROXY_V2, NULL);
	TELL(&line, "first");
	assert_int_equal(go_on(&line), ANSWER_GOOD);
	SAID(&line, "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\14"
		    "\12\0\0\1\300\0\2\7\4\1\1\273");
	LEFT(&line, "first");
	line_close(&line);
}

static void
test_a_name_goes_in_the_place_of_the_address(void **state)
{
	struct line line;

	(void)state;
	line_open(&line, UPSTREAM_SOCKS5, NULL);
	line.terms.host = "a.example";
	assert_int_equal(go_on(&line), ANSWER_MORE);
	SAID(&line, "\5\1\0");
	TELL(&line, "\5\0");
	assert_int_equal(go_on(&line), ANSWER_MORE);
	SAID(&line, "\5\1\0\3\11a.example\1\273");
	line_close(&line);

	line_open(&line, UPSTREAM_HTTP, NULL);
	line.terms.host = "a.example";
	assert_int_equal(go_on(&line), ANSWER_MORE);
	SAID(&line, "CONNECT a.example:443 HTTP/1.1\r\n"
		    "Host: a.example:443\r\n\r\n");
	line_close(&line);
}

static void
test_the_header_tells_the_address_and_the_name(void **state)
{
	struct line line;

	(void)state;
	line_open(&line, UPSTREAM_PROXY_V2, NULL);
	line.terms.host = "a.example";
	assert_int_equal(go_on(&line), ANSWER_GOOD);
	SAID(&line, "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\30"
		    "\12\0\0\1\300\0\2\7\4\1\1\273"
		    "\2\0\11a.example");
	line_close(&line);
}

static void
test_refusals_and_ends_are_told(void **state)
{
	struct line line;

	(void)state;
	line_open(&line, UPSTREAM_HTTP, NULL);
	assert_int_equal(go_on(&line), ANSWER_MORE);
	TELL(&line, "HTTP/1.1 407 No\r\n");
	assert_int_equal(go_on(&line), ANSWER_BAD);
	assert_int_equal(line.error, FLOW_ERROR_HTTP + 407);
	line_close(&line);

	line_open(&line, UPSTREAM_SOCKS5, NULL);
	assert_int_equal(go_on(&line), ANSWER_MORE);
	assert_int_equal(shutdown(line.theirs, SHUT_WR), 0);
	assert_int_equal(go_on(&line), ANSWER_BAD);
	assert_int_equal(line.error, FLOW_ERROR_ENDED);
	line_close(&line);

	/* Half an answer and the end came together: no more events follow. */
	line_open(&line, UPSTREAM_HTTP, NULL);
	assert_int_equal(go_on(&line), ANSWER_MORE);
	TELL(&line, "HTTP/1.1 200 OK\r\n");
	line.handshake.ended = 1;
	assert_int_equal(go_on(&line), ANSWER_BAD);
	assert_int_equal(line.error, FLOW_ERROR_ENDED);
	line_close(&line);

	line_open(&line, UPSTREAM_PROXY_V2, NULL);
	close(line.theirs);
	line.theirs = dup(line.ours);
	assert_int_equal(go_on(&line), ANSWER_BAD);
	assert_int_equal(line.error, EPIPE);
	line_close(&line);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_socks5_without_login),
		cmocka_unit_test(test_socks5_logs_in_when_it_is_asked_to),
		cmocka_unit_test(test_socks5_does_not_log_in_when_it_need_not),
		cmocka_unit_test(test_answers_may_come_before_what_they_answer),
		cmocka_unit_test(
		    test_an_end_between_two_answers_is_told_at_once),
		cmocka_unit_test(test_http_leaves_what_follows_the_head),
		cmocka_unit_test(test_the_header_needs_no_answer),
		cmocka_unit_test(test_a_name_goes_in_the_place_of_the_address),
		cmocka_unit_test(
		    test_the_header_tells_the_address_and_the_name),
		cmocka_unit_test(test_refusals_and_ends_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
