/* SPDX-License-Identifier: ISC */
/* Flows of UDP that wait for their names, and how that ends. */
#include "relay/udp_naming.h"

#include <event2/event.h>

#include "common/clock.h"
#include "ipc/loop.h"
#include "relay/udp_hold.h"
#include "relay/udp_packet.h"
#include "tests/unit/quic_fixture.h"

#define NAME "quic.example.org"
#define OTHER "other.example.org"
#define LEAST 1162 /* bytes of frames: 1200 of the datagram */
#define DATAGRAM 1200
#define CUT 50 /* bytes of the hello in the first of two datagrams */

static struct event_base *base;
static struct udp_namings *namings;
static _Atomic uint64_t lost;
static struct fixture_bytes hello, whole, begin, rest;

/* What the last call said; packets and the watch only where asked for. */
static struct {
	int calls;
	struct udp_key key;
	uint8_t owner;
	int has_name;
	struct sniff_name name;
	int n;
	size_t len[UDP_BATCH];
	const char *bytes;
	char second[DATAGRAM];
	enum udp_watch_state state;
	struct udp_watch *keep; /* NULL: the watch is not wanted */
} said;

static void
on_named(void *ctx, const struct udp_named *named)
{
	int i;

	(void)ctx;
	said.calls++;
	said.key = named->key;
	said.owner = named->owner;
	said.has_name = named->name != NULL;
	if (named->name != NULL)
		said.name = *named->name;
	said.n = named->n;
	for (i = 0; i < named->n; i++)
		said.len[i] = named->packets[i].len;
	said.bytes = named->n > 0 ? named->packets[0].bytes : NULL;
	if (named->n > 1)
		memcpy(said.second, named->packets[1].bytes, DATAGRAM);
	said.state = named->watch->state;
	if (said.keep != NULL)
		udp_watch_move(said.keep, named->watch);
}

static uint8_t hops; /* of what comes */

static void
put_as(struct fixture_bytes *datagram, const struct fixture_secret *secret,
    const struct fixture_bytes *said_first, size_t offset, size_t len)
{
	static struct fixture_bytes frames;

	datagram->len = frames.len = 0;
	fixture_crypto(&frames, said_first, offset, len);
	fixture_initial(datagram, secret, 0, &frames, LEAST);
}

static void
put(struct fixture_bytes *datagram, size_t offset, size_t len)
{
	put_as(datagram, &fixture_v1, &hello, offset, len);
}

static int
setup(void **state)
{
	(void)state;
	memset(&said, 0, sizeof(said));
	hops = 0;
	base = ipc_loop_new(0);
	namings = udp_namings_new(base, udp_holds_new(&lost), on_named, NULL);
	assert_non_null(namings);
	hello.len = 0;
	fixture_hello(&hello, NAME);
	put(&whole, 0, hello.len);
	put(&begin, 0, CUT);
	put(&rest, CUT, hello.len - CUT);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	udp_namings_end(namings);
	event_base_free(base);
	return 0;
}

static void
come(uint8_t client, uint16_t port, struct fixture_bytes *datagram)
{
	struct udp_key key = { .client_port = port, .server_port = 443 };
	struct udp_packet packet = { .bytes = (char *)datagram->at,
		.len = datagram->len,
		.hops = hops };

	key.client.byte[7] = client; /* a network of its own */
	udp_namings_packets(namings, FLOW_CAPTURE_FORWARDED, &key, &packet, 1);
}

static void
wait_for_call(void)
{
	int64_t limit_us = clock_mono_us() + 30000000;

	while (said.calls == 0 && clock_mono_us() < limit_us)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(said.calls, 1);
}

static void
test_what_is_no_quic_does_not_wait(void **state)
{
	static struct fixture_bytes word = { "word", 4 };

	(void)state;
	come(1, 7, &word);
	assert_int_equal(said.calls, 1);
	assert_false(said.has_name);
	assert_int_equal(said.key.client_port, 7);
	assert_ptr_equal(said.bytes, word.at);
	assert_int_equal(said.state, UDP_WATCH_QUIET);
}

static void
test_a_whole_hello_does_not_wait(void **state)
{
	(void)state;
	come(1, 7, &whole);
	assert_int_equal(said.calls, 1);
	assert_true(said.has_name);
	assert_string_equal(said.name.host, NAME);
	assert_int_equal(said.state, UDP_WATCH_NAMED);
}

