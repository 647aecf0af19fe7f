/* SPDX-License-Identifier: ISC */
/*
 * Reads the arena of a relay that is gone.  It is memory that a hostile relay
 * may have filled: each record is copied out first and then checked.
 */
#include "flowlog/arena.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdatomic.h>

#include "common/clock.h"
#include "common/memfd.h"
#include "flowlog/record.h"

/* An open flow ended with its worker. */
static void
record_end(struct flow_record *record, int64_t now_mono_us)
{
	record->close = FLOW_CLOSE_WORKER_LOST;
	record->final = 1;
	record->duration_us = 0;
	if (record->start_mono_us > 0 && record->start_mono_us < now_mono_us)
		record->duration_us =
		    (uint64_t)(now_mono_us - record->start_mono_us);
}

static void
slot_read(const struct flow_arena *arena, uint32_t slots, uint32_t slot,
    unsigned int worker, int64_t now_mono_us, struct batch *batch)
{
	static const struct batch_origin nobody = { 0 };
	uint32_t state = atomic_load_explicit(
	    &arena->slot[slot].state, memory_order_acquire);
	struct flow_record record;

	/* The supervisor counts the ones without a row. */
	if (state == FLOW_SLOT_FREE ||
	    flow_slot_is_unlogged(&arena->slot[slot]))
		return;
	flow_slot_read(arena, slots, slot, &record);
	if (state == FLOW_SLOT_OPEN)
		record_end(&record, now_mono_us);
	if (record_violation(&record, worker) != NULL)
		batch_add_loss(batch, LOSS_TORN, 1);
	else
		(void)batch_add_flow(batch, &record, &nobody);
}

int
arena_read(const struct flow_arena *arena, size_t len, unsigned int worker,
    int64_t now_mono_us, struct batch *batch)
{
	uint32_t used = arena->used, slots = arena->slots;
	uint32_t i;

	/* The relay died before it had made the header: it had no flow. */
	if (arena->magic == 0 && used == 0)
		return 0;
	if (arena->magic != FLOW_ARENA_MAGIC || arena->worker != worker ||
	    slots > LIMIT_FLOW_SLOTS || len != FLOW_ARENA_BYTES(slots) ||
	    used > slots) {
		errno = EBADMSG;
		return -1;
	}
	for (i = 0; i < used; i++)
		slot_read(arena, slots, i, worker, now_mono_us, batch);
	batch_relay_dropped(batch, worker, atomic_load(&arena->dropped), 1);
	return 0;
}

int
arena_import(int fd, unsigned int worker, struct batch *batch)
{
	struct flow_arena *arena;
	struct stat status;
	size_t len;
	int result;

	if (fstat(fd, &status) == -1)
		return -1;
	len = (size_t)status.st_size;
	if (len < sizeof(*arena) || len > FLOW_ARENA_BYTES(LIMIT_FLOW_SLOTS)) {
		errno = EBADMSG;
		return -1;
	}
	if ((arena = memfd_map_shared(fd, len, 0)) == NULL)
		return -1;
	result = arena_read(arena, len, worker, clock_mono_us(), batch);
	(void)munmap(arena, len);
	return result;
}
