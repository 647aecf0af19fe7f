/* SPDX-License-Identifier: ISC */
/*
 * A table of a few entries for each hash.  Its keys are chosen by clients, so
 * the hash is seeded: with many servers of its own a client can still push
 * others' entries out, and those flows then wait as the first one did, but it
 * cannot choose whose.
 */
#include "relay/habit.h"

#include <sys/random.h>

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "schema/flow.h"

#define SPEAKS_US 1000000LL /* within it a server speaks first */

struct entry {
	struct addr addr;
	uint16_t port;
	int64_t until_us; /* 0: none */
};

struct habits {
	uint64_t seed;
	struct entry entry[HABIT_SETS][HABIT_WAYS];
};

struct habits *
habits_new(void)
{
	struct habits *habits = calloc(1, sizeof(*habits));

	if (habits == NULL)
		return NULL;
	if (getrandom(&habits->seed, sizeof(habits->seed), 0) ==
	    sizeof(habits->seed))
		return habits;
	free(habits);
	return NULL;
}

static size_t
set_of(const struct habits *habits, const struct addr *addr, uint16_t port)
{
	uint64_t hash =
	    hash_bytes(habits->seed, addr->byte, sizeof(addr->byte));

	return hash_mix(hash ^ port) % HABIT_SETS;
}

static int
is_of(const struct entry *entry, const struct addr *addr, uint16_t port)
{
	return entry->port == port && addr_compare(&entry->addr, addr) == 0;
}

enum habit
habits_of(const struct habits *habits, const struct addr *addr, uint16_t port,
    int64_t now_us)
{
	const struct entry *set = habits->entry[set_of(habits, addr, port)];
	uint32_t i;

	for (i = 0; i < HABIT_WAYS; i++)
		if (set[i].until_us > now_us && is_of(&set[i], addr, port))
			return HABIT_SERVER_FIRST;
	return HABIT_CLIENT_FIRST;
}

/* Its own entry, or the one that would be forgotten first. */
static struct entry *
entry_for(struct entry *set, const struct addr *addr, uint16_t port)
{
	struct entry *first = set;
	uint32_t i;

	for (i = 0; i < HABIT_WAYS; i++) {
		if (is_of(&set[i], addr, port))
			return &set[i];
		if (set[i].until_us < first->until_us)
			first = &set[i];
	}
	return first;
}

void
habits_note(struct habits *habits, const struct addr *addr, uint16_t port,
    enum habit habit, int64_t now_us)
{
	struct entry *entry =
	    entry_for(habits->entry[set_of(habits, addr, port)], addr, port);

	if (habit == HABIT_CLIENT_FIRST) {
		if (is_of(entry, addr, port))
			entry->until_us = 0;
		return;
	}
	entry->addr = *addr;
	entry->port = port;
	entry->until_us = now_us + HABIT_US;
}

int
habits_learn(
    struct habits *habits, const struct flow_entry *record, int64_t now_us)
{
	enum habit habit = HABIT_SERVER_FIRST;
	struct addr server;

	if (record->up_bytes == 0 && record->down_bytes == 0)
		return 0;
	/* One that loses its patience with the client does not speak first. */
	if (record->up_bytes > 0 ||
	    now_us - record->start_mono_us - record->connect_us > SPEAKS_US)
		habit = HABIT_CLIENT_FIRST;
	memcpy(server.byte, record->dst, sizeof(server.byte));
	habits_note(habits, &server, record->dport, habit, now_us);
	return 1;
}