static void
test_a_hello_in_pieces_is_held_until_its_rest_comes(void **state)
{
	static struct fixture_bytes copy;

	(void)state;
	copy = begin;
	come(1, 7, &copy);
	memset(copy.at, 0, copy.len); /* of its receiver again */
	come(1, 8, &begin);
	assert_int_equal(said.calls, 0);
	come(1, 7, &rest);
	assert_int_equal(said.calls, 1);
	assert_int_equal(said.key.client_port, 7);
	assert_string_equal(said.name.host, NAME);
	assert_int_equal(said.n, 2);
	assert_memory_equal(said.second, rest.at, DATAGRAM);
	come(1, 7, &whole); /* nothing of it is left */
	assert_int_equal(said.calls, 2);
	assert_int_equal(said.n, 1);
}

static void
test_the_owner_is_that_of_what_came_first(void **state)
{
	(void)state;
	hops = 5;
	come(1, 7, &whole);
	assert_int_equal(said.owner, 5);
	come(1, 8, &begin);
	hops = 6;
	come(1, 8, &rest);
	assert_int_equal(said.calls, 2);
	assert_int_equal(said.owner, 5);
}

static void
test_who_has_waited_goes_on_being_read(void **state)
{
	struct udp_packet packet = { .bytes = (char *)rest.at,
		.len = rest.len };
	struct udp_watch watch;
	struct sniff_name name;

	(void)state;
	said.keep = &watch;
	come(1, 7, &begin);
	wait_for_call();
	assert_false(said.has_name);
	assert_int_equal(said.n, 1);
	assert_int_equal(said.state, UDP_WATCH_READING);
	assert_int_equal(
	    udp_watch_read(&watch, &packet, 1, &name), SNIFF_FOUND);
	assert_string_equal(name.host, NAME);
	assert_int_equal(watch.state, UDP_WATCH_NAMED);
}

/* Reads one packet of a flow whose first hello has been read. */
static enum sniff_status
read_more(struct udp_watch *watch, const struct fixture_bytes *bytes,
    size_t segment, struct sniff_name *name)
{
	struct udp_packet packet = { .bytes = (char *)(uintptr_t)bytes->at,
		.len = bytes->len,
		.segment = (uint16_t)segment };

	return udp_watch_read(watch, &packet, 1, name);
}

static void
test_another_connection_of_a_flow_is_read_anew(void **state)
{
	static struct fixture_bytes other, first, second;
	struct udp_watch watch;
	struct sniff_name name;

	(void)state;
	said.keep = &watch;
	come(1, 7, &whole);
	assert_int_equal(said.state, UDP_WATCH_NAMED);
	other.len = 0;
	fixture_hello(&other, OTHER);
	put_as(&first, &fixture_other, &other, 0, CUT);
	put_as(&second, &fixture_other, &other, CUT, other.len - CUT);
	assert_int_equal(read_more(&watch, &first, 0, &name), SNIFF_MORE);
	assert_int_equal(watch.state, UDP_WATCH_READING);
	assert_int_equal(read_more(&watch, &second, 0, &name), SNIFF_FOUND);
	assert_string_equal(name.host, OTHER);
	assert_int_equal(watch.state, UDP_WATCH_NAMED);
	/* And the first one again, which is not the last that was read. */
	assert_int_equal(read_more(&watch, &whole, 0, &name), SNIFF_FOUND);
	assert_string_equal(name.host, NAME);
}

static void
test_what_a_known_connection_sends_is_not_read(void **state)
{
	static struct fixture_secret renamed;
	static struct fixture_bytes answer;
	struct udp_watch watch;
	struct sniff_name name;

	(void)state;
	said.keep = &watch;
	come(1, 7, &whole);
	/* A part of its hello again, which lacks the rest. */
	assert_int_equal(read_more(&watch, &begin, 0, &name), SNIFF_MORE);
	assert_int_equal(watch.state, UDP_WATCH_NAMED);
	/* By the id that its server chose, with the keys of the first. */
	renamed = fixture_v1;
	renamed.destination[0]++;
	put_as(&answer, &renamed, &hello, 0, CUT);
	assert_int_equal(read_more(&watch, &answer, 0, &name), SNIFF_MORE);
	assert_int_equal(watch.state, UDP_WATCH_NAMED);
}

/* What comes in one call, and where nothing has been read. */
static enum sniff_status
read_both(struct udp_watch *watch, const struct fixture_bytes *first,
    const struct fixture_bytes *second, struct sniff_name *name)
{
	struct udp_packet packets[2] = {
		{ .bytes = (char *)(uintptr_t)first->at, .len = first->len },
		{ .bytes = (char *)(uintptr_t)second->at, .len = second->len },
	};

	udp_watch_end(watch);
	udp_watch_strictly(watch, watch->sniffs);
	return udp_watch_read(watch, packets, 2, name);
}

