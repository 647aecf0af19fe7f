/* SPDX-License-Identifier: ISC */
/* The words and names of flow records, the numbering of flows.  Pure. */
#include "schema/flow.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FLOW_WORD(name, word) word,

static const char *const actions[] = { FLOW_ACTIONS(FLOW_WORD) };
static const char *const captures[] = { FLOW_CAPTURES(FLOW_WORD) };
static const char *const closes[] = { FLOW_CLOSES(FLOW_WORD) };
static const char *const host_sources[] = { FLOW_HOST_SOURCES(FLOW_WORD) };
static const char *const sources[] = { FLOW_SOURCES(FLOW_WORD) };
static const char *const severities[] = { EVENT_SEVERITIES(FLOW_WORD) };

#define LOSS_SOURCE(name, source, kind) source,
#define LOSS_KIND(name, source, kind) kind,

static const char *const loss_sources[] = { FLOW_LOSSES(LOSS_SOURCE) };
static const char *const loss_kinds[] = { FLOW_LOSSES(LOSS_KIND) };

/* 2020-01-01T00:00:00Z */
#define FLOW_ID_EPOCH_MS 1577836800000LL
/* Ids to hand out per worker and millisecond: 2^53 then lasts until 2089. */
#define FLOW_ID_PER_MS 32

static const char *
word(const char *const *words, size_t count, unsigned int number)
{
	if (number >= count || words[number] == NULL)
		return "?";
	return words[number];
}

const char *
flow_action_word(unsigned int number)
{
	return word(actions, FLOW_ACTION_COUNT, number);
}

const char *
flow_capture_word(unsigned int number)
{
	return word(captures, FLOW_CAPTURE_COUNT, number);
}

const char *
flow_close_word(unsigned int number)
{
	return word(closes, FLOW_CLOSE_COUNT, number);
}

const char *
flow_host_source_word(unsigned int number)
{
	return word(host_sources, FLOW_HOST_COUNT, number);
}

const char *
flow_source_word(unsigned int number)
{
	return word(sources, FLOW_SOURCE_COUNT, number);
}

const char *
event_severity_word(unsigned int number)
{
	return word(severities, SEVERITY_COUNT, number);
}

const char *
flow_loss_source(unsigned int number)
{
	return word(loss_sources, LOSS_COUNT, number);
}

const char *
flow_loss_kind(unsigned int number)
{
	return word(loss_kinds, LOSS_COUNT, number);
}

static const struct {
	unsigned int error;
	const char *text;
} errors[] = {
	{ FLOW_ERROR_SOCKS5 + 1, "socks5: general failure" },
	{ FLOW_ERROR_SOCKS5 + 2, "socks5: not allowed" },
	{ FLOW_ERROR_SOCKS5 + 3, "socks5: network unreachable" },
	{ FLOW_ERROR_SOCKS5 + 4, "socks5: host unreachable" },
	{ FLOW_ERROR_SOCKS5 + 5, "socks5: connection refused" },
	{ FLOW_ERROR_SOCKS5 + 6, "socks5: TTL expired" },
	{ FLOW_ERROR_SOCKS5 + 7, "socks5: command not supported" },
	{ FLOW_ERROR_SOCKS5 + 8, "socks5: address not supported" },
	{ FLOW_ERROR_SOCKS5_METHOD, "socks5: no method in common" },
	{ FLOW_ERROR_SOCKS5_LOGIN, "socks5: login refused" },
	{ FLOW_ERROR_NOT_UNDERSTOOD, "upstream: not understood" },
	{ FLOW_ERROR_ENDED, "upstream: ended too early" },
	{ FLOW_ERROR_MAX_FLOWS, "max-flows" },
	{ FLOW_ERROR_MAX_RATE, "max-rate" },
};

uint32_t
flow_agrees(unsigned int agreement)
{
	if (agreement == FLOW_AGREEMENT_UNKNOWN)
		return FLOW_AGREES_UNKNOWN;
	return agreement == FLOW_AGREEMENT_YES;
}

const char *
flow_error_text(unsigned int error, char buf[FLOW_ERROR_BYTES])
{
	size_t i;

	if (error == 0 || error > FLOW_ERROR_MAX)
		return NULL;
	if (error <= FLOW_ERROR_ERRNO_MAX)
		return strerrorname_np((int)error);
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].error == error)
			return errors[i].text;
	if (error >= FLOW_ERROR_HTTP)
		(void)snprintf(buf, FLOW_ERROR_BYTES, "http: %03u",
		    error - FLOW_ERROR_HTTP);
	else if (error < FLOW_ERROR_SOCKS5_METHOD)
		(void)snprintf(buf, FLOW_ERROR_BYTES, "socks5: reply %u",
		    error - FLOW_ERROR_SOCKS5);
	else
		return NULL;
	return buf;
}

uint64_t
flow_first_id(int64_t realtime_us, unsigned int worker)
{
	int64_t ms = realtime_us / 1000 - FLOW_ID_EPOCH_MS;

	if (ms < 0)
		ms = 0;
	return (uint64_t)ms * FLOW_ID_PER_MS * FLOW_ID_STEP + worker;
}

static size_t
far_offset(uint32_t slots, uint32_t slot)
{
	return sizeof(struct flow_arena) + slots * sizeof(struct flow_slot) +
	       slot * sizeof(struct flow_far);
}

void
flow_slot_read(const struct flow_arena *arena, uint32_t slots, uint32_t slot,
    struct flow_record *record)
{
	const struct flow_slot *from = &arena->slot[slot];

	memcpy(record, &from->entry, sizeof(from->entry));
	memset(record->host, 0, sizeof(record->host));
	if (record->host_source == FLOW_HOST_NONE)
		return;
	memcpy(record->host, from->host, FLOW_HOST_NEAR);
	if (memchr(record->host, '\0', FLOW_HOST_NEAR) == NULL)
		memcpy(record->host + FLOW_HOST_NEAR,
		    (const char *)arena + far_offset(slots, slot),
		    sizeof(struct flow_far));
}

int
flow_slot_is_unlogged(const struct flow_slot *slot)
{
	return atomic_load_explicit(&slot->state, memory_order_acquire) !=
		   FLOW_SLOT_FREE &&
	       slot->entry.unlogged == 1;
}

uint64_t
flow_arena_unlogged(const struct flow_arena *arena, uint32_t slots)
{
	uint64_t ended = atomic_load(&arena->unlogged), unlogged = ended;
	uint32_t i, used = arena->used < slots ? arena->used : slots;

	for (i = 0; i < used; i++)
		/* One may have died while it was being counted. */
		if (flow_slot_is_unlogged(&arena->slot[i]) &&
		    (arena->slot[i].counted == 0 ||
			arena->slot[i].counted != (uint32_t)ended))
			unlogged++;
	return unlogged;
}

void
flow_slot_set_host(
    struct flow_arena *arena, uint32_t slots, uint32_t slot, const char *host)
{
	struct flow_slot *to = &arena->slot[slot];
	size_t len = strlen(host);
	size_t near = len < FLOW_HOST_NEAR ? len : FLOW_HOST_NEAR;
	char *far;

	memset(to->host, 0, sizeof(to->host));
	memcpy(to->host, host, near);
	if (len < FLOW_HOST_NEAR)
		return;
	far = (char *)arena + far_offset(slots, slot);
	memset(far, 0, sizeof(struct flow_far));
	memcpy(far, host + near, len - near);
}
