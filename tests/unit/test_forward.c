/* SPDX-License-Identifier: ISC */
/* Questions by DNS over TLS: who is believed, who is asked, and who next. */
#include "dnsd/dot/forward.h"

#include <signal.h>

#include "dot_fixture.h"

#include "common/clock.h"
#include "dnsd/dot/packet.h"
#include "dnsd/dot/tls.h"

#define NAME "dns.example.org"
#define ANSWERS_MOST 16
#define SERVERS 3

/* example.org. A with the OPT record of a resolver */
static const uint8_t sample[] = { 0x12, 0x34, 0x01, 0x10, 0, 1, 0, 0, 0, 0, 0,
	1, 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'o', 'r', 'g', 0, 0, 1, 0,
	1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0 };

struct got {
	uint32_t serial; /* whose */
	uint16_t id;
	unsigned int rcode;
};

struct stage {
	struct event_base *base;
	struct forward *forward;
	struct tls *tls[SERVERS];
	struct fixture_server server[SERVERS];
	struct got got[ANSWERS_MOST];
	unsigned int count;
	unsigned int wanted;
	char why[128];	   /* the last reason against a server */
	unsigned int good; /* how often one was good again */
};

static void
on_answer(void *ctx, const struct asker *asker, uint8_t *query,
    size_t query_len, const uint8_t *answer, size_t len)
{
	struct stage *stage = ctx;
	struct got *got = &stage->got[stage->count++];

	assert_true(packet_answers(answer, len, query, query_len));
	got->serial = asker->serial;
	got->id = packet_id(answer);
	got->rcode = packet_rcode(answer);
	if (stage->count >= stage->wanted)
		event_base_loopbreak(stage->base);
}

static void
on_judged(void *ctx, const struct server *server, const char *why)
{
	struct stage *stage = ctx;

	(void)server;
	if (why == NULL)
		stage->good++;
	else
		(void)snprintf(stage->why, sizeof(stage->why), "%s", why);
}

static const struct forward_ops ops = { on_answer, on_judged };

static void
stage_server(struct stage *stage, unsigned int which, const char *name,
    enum fixture_manner manner)
{
	struct fixture_server *server = &stage->server[which];
	const char *why;
	struct addr addr;
	size_t len;
	uint16_t port;
	char *authority = fixture_server_start(server, stage->base, name, &len);

	server->manner = manner;
	stage->tls[which] = tls_new(authority, len, &why);
	assert_non_null(stage->tls[which]);
	free(authority);
	assert_int_equal(endpoint_parse("127.0.0.1:1", &addr, &port), 0);
	assert_int_equal(forward_add(stage->forward, stage->tls[which], &addr,
			     server->port, NAME),
	    0);
}

static int
stage_open(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	assert_non_null(stage);
	stage->base = event_base_new();
	stage->forward = forward_new(stage->base, &ops, stage);
	assert_non_null(stage->forward);
	*state = stage;
	return 0;
}

static int
stage_close(void **state)
{
	struct stage *stage = *state;
	unsigned int i;

	forward_free(stage->forward);
	/* what was deferred */
	(void)event_base_loop(stage->base, EVLOOP_NONBLOCK);
	for (i = 0; i < SERVERS; i++)
		if (stage->server[i].context != NULL) {
			fixture_server_stop(&stage->server[i]);
			tls_free(stage->tls[i]);
		}
	(void)event_base_loop(stage->base, EVLOOP_NONBLOCK);
	event_base_free(stage->base);
	free(stage);
	return 0;
}

static void
ask(struct stage *stage, uint32_t serial)
{
	struct asker asker = { .serial = serial };
	uint8_t query[sizeof(sample)];

	memcpy(query, sample, sizeof(query));
	query[13] = (uint8_t)('a' + serial % 26); /* each another name */
	packet_set_id(query, (uint16_t)(1000 + serial));
	forward_ask(stage->forward, &asker, query, sizeof(query));
}

