/* SPDX-License-Identifier: ISC */
/*
 * How long a table takes with keys that somebody has chosen to meet, beside as
 * many that were not chosen.
 */
#ifndef TESTS_MEETING_FIXTURE_H
#define TESTS_MEETING_FIXTURE_H

#include <time.h>

#define MEETING_ROUNDS 5
/* A list of a thousand keys takes some twenty times what one place does. */
#define MEETING_COST 6

/* The least of some rounds, in CPU time. */
static inline clock_t
meeting_cost(void (*work)(int chosen), int chosen)
{
	clock_t least = 0, begun, took;
	int i;

	for (i = 0; i < MEETING_ROUNDS; i++) {
		begun = clock();
		work(chosen);
		took = clock() - begun;
		if (i == 0 || took < least)
			least = took;
	}
	return least;
}

static inline void
assert_meeting_is_cheap(void (*work)(int chosen))
{
	clock_t usual = meeting_cost(work, 0);

	assert_true(meeting_cost(work, 1) <= MEETING_COST * (usual + 1));
}

#endif