static void
test_two_connections_that_come_at_once_cannot_be_read(void **state)
{
	static struct fixture_bytes other, datagram, gathered;
	struct udp_watch watch;
	struct sniff_name name;

	(void)state;
	other.len = gathered.len = 0;
	fixture_hello(&other, OTHER);
	put_as(&datagram, &fixture_other, &other, 0, other.len);
	fixture_put(&gathered, whole.at, whole.len);
	fixture_put(&gathered, datagram.at, datagram.len);
	said.keep = &watch;
	come(1, 7, &whole);
	assert_int_equal(
	    read_both(&watch, &whole, &datagram, &name), SNIFF_NONE);
	assert_true(name.unread);
	udp_watch_strictly(&watch, watch.sniffs);
	assert_int_equal(
	    read_more(&watch, &gathered, DATAGRAM, &name), SNIFF_NONE);
	assert_true(name.unread);
	/* One that says the same again, or what was missing, is one. */
	assert_int_equal(read_both(&watch, &whole, &begin, &name), SNIFF_FOUND);
	assert_int_equal(watch.state, UDP_WATCH_NAMED);
	assert_int_equal(read_both(&watch, &begin, &rest, &name), SNIFF_FOUND);
	assert_int_equal(watch.state, UDP_WATCH_NAMED);
}

static void
test_known_connection_that_says_something_else_is_another(void **state)
{
	static struct fixture_secret renamed;
	static struct fixture_bytes other, datagram;
	struct udp_watch watch;
	struct sniff_name name;

	(void)state;
	said.keep = &watch;
	come(1, 7, &whole);
	other.len = 0;
	fixture_hello(&other, OTHER);
	/* After a server dropped the first one, or has forgotten it. */
	put_as(&datagram, &fixture_v1, &other, 0, other.len);
	assert_int_equal(read_more(&watch, &datagram, 0, &name), SNIFF_FOUND);
	assert_string_equal(name.host, OTHER);
	/* After one that does not speak the version. */
	put_as(&datagram, &fixture_v2, &hello, 0, hello.len);
	assert_int_equal(read_more(&watch, &datagram, 0, &name), SNIFF_FOUND);
	assert_string_equal(name.host, NAME);
	assert_int_equal(watch.state, UDP_WATCH_NAMED);
	/* Its end by the id that the server chose. */
	renamed = fixture_v2;
	renamed.destination[0]++;
	put_as(&datagram, &renamed, &other, CUT, other.len - CUT);
	assert_int_equal(read_more(&watch, &datagram, 0, &name), SNIFF_NONE);
	assert_true(name.unread);
	assert_int_equal(watch.state, UDP_WATCH_OVER);
}

static void
test_known_connection_whose_hello_is_lost_is_read_again(void **state)
{
	static struct fixture_bytes nothing, answer;
	struct udp_watch watch, others[UDP_SNIFF_PLACES];
	struct sniff_name name;
	size_t i;

	(void)state;
	said.keep = &watch;
	come(1, 7, &whole);
	for (i = 0; i < UDP_SNIFF_PLACES; i++) {
		udp_watch_strictly(&others[i], watch.sniffs);
		assert_int_equal(
		    read_more(&others[i], &whole, 0, &name), SNIFF_FOUND);
	}
	nothing.len = 0;
	fixture_initial(&answer, &fixture_v1, 0, &nothing, LEAST);
	assert_int_equal(read_more(&watch, &answer, 0, &name), SNIFF_MORE);
	assert_int_equal(watch.state, UDP_WATCH_NAMED);
	assert_int_equal(read_more(&watch, &whole, 0, &name), SNIFF_FOUND);
	assert_string_equal(name.host, NAME);
}

/* Who is read now needs its place more than who has been. */
static void
test_what_has_been_read_makes_room_first(void **state)
{
	struct udp_watch watch, others[UDP_SNIFF_PLACES];
	struct sniff_name name;
	size_t i;

	(void)state;
	said.keep = &watch;
	come(1, 7, &begin);
	wait_for_call();
	for (i = 0; i < UDP_SNIFF_PLACES; i++) {
		udp_watch_strictly(&others[i], watch.sniffs);
		assert_int_equal(
		    read_more(&others[i], &whole, 0, &name), SNIFF_FOUND);
	}
	assert_int_equal(read_more(&watch, &rest, 0, &name), SNIFF_FOUND);
}

static void
test_another_connection_is_found_behind_other_datagrams(void **state)
{
	static struct fixture_bytes other, datagram, gathered;
	static const uint8_t noise[DATAGRAM] = { 0x43 };
	struct udp_watch watch;
	struct sniff_name name;

	(void)state;
	said.keep = &watch;
	come(1, 7, &whole);
	other.len = gathered.len = 0;
	fixture_hello(&other, OTHER);
	put_as(&datagram, &fixture_other, &other, 0, other.len);
	fixture_put(&gathered, noise, sizeof(noise));
	fixture_put(&gathered, whole.at, whole.len);
	fixture_put(&gathered, datagram.at, datagram.len);
	assert_int_equal(
	    read_more(&watch, &gathered, DATAGRAM, &name), SNIFF_FOUND);
	assert_string_equal(name.host, OTHER);
}