/* Until so many answers have come, all in all. */
static void
wait_for(struct stage *stage, unsigned int answers)
{
	static const struct timeval limit = { .tv_sec = 10 };

	stage->wanted = answers;
	if (stage->count < answers) {
		event_base_loopexit(stage->base, &limit);
		event_base_dispatch(stage->base);
	}
	assert_int_equal(stage->count, answers);
}

static void
test_questions_share_a_connection(void **state)
{
	struct stage *stage = *state;
	unsigned int i;

	stage_server(stage, 0, NAME, ANSWERS_BACKWARDS);
	for (i = 0; i < 3; i++)
		ask(stage, i);
	wait_for(stage, 3);
	assert_int_equal(stage->server[0].connections, 1);
	for (i = 0; i < 3; i++) {
		/* each has its own again, although they came backwards */
		assert_int_equal(stage->got[i].serial, 2 - i);
		assert_int_equal(stage->got[i].id, 1002 - i);
		assert_int_equal(stage->got[i].rcode, PACKET_NOERROR);
	}
	assert_string_equal(stage->why, "");
}

/*
 * Who is meant, as one that has many names wants to know (RFC 6066, 3), and
 * nothing by a question's length (RFC 8467, 4.1).
 */
static void
test_server_hears_its_name_and_no_length(void **state)
{
	struct stage *stage = *state;

	stage_server(stage, 0, NAME, ANSWERS);
	ask(stage, 0);
	wait_for(stage, 1);
	assert_string_equal(stage->server[0].meant, NAME);
	assert_string_equal(stage->server[0].spoken, "dot");
	assert_int_equal(stage->server[0].query_bytes, 128);
}

static void
test_another_name_is_not_believed(void **state)
{
	struct stage *stage = *state;

	stage_server(stage, 0, "other.example.org", ANSWERS);
	ask(stage, 0);
	wait_for(stage, 1);
	assert_int_equal(stage->got[0].rcode, PACKET_SERVFAIL);
	assert_int_equal(stage->server[0].queries, 0);
	assert_non_null(strcasestr(stage->why, "hostname mismatch"));
}

/*
 * RFC 8310, 8.1: the subject's name counts for nothing; a star is a whole label
 * (RFC 9525, 6.3).
 */
static void
test_flawed_certificate_is_not_believed(void **state)
{
	static const char *const whys[] = {
		[NAMED_BY_SUBJECT_ALONE] = "hostname mismatch",
		[NAMED_IN_PART] = "hostname mismatch",
		[EXPIRED] = "expired",
	};
	struct stage *stage = *state;
	unsigned int i;

	for (i = 0; i < SERVERS; i++) {
		fixture_flaw = NAMED_BY_SUBJECT_ALONE + i;
		forward_free(stage->forward);
		stage->forward = forward_new(stage->base, &ops, stage);
		stage_server(stage, i, NAME, ANSWERS);
		ask(stage, i);
		wait_for(stage, i + 1);
		assert_int_equal(stage->got[i].rcode, PACKET_SERVFAIL);
		assert_int_equal(stage->server[i].queries, 0);
		assert_non_null(strcasestr(stage->why, whys[fixture_flaw]));
	}
	fixture_flaw = NO_FLAW;
}

static void
test_unknown_authority_is_not_believed(void **state)
{
	struct stage *stage = *state;
	struct fixture_server *impostor = &stage->server[1];
	char *authority;
	struct addr addr;
	uint16_t port;
	size_t len;

	/* the authority of the first, and the second's own certificate */
	authority = fixture_server_start(impostor, stage->base, NAME, &len);
	free(authority);
	stage_server(stage, 0, NAME, ANSWERS);
	assert_int_equal(endpoint_parse("127.0.0.1:1", &addr, &port), 0);
	forward_free(stage->forward);
	stage->forward = forward_new(stage->base, &ops, stage);
	assert_int_equal(forward_add(stage->forward, stage->tls[0], &addr,
			     impostor->port, NAME),
	    0);
	ask(stage, 0);
	wait_for(stage, 1);
	assert_int_equal(stage->got[0].rcode, PACKET_SERVFAIL);
	assert_int_equal(impostor->queries, 0);
	assert_non_null(strcasestr(stage->why, "self-signed"));
}

