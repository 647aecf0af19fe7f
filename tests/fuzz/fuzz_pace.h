/* SPDX-License-Identifier: ISC */
/*
 * How long one input may take: 10 ms, and of CPU alone, as others run beside
 * it.  libFuzzer's own limit is in whole seconds, and of the wall's clock.
 */
#ifndef TESTS_FUZZ_PACE_H
#define TESTS_FUZZ_PACE_H

#include <stdlib.h>
#include <time.h>

/* Many times as much, as the sanitizers make everything slower. */
#define PACE_NS 500000000L

static inline long
pace_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

/* What began then must not have taken too long. */
static inline void
pace_judge(long begin_ns)
{
	if (pace_ns() - begin_ns > PACE_NS)
		abort();
}

#endif