static void
test_another_connection_that_cannot_be_read_is_said(void **state)
{
	static struct fixture_bytes other, datagram;
	struct udp_watch watch;
	struct sniff_name name = { .unread = 0 };
	enum sniff_status status = SNIFF_MORE;
	int i;

	(void)state;
	said.keep = &watch;
	come(1, 7, &whole);
	other.len = 0;
	fixture_hello(&other, OTHER);
	put_as(&datagram, &fixture_other, &other, 0, CUT);
	for (i = 0; i < SNIFF_QUIC_DATAGRAMS && status == SNIFF_MORE; i++)
		status = read_more(&watch, &datagram, 0, &name);
	assert_int_equal(status, SNIFF_NONE);
	assert_true(name.unread);
	assert_int_equal(watch.state, UDP_WATCH_OVER);
}

static void
test_a_watch_that_lost_its_place_cannot_read(void **state)
{
	struct udp_packet packet = { .bytes = (char *)begin.at,
		.len = begin.len };
	struct udp_watch watch, others[UDP_SNIFF_PLACES];
	struct sniff_name name;
	size_t i;

	(void)state;
	said.keep = &watch;
	come(1, 7, &begin);
	wait_for_call();
	for (i = 0; i < UDP_SNIFF_PLACES; i++) {
		udp_watch_strictly(&others[i], watch.sniffs);
		assert_int_equal(
		    udp_watch_read(&others[i], &packet, 1, &name), SNIFF_MORE);
	}
	packet.bytes = (char *)rest.at;
	memset(&name, 0xff, sizeof(name));
	assert_int_equal(udp_watch_read(&watch, &packet, 1, &name), SNIFF_NONE);
	assert_true(name.unread);
	assert_string_equal(name.host, "");
	assert_int_equal(
	    udp_watch_read(&others[0], &packet, 1, &name), SNIFF_FOUND);
}

static void
test_a_hello_that_does_not_end_is_not_waited_for(void **state)
{
	int i;

	(void)state;
	for (i = 1; i < SNIFF_QUIC_DATAGRAMS; i++)
		come(1, 7, &begin);
	assert_int_equal(said.calls, 0);
	come(1, 7, &begin);
	assert_int_equal(said.calls, 1);
	assert_true(said.has_name);
	assert_true(said.name.unread);
}

static void
test_when_many_wait_the_client_with_most_gives_way(void **state)
{
	uint16_t port;

	(void)state;
	come(2, 1, &begin);
	for (port = 1; port < UDP_NAMINGS; port++)
		come(1, port, &begin);
	assert_int_equal(said.calls, 0);
	for (; port < 2 * UDP_NAMINGS; port++) {
		come(1, port, &begin);
		assert_int_equal(said.calls, port - UDP_NAMINGS + 1);
		assert_int_equal(said.key.client.byte[7], 1);
		assert_false(said.has_name);
	}
	come(2, 1, &rest);
	assert_string_equal(said.name.host, NAME);
}

static void
test_who_is_forgotten_is_not_called_for(void **state)
{
	(void)state;
	come(1, 7, &begin);
	udp_namings_end(namings);
	come(1, 8, &begin);
	wait_for_call();
	assert_int_equal(said.key.client_port, 8);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_no_quic_does_not_wait),
		TEST(test_a_whole_hello_does_not_wait),
		TEST(test_a_hello_in_pieces_is_held_until_its_rest_comes),
		TEST(test_the_owner_is_that_of_what_came_first),
		TEST(test_who_has_waited_goes_on_being_read),
		TEST(test_another_connection_of_a_flow_is_read_anew),
		TEST(test_what_a_known_connection_sends_is_not_read),
		TEST(test_two_connections_that_come_at_once_cannot_be_read),
		TEST(test_known_connection_that_says_something_else_is_another),
		TEST(test_known_connection_whose_hello_is_lost_is_read_again),
		TEST(test_what_has_been_read_makes_room_first),
		TEST(test_another_connection_is_found_behind_other_datagrams),
		TEST(test_another_connection_that_cannot_be_read_is_said),
		TEST(test_a_watch_that_lost_its_place_cannot_read),
		TEST(test_a_hello_that_does_not_end_is_not_waited_for),
		TEST(test_when_many_wait_the_client_with_most_gives_way),
		TEST(test_who_is_forgotten_is_not_called_for),
	};

	return cmocka_run_group_tests_name("udp_naming", tests, NULL, NULL);
}
