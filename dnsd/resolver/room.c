/* SPDX-License-Identifier: ISC */
/*
 * Thresholds that move with what is left (Choudhury and Hahne, "Dynamic queue
 * length thresholds for shared-memory packet switches").  One client alone gets
 * a fifth of the room.  The tags are of processes that may be hostile: they are
 * hashed with whose they are.
 */
#include "dnsd/resolver/room.h"

#include <stdlib.h>

#include "schema/limits.h"

struct room {
	struct siphash_key key;
	struct shares *shares;
	uint32_t taken;
	uint32_t taken_by[LIMIT_WORKERS];
};

struct room *
room_new(const struct siphash_key *key)
{
	struct room *room = calloc(1, sizeof(*room));

	if (room == NULL)
		return NULL;
	room->key = *key;
	if ((room->shares = shares_new(ROOM_PLACES)) != NULL)
		return room;
	free(room);
	return NULL;
}

void
room_free(struct room *room)
{
	if (room == NULL)
		return;
	shares_free(room->shares);
	free(room);
}

static uint64_t
own_tag(
    const struct room *room, uint32_t worker, uint32_t of_host, uint64_t tag)
{
	const uint64_t whose[] = { worker, of_host, tag };

	return siphash(&room->key, whose, sizeof(whose)) | 1ULL << 63;
}

/* For new questions of that dnsd. */
static uint32_t
left_for(const struct room *room, uint32_t worker)
{
	uint32_t left = ROOM_PLACES - room->taken;
	uint32_t most = ROOM_DNSD_TIMES * left;
	uint32_t has = room->taken_by[worker];

	if (has >= most)
		return 0;
	return most - has < left ? most - has : left;
}

enum dns_held
room_take(struct room *room, uint32_t worker, const struct share_tags *tags,
    struct share_hold *hold)
{
	const struct share_tags own = {
		.client = own_tag(room, worker, 0, tags->client),
		.host =
		    tags->host == 0 ? 0 : own_tag(room, worker, 1, tags->host),
	};
	uint32_t left = left_for(room, worker);

	if (left == 0)
		return DNS_HELD_ROOM;
	if (!shares_allow(room->shares, &own,
		(left + ROOM_CLIENT_PART - 1) / ROOM_CLIENT_PART))
		return DNS_HELD_SHARE;
	shares_take(room->shares, &own, hold);
	room->taken++;
	room->taken_by[worker]++;
	return DNS_HELD_NOT;
}

void
room_give(struct room *room, uint32_t worker, const struct share_hold *hold)
{
	shares_give(room->shares, hold);
	room->taken--;
	room->taken_by[worker]--;
}
