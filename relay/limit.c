/* SPDX-License-Identifier: ISC */
/*
 * Owns the memory of flows that were refused.  Their ends are clients' choice:
 * a hash of them, which is seeded, says where they are remembered.
 */
#include "relay/limit.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "relay/hash.h"
#include "relay/journal.h"

/* A flow of UDP goes on sending; it has one row until it was silent so long. */
#define KNOWN_US 70000000LL
#define KNOWN 4096U
/* Rows of a second, and as many at once; beyond that they are counted. */
#define ROWS_PER_S 100
#define ROW_US (1000000LL / ROWS_PER_S)

struct limit {
	struct journal *journal;
	struct tally tally;
	int64_t rows_due_us; /* when every row so far may have been made */
	struct known {
		uint64_t flow;
		int64_t until_us;
	} known[KNOWN];
};

struct limit *
limit_new(struct journal *journal, const struct tally *tally)
{
	struct limit *limit = calloc(1, sizeof(*limit));

	if (limit == NULL)
		return NULL;
	limit->journal = journal;
	limit->tally = *tally;
	return limit;
}

/* Whether it was refused before; from now on it was. */
static int
is_known(struct limit *limit, const struct flow_start *start, int64_t now_us)
{
	struct {
		struct addr src, dst;
		uint16_t sport, dport;
		uint32_t proto;
	} ends = { start->src, start->dst, start->sport, start->dport,
		start->proto };
	uint64_t flow = hash_bytes(limit->tally.seed, &ends, sizeof(ends));
	struct known *known = &limit->known[flow % KNOWN];
	int result = known->flow == flow && known->until_us > now_us;

	known->flow = flow;
	known->until_us = now_us + KNOWN_US;
	return result;
}

static int
may_have_row(struct limit *limit, int64_t now_us)
{
	if (limit->rows_due_us < now_us - 1000000)
		limit->rows_due_us = now_us - 1000000;
	if (limit->rows_due_us + ROW_US > now_us)
		return 0;
	limit->rows_due_us += ROW_US;
	return 1;
}

static void
account(struct limit *limit, const struct flow_start *start, int64_t now_us)
{
	struct flow_entry *record = NULL;

	if (start->unlogged) {
		record_blocked(limit->journal, NULL);
		journal_skip(limit->journal);
		return;
	}
	if (may_have_row(limit, now_us))
		record = record_open(limit->journal, start);
	record_blocked(limit->journal, record);
	if (record == NULL)
		journal_drop(limit->journal);
	else
		record_close(limit->journal, record, FLOW_CLOSE_POLICY,
		    FLOW_ERROR_MAX_FLOWS);
}

int
limit_take(const struct limit *limit, const struct image *image,
    struct flow_start *start)
{
	const struct image_rule *rule = image_rule(image, start->rule);

	start->tally = &limit->tally;
	if (rule == NULL || (rule->limits.flows[LIMIT_RULE] == 0 &&
				rule->limits.flows[LIMIT_CLIENT] == 0))
		return 0;
	return tally_take(&limit->tally, image_rule_text(image, start->rule),
	    &rule->limits, &start->src, &start->share);
}

int
limit_admit(
    struct limit *limit, const struct image *image, struct flow_start *start)
{
	int64_t now_us;

	if (limit_take(limit, image, start) == 0)
		return 0;
	now_us = clock_mono_us();
	/* A connection is a flow of its own, whatever its ends. */
	if (start->proto == IPPROTO_TCP || !is_known(limit, start, now_us))
		account(limit, start, now_us);
	return -1;
}
