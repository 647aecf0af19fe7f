/* SPDX-License-Identifier: ISC */
/*
 * The ledger of this process and those before it (schema/ledger.h).  Whoever
 * wrote it may have been taken over by hostile bytes: what does not fit is as
 * if it were not there.
 */
#ifndef FLOWLOG_LEDGER_H
#define FLOWLOG_LEDGER_H

#include <stddef.h>

#include "schema/ledger.h"

/*
 * Maps it.  NULL with errno: EPERM and EINVAL when it is no memfd of the right
 * size.  *found: 1 when somebody has written it before, 0 when it is new, -1
 * when it was not what it should be and is made new.
 */
struct ledger *ledger_open(int fd, int *found);
void ledger_close(struct ledger *);

/* What counts. */
const struct ledger_state *ledger_state(const struct ledger *);

/*
 * A copy to change; from ledger_commit() on it counts.  There is one at a
 * time: who stages again forgets the change before.
 */
struct ledger_state *ledger_stage(struct ledger *);
void ledger_commit(struct ledger *);

/*
 * Adds a row, with the next id, to a staged state; without room for it, adds a
 * loss.
 */
void ledger_add_row(
    struct ledger *, struct ledger_state *, const struct flow_record *);

/* The row at a position from head to tail. */
void ledger_row(const struct ledger *, uint64_t position, struct flow_record *);

/* Events up to this id are on disk. */
void ledger_set_events(struct ledger *, uint32_t id);

/* Rows before this position are on disk. */
void ledger_done(struct ledger *, uint64_t position);

#endif