static void
test_session_is_resumed(void **state)
{
	struct stage *stage = *state;

	stage_server(stage, 0, NAME, ANSWERS);
	ask(stage, 0);
	wait_for(stage, 1);
	/* the server leaves without fault, and is connected to again */
	bufferevent_free(stage->server[0].last);
	stage->server[0].last = NULL;
	(void)event_base_loop(stage->base, EVLOOP_ONCE);
	ask(stage, 1);
	wait_for(stage, 2);
	assert_int_equal(stage->server[0].connections, 2);
	assert_true(SSL_session_reused(
	    bufferevent_openssl_get_ssl(stage->server[0].last)));
	assert_string_equal(stage->why, "");
}

static void
test_slow_server_is_hedged(void **state)
{
	struct stage *stage = *state;

	stage_server(stage, 0, NAME, IS_SILENT);
	stage_server(stage, 1, NAME, ANSWERS);
	ask(stage, 0);
	wait_for(stage, 1);
	assert_int_equal(stage->got[0].rcode, PACKET_NOERROR);
	assert_int_equal(stage->server[0].queries, 1);
	assert_int_equal(stage->server[1].queries, 1);
	assert_int_equal(forward_totals(stage->forward).hedged, 1);
}

/* Whichever is asked first says nothing to one question; then both answer. */
static int64_t
hedge_us(struct stage *stage, uint32_t serial)
{
	struct fixture_server *server = stage->server;
	unsigned int before = server[0].queries + server[1].queries;
	int64_t begun_us = clock_mono_us();

	server[0].manner = server[1].manner = IS_SILENT;
	ask(stage, serial);
	while (server[0].queries + server[1].queries == before)
		(void)event_base_loop(stage->base, EVLOOP_ONCE);
	server[0].manner = server[1].manner = ANSWERS;
	wait_for(stage, stage->count + 1);
	return clock_mono_us() - begun_us;
}

/* On a busy machine at least once. */
static void
test_hedge_comes_soon_after_the_usual_time(void **state)
{
	struct stage *stage = *state;
	int64_t took_us, least_us = INT64_MAX;
	unsigned int i;

	stage_server(stage, 0, NAME, ANSWERS);
	stage_server(stage, 1, NAME, ANSWERS);
	for (i = 0; i < 4; i++) {
		ask(stage, i);
		wait_for(stage, i + 1);
	}
	for (; i < 9; i++) {
		took_us = hedge_us(stage, i);
		least_us = took_us < least_us ? took_us : least_us;
	}
	assert_true(stage->server[0].queries > 0);
	assert_true(stage->server[1].queries > 0);
	assert_in_range(
	    least_us, FORWARD_HEDGE_LEAST_US, FORWARD_HEDGE_UNKNOWN_US / 2);
}

static void
test_failing_server_is_left_for_another(void **state)
{
	static const enum fixture_manner manners[] = { ANSWERS_SERVFAIL,
		ANSWERS_OTHERS, LEAVES };
	struct stage *stage = *state;
	unsigned int i;

	stage_server(stage, 0, NAME, ANSWERS_SERVFAIL);
	stage_server(stage, 1, NAME, ANSWERS);
	for (i = 0; i < 3; i++) {
		stage->server[0].manner = manners[i];
		ask(stage, i);
		wait_for(stage, i + 1);
		assert_int_equal(stage->got[i].rcode, PACKET_NOERROR);
	}
}

static void
test_lying_server_is_put_aside(void **state)
{
	struct stage *stage = *state;

	stage_server(stage, 0, NAME, ANSWERS_OTHERS);
	ask(stage, 0);
	wait_for(stage, 1);
	assert_int_equal(stage->got[0].rcode, PACKET_SERVFAIL);
	assert_string_equal(stage->why, "it answers what it was not asked");
	/* at once, for there is nobody to ask */
	ask(stage, 1);
	assert_int_equal(stage->count, 2);
	assert_int_equal(stage->server[0].queries, 1);
}

