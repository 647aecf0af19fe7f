/* SPDX-License-Identifier: ISC */
/*
 * Owns the memory of flows that were refused.  Their ends are clients' choice:
 * a hash of them, which is seeded, says where they are remembered.
 */
#include "relay/denial.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/hash.h"
#include "relay/journal.h"

#define KNOWN_US 70000000LL
#define BUCKETS 1024U
#define BUCKET_FLOWS 4
#define ROWS_PER_S 100 /* and as many at once */
#define ROW_US (1000000LL / ROWS_PER_S)

struct denials {
	struct journal *journal;
	uint64_t seed;
	int64_t rows_due_us; /* when every row so far may have been made */
	struct known {
		uint64_t flow;
		int64_t until_us;
	} known[BUCKETS][BUCKET_FLOWS];
};

struct denials *
denials_new(struct journal *journal, uint64_t seed)
{
	struct denials *denials = calloc(1, sizeof(*denials));

	if (denials == NULL)
		return NULL;
	denials->journal = journal;
	denials->seed = seed;
	return denials;
}

/* Where it is, or that of the one that has been silent for longest. */
static struct known *
place_of(struct denials *denials, uint64_t flow)
{
	struct known *bucket = denials->known[flow % BUCKETS];
	struct known *place = bucket;
	size_t i;

	for (i = 0; i < BUCKET_FLOWS; i++) {
		if (bucket[i].flow == flow)
			return &bucket[i];
		if (bucket[i].until_us < place->until_us)
			place = &bucket[i];
	}
	return place;
}

/* Whether it was refused before; from now on it was. */
static int
is_known(
    struct denials *denials, const struct flow_start *start, int64_t now_us)
{
	struct {
		struct addr src, dst;
		uint16_t sport, dport;
		uint32_t proto;
	} ends = { start->src, start->dst, start->sport, start->dport,
		start->proto };
	uint64_t flow = hash_bytes(denials->seed, &ends, sizeof(ends));
	struct known *known = place_of(denials, flow);
	int result = known->flow == flow && known->until_us > now_us;

	known->flow = flow;
	known->until_us = now_us + KNOWN_US;
	return result;
}

static int
may_have_row(struct denials *denials, int64_t now_us)
{
	if (denials->rows_due_us < now_us - 1000000)
		denials->rows_due_us = now_us - 1000000;
	if (denials->rows_due_us + ROW_US > now_us)
		return 0;
	denials->rows_due_us += ROW_US;
	return 1;
}

int
denials_note(struct denials *denials, const struct flow_start *start, int error)
{
	struct flow_entry *record = NULL;
	int64_t now_us = clock_mono_us();

	/* A connection is a flow of its own, whatever its ends. */
	if (start->proto != IPPROTO_TCP && is_known(denials, start, now_us))
		return 0;
	if (may_have_row(denials, now_us))
		record = record_open(denials->journal, start);
	record_blocked(denials->journal, record);
	if (record == NULL) {
		(start->unlogged ? journal_skip : journal_drop)(
		    denials->journal);
		return 0;
	}
	record_close(denials->journal, record, FLOW_CLOSE_POLICY, error);
	return 1;
}
