/* SPDX-License-Identifier: ISC */
/*
 * What the cache answers costs no allocation, over UDP and TCP: neither by the
 * front nor, on its behalf, by libevent.
 */
#include "front_fixture.h"
#include "stream_fixture.h"

#define HITS 100

static unsigned int allocations;

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);

void *
__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	allocations++;
	return __real_calloc(n, size);
}

void *
__wrap_realloc(void *memory, size_t size)
{
	allocations++;
	return __real_realloc(memory, size);
}

/* Of so many addresses, and in the cache from now on. */
static void
learn_big(const char *name, unsigned int count)
{
	struct dns_message message;
	struct resolution resolution;
	int before = asks;
	unsigned int i;

	send_udp(9, name, WIRE_A);
	UNTIL(asks > before);
	dns_begin(&message, 0, WIRE_QR, name, WIRE_A);
	for (i = 0; i < count; i++)
		dns_a(&message, name, 300, i);
	resolution = dns_resolution(&message, WIRE_NOERROR);
	resolution.id = last_id();
	front_resolved(front, &resolution);
	UNTIL(has_reply());
}

/* Also one that waits until others have learned it. */
static void
hit_udp(const char *name)
{
	int before = bindings;

	send_udp(1, name, WIRE_A);
	UNTIL(bindings > before);
	front_learned(front, learning);
	UNTIL(has_reply());
	assert_int_equal(row.source, DNS_SOURCE_CACHE);
}

static void
hits_udp(const char *name)
{
	int i;

	/* libevent's heap of timers grows once. */
	hit_udp(name);
	allocations = 0;
	for (i = 0; i < HITS; i++)
		hit_udp(name);
	assert_int_equal(allocations, 0);
}

static void
test_udp_hit_allocates_nothing(void **state)
{
	(void)state;
	learn("www.example", 300);
	learn_big("big.example", 500);
	hits_udp("www.example");
	hits_udp("big.example");
	learning = 1;
	hits_udp("www.example");
	hits_udp("big.example");
}

static void
test_udp_answer_of_the_policy_allocates_nothing(void **state)
{
	int i;

	(void)state;
	judged = "blocked.example";
	verdict = (struct front_verdict){ FRONT_NXDOMAIN, 3, 15 };
	allocations = 0;
	for (i = 0; i < HITS; i++) {
		send_udp(1, "blocked.example", WIRE_A);
		UNTIL(has_reply());
		assert_int_equal(row.source, DNS_SOURCE_POLICY);
	}
	assert_int_equal(allocations, 0);
}

static void
hit_tcp(int fd, const char *name)
{
	uint8_t bytes[64];
	int before = bindings;

	send_tcp(fd, bytes, framed(bytes, 1, name));
	UNTIL(bindings > before);
	front_learned(front, learning);
	UNTIL(has_tcp(fd));
	assert_int_equal(row.source, DNS_SOURCE_CACHE);
}

static void
hits_tcp(int fd, const char *name)
{
	int i;

	hit_tcp(fd, name);
	allocations = 0;
	for (i = 0; i < HITS; i++)
		hit_tcp(fd, name);
	assert_int_equal(allocations, 0);
}

static void
test_tcp_hit_allocates_nothing(void **state)
{
	int fd;

	(void)state;
	stream_used = 0;
	learn("www.example", 300);
	learn_big("big.example", 500);
	allocations = 0;
	fd = dial();
	UNTIL((front_stats(front, &stats), stats.connections == 1));
	assert_int_not_equal(allocations, 0);
	hits_tcp(fd, "www.example");
	hits_tcp(fd, "big.example");
	learning = 1;
	hits_tcp(fd, "www.example");
	hits_tcp(fd, "big.example");
	close(fd);
}

static void
test_tcp_hits_of_who_does_not_read_allocate_nothing(void **state)
{
	uint8_t bytes[64];
	size_t len = framed(bytes, 1, "big.example");
	int fd = dial(), sent = 0, got = 0;

	(void)state;
	stream_used = 0;
	learn_big("big.example", 500);
	hit_tcp(fd, "big.example");
	allocations = 0;
	for (; sent < 2000; sent++) {
		if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
			break;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	UNTIL((got += has_tcp(fd)) == sent);
	assert_int_equal(allocations, 0);
	close(fd);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_udp_hit_allocates_nothing),
		TEST(test_udp_answer_of_the_policy_allocates_nothing),
		TEST(test_tcp_hit_allocates_nothing),
		TEST(test_tcp_hits_of_who_does_not_read_allocate_nothing),
	};

	event_set_mem_functions(__wrap_malloc, __wrap_realloc, free);
	return cmocka_run_group_tests_name("front_hit", tests, NULL, NULL);
}
