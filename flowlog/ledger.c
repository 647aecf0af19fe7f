/* SPDX-License-Identifier: ISC */
/*
 * Owns the mapping of the ledger.  Reads what a process before this one left
 * there, and checks it once, at the start: nobody else writes it then.
 */
#include "flowlog/ledger.h"

#include <sys/mman.h>

#include <stdatomic.h>
#include <string.h>

#include "common/memfd.h"

#define ID_MOST (UINT64_C(1) << 52)
#define COUNT_MOST (UINT64_C(1) << 52) /* sums of them do not overflow */

static int
state_fits(const struct ledger_state *state)
{
	unsigned int i;

	if (state->passed > COUNT_MOST || state->blocked > COUNT_MOST ||
	    state->unlogged > COUNT_MOST || state->log_events > COUNT_MOST ||
	    state->events > UINT32_MAX || state->next_id > ID_MOST ||
	    state->next_id % FLOW_ID_STEP != LIMIT_FLOW_WORKER ||
	    state->head > state->tail || state->tail > COUNT_MOST ||
	    state->tail - state->head > LIMIT_LEDGER_ROWS ||
	    state->nflog_known > 1)
		return 0;
	for (i = 0; i < LEDGER_LOSSES; i++)
		if (state->lost[i] > COUNT_MOST)
			return 0;
	for (i = 0; i < LOSS_COUNT; i++)
		if (state->log_lost[i] > COUNT_MOST)
			return 0;
	for (i = 0; i < IPC_SOURCE_COUNT; i++)
		if (state->done[i] > LEDGER_DATAGRAM_BYTES)
			return 0;
	return 1;
}

static int
row_fits(const struct flow_entry *row)
{
	return row->id % FLOW_ID_STEP == LIMIT_FLOW_WORKER &&
	       row->id < ID_MOST && row->worker == LIMIT_FLOW_WORKER &&
	       row->action < FLOW_ACTION_COUNT &&
	       row->capture < FLOW_CAPTURE_COUNT &&
	       row->close < FLOW_CLOSE_COUNT &&
	       row->host_source == FLOW_HOST_NONE;
}

static int
ledger_fits(const struct ledger *ledger)
{
	const struct ledger_state *state;
	uint64_t at;

	if (ledger->magic != LEDGER_MAGIC || atomic_load(&ledger->current) > 1)
		return 0;
	state = ledger_state(ledger);
	if (!state_fits(state))
		return 0;
	for (at = state->head; at < state->tail; at++)
		if (!row_fits(&ledger->row[at % LIMIT_LEDGER_ROWS]))
			return 0;
	return 1;
}

struct ledger *
ledger_open(int fd, int *found)
{
	struct ledger *ledger = memfd_map_shared(fd, sizeof(*ledger), 1);

	if (ledger == NULL)
		return NULL;
	*found = ledger->magic != 0;
	if (*found && ledger_fits(ledger))
		return ledger;
	if (*found) {
		memset(ledger, 0, offsetof(struct ledger, row));
		*found = -1;
	}
	ledger->state[0].next_id = LIMIT_FLOW_WORKER;
	ledger->magic = LEDGER_MAGIC;
	return ledger;
}

void
ledger_close(struct ledger *ledger)
{
	if (ledger != NULL)
		(void)munmap(ledger, sizeof(*ledger));
}

const struct ledger_state *
ledger_state(const struct ledger *ledger)
{
	return &ledger->state[atomic_load_explicit(
	    &ledger->current, memory_order_relaxed)];
}

struct ledger_state *
ledger_stage(struct ledger *ledger)
{
	const struct ledger_state *now = ledger_state(ledger);
	struct ledger_state *next = &ledger->state[now == ledger->state];

	*next = *now;
	return next;
}

void
ledger_commit(struct ledger *ledger)
{
	/* All of one thread: what a death leaves is what it had come to. */
	atomic_store_explicit(&ledger->current,
	    ledger_state(ledger) == ledger->state, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
}

void
ledger_add_row(struct ledger *ledger, struct ledger_state *state,
    const struct flow_record *record)
{
	struct flow_entry *row = &ledger->row[state->tail % LIMIT_LEDGER_ROWS];

	if (state->tail - state->head == LIMIT_LEDGER_ROWS) {
		state->lost[LEDGER_NO_ROOM]++;
		return;
	}
	memcpy(row, record, sizeof(*row));
	row->id = state->next_id;
	state->next_id += FLOW_ID_STEP;
	state->tail++;
}

void
ledger_row(
    const struct ledger *ledger, uint64_t position, struct flow_record *record)
{
	memset(record, 0, sizeof(*record));
	memcpy(record, &ledger->row[position % LIMIT_LEDGER_ROWS],
	    sizeof(ledger->row[0]));
}

void
ledger_set_events(struct ledger *ledger, uint32_t id)
{
	ledger_stage(ledger)->events = id;
	ledger_commit(ledger);
}

void
ledger_done(struct ledger *ledger, uint64_t position)
{
	struct ledger_state *state = ledger_stage(ledger);

	if (position <= state->head || position > state->tail)
		return;
	state->head = position;
	/* What few rows never came to stays untouched memory. */
	if (state->head == state->tail)
		state->head = state->tail = 0;
	ledger_commit(ledger);
}
