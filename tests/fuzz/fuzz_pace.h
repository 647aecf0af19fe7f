/* SPDX-License-Identifier: ISC */
/*
 * How long one input may take: 10 ms, and of CPU alone, as others run beside
 * it.  libFuzzer's own limit is in whole seconds, and of the wall's clock.
 *
 * The sanitizers make everything slower, and so does a fuzzer that counts
 * branches.  By how much is measured here: the same work, which goes over bytes
 * as a parser does, with them and without.
 */
#ifndef TESTS_FUZZ_PACE_H
#define TESTS_FUZZ_PACE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define PACE_NS 10000000L
#define PACE_TRIES 4 /* one is enough: the system's work counts as ours */
#define PACE_BYTES 65535
#define PACE_ROUNDS 16 /* the quickest counts, which nobody disturbed */

/* A sum over the labels of a message in lower case, as names are found by. */
#define PACE_WORK(name, ...)                                                   \
	static __attribute__((__VA_ARGS__)) uint32_t name(                     \
	    const uint8_t *from, size_t len)                                   \
	{                                                                      \
		uint32_t sum = 0;                                              \
		size_t at = 0, end;                                            \
                                                                               \
		while (at < len) {                                             \
			end = at + 1 + (from[at] & 63U);                       \
			for (at++; at < len && at < end; at++)                 \
				sum =                                          \
				    (sum ^ (from[at] >= 'A' && from[at] <= 'Z' \
						   ? from[at] | 32U            \
						   : from[at])) *              \
				    16777619U;                                 \
		}                                                              \
		return sum;                                                    \
	}

PACE_WORK(pace_slowed, noinline)
PACE_WORK(pace_plain, noinline, no_sanitize("address", "undefined", "coverage"))

static inline long
pace_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

static inline long
pace_of(uint32_t (*work)(const uint8_t *, size_t))
{
	static uint8_t from[PACE_BYTES];
	static volatile uint32_t sum; /* so that there is work */
	long begin, took, least = PACE_NS;
	size_t i;

	for (i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)(i * 167 >> 3);
	for (i = 0; i < PACE_ROUNDS; i++) {
		begin = pace_ns();
		sum = work(from, sizeof(from));
		took = pace_ns() - begin;
		least = took < least ? took : least;
	}
	(void)sum;
	return least > 0 ? least : 1;
}

static inline int
pace_is_slow(long took_ns)
{
	static double times; /* as slow as without sanitizers */

	if (took_ns <= PACE_NS)
		return 0;
	if (times == 0)
		times =
		    (double)pace_of(pace_slowed) / (double)pace_of(pace_plain);
	return (double)took_ns > (double)PACE_NS * times;
}

/* What is done with one input: by who includes this. */
static void pace_try(const uint8_t *, size_t);

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* It must not take too long, however often it is tried. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	long begin;
	int i;

	for (i = 0; i < PACE_TRIES; i++) {
		begin = pace_ns();
		pace_try(data, size);
		if (!pace_is_slow(pace_ns() - begin))
			return 0;
	}
	abort();
}

#endif
