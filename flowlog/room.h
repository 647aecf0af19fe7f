/* SPDX-License-Identifier: ISC */
/*
 * The ring of the log: beyond its quota the oldest rows leave, of flows or of
 * questions, whichever of the two are older.
 */
#ifndef FLOWLOG_ROOM_H
#define FLOWLOG_ROOM_H

#include <stdint.h>

struct store;

/*
 * Within a transaction that has added so many rows: when the quota is nearly
 * used up, as many leave, and a little more.  0, or -1 with errno as in
 * flowlog/store.h.
 */
int room_make(struct store *, uint64_t added);

/* Up to count of the oldest rows leave. */
int room_remove_oldest(struct store *, uint64_t count, uint64_t *removed);

#endif