static void
test_letters_of_another_case_are_no_lie(void **state)
{
	struct stage *stage = *state;

	stage_server(stage, 0, NAME, ANSWERS_IN_CAPITALS);
	ask(stage, 0);
	wait_for(stage, 1);
	assert_int_equal(stage->got[0].rcode, PACKET_NOERROR);
	assert_string_equal(stage->why, "");
}

static void
test_silence_ends_in_servfail_and_heals(void **state)
{
	struct stage *stage = *state;
	int64_t before_us = clock_mono_us();

	stage_server(stage, 0, NAME, IS_SILENT);
	ask(stage, 0);
	wait_for(stage, 1);
	assert_int_equal(stage->got[0].rcode, PACKET_SERVFAIL);
	assert_true(clock_mono_us() - before_us >= SERVER_SILENCE_US);
	assert_string_equal(stage->why, "no answer in time");
	stage->server[0].manner = ANSWERS;
	while (stage->good == 0) {
		(void)event_base_loop(stage->base, EVLOOP_NONBLOCK);
		if (stage->count == ANSWERS_MOST)
			stage->count = 1;
		ask(stage, 1);
		assert_true(clock_mono_us() - before_us < 30000000);
	}
}

/* Asked twice, with nothing between that the server answers. */
static void
test_a_name_that_is_slow_there_stops_no_other(void **state)
{
	struct stage *stage = *state;
	unsigned int i;

	stage_server(stage, 0, NAME, IS_SILENT);
	for (i = 0; i < 2; i++) {
		ask(stage, i);
		wait_for(stage, i + 1);
		assert_int_equal(stage->got[i].rcode, PACKET_SERVFAIL);
	}
	stage->server[0].manner = ANSWERS;
	ask(stage, i);
	wait_for(stage, i + 1);
	assert_int_equal(stage->got[i].rcode, PACKET_NOERROR);
}

static void
test_silent_server_is_asked_after_others(void **state)
{
	struct stage *stage = *state;

	stage_server(stage, 0, NAME, IS_SILENT);
	ask(stage, 0);
	wait_for(stage, 1);
	stage_server(stage, 1, NAME, ANSWERS);
	ask(stage, 1);
	wait_for(stage, 2);
	assert_int_equal(stage->got[1].rcode, PACKET_NOERROR);
	assert_int_equal(stage->server[1].queries, 1);
	assert_int_equal(forward_totals(stage->forward).hedged, 0);
}

static void
test_who_has_waited_longest_makes_room(void **state)
{
	struct stage *stage = *state;
	unsigned int i;

	stage_server(stage, 0, NAME, IS_SILENT);
	for (i = 0; i < FORWARD_QUESTIONS; i++)
		ask(stage, i);
	assert_int_equal(stage->count, 0);
	for (i = 0; i < 2; i++) {
		ask(stage, FORWARD_QUESTIONS + i);
		assert_int_equal(stage->count, i + 1);
		assert_int_equal(stage->got[i].rcode, PACKET_SERVFAIL);
		assert_int_equal(stage->got[i].id, 1000 + i);
	}
}

#define STAGED(test) \
	cmocka_unit_test_setup_teardown(test, stage_open, stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(test_questions_share_a_connection),
		STAGED(test_server_hears_its_name_and_no_length),
		STAGED(test_another_name_is_not_believed),
		STAGED(test_flawed_certificate_is_not_believed),
		STAGED(test_unknown_authority_is_not_believed),
		STAGED(test_session_is_resumed),
		STAGED(test_slow_server_is_hedged),
		STAGED(test_hedge_comes_soon_after_the_usual_time),
		STAGED(test_failing_server_is_left_for_another),
		STAGED(test_lying_server_is_put_aside),
		STAGED(test_letters_of_another_case_are_no_lie),
		STAGED(test_silence_ends_in_servfail_and_heals),
		STAGED(test_a_name_that_is_slow_there_stops_no_other),
		STAGED(test_silent_server_is_asked_after_others),
		STAGED(test_who_has_waited_longest_makes_room),
	};

	signal(SIGPIPE, SIG_IGN); /* as the process does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
