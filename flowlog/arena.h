/* SPDX-License-Identifier: ISC */
/*
 * What a relay that died without a word left in its arena.  Rows that were
 * written already are recognised by their ids.
 */
#ifndef FLOWLOG_ARENA_H
#define FLOWLOG_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "flowlog/batch.h"

struct flow_arena;

/*
 * Adds a row for every flow in the arena behind fd, which stays the caller's.
 * -1 with errno of memfd_map_shared(), or EBADMSG when its header is not that
 * of an arena of this worker.
 */
int arena_import(int fd, unsigned int worker, struct batch *);

/* The same, mapped; times are those of the two clocks. */
int arena_read(const struct flow_arena *, size_t len, unsigned int worker,
    int64_t now_mono_us, struct batch *);

#endif
