/* SPDX-License-Identifier: ISC */
/*
 * A hash table over a ring: whoever has waited longest makes room.  Its keys
 * are chosen by users of this host, so the hash is seeded.
 */
#include "flowlog/owner.h"

#include <sys/random.h>

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"

#define NONE UINT32_MAX

struct owner_key {
	uint8_t src[16];
	uint8_t dst[16];
	uint16_t sport;
	uint16_t dport;
	uint32_t proto;
};

struct owner {
	struct owner_key key;
	uint32_t uid; /* FLOW_UID_NONE: nobody is here */
	uint32_t gid;
	uint32_t next;
};

struct owners {
	uint64_t seed;
	uint32_t bucket[OWNERS_MOST]; /* the newest of it, or NONE */
	struct owner ring[OWNERS_MOST];
	uint32_t at; /* where the next one goes */
};

static void
key_of(const struct flow_record *record, struct owner_key *key)
{
	memset(key, 0, sizeof(*key));
	memcpy(key->src, record->src, sizeof(key->src));
	memcpy(key->dst, record->dst, sizeof(key->dst));
	key->sport = record->sport;
	key->dport = record->dport;
	key->proto = record->proto;
}

static uint32_t *
bucket_of(struct owners *owners, const struct owner_key *key)
{
	return &owners->bucket[hash_bytes(owners->seed, key, sizeof(*key)) %
			       OWNERS_MOST];
}

struct owners *
owners_new(void)
{
	struct owners *owners = malloc(sizeof(*owners));
	uint32_t i;

	if (owners == NULL)
		return NULL;
	if (getrandom(&owners->seed, sizeof(owners->seed), 0) !=
	    sizeof(owners->seed)) {
		free(owners);
		return NULL;
	}
	owners->at = 0;
	for (i = 0; i < OWNERS_MOST; i++) {
		owners->bucket[i] = NONE;
		owners->ring[i].uid = FLOW_UID_NONE;
	}
	return owners;
}

void
owners_free(struct owners *owners)
{
	free(owners);
}

/* Unlinks what *link names. */
static uint32_t
forget(struct owners *owners, uint32_t *link)
{
	struct owner *owner = &owners->ring[*link];
	uint32_t uid = owner->uid;

	owner->uid = FLOW_UID_NONE;
	*link = owner->next;
	return uid;
}

static uint32_t *
link_of(struct owners *owners, const struct owner_key *key)
{
	uint32_t *link = bucket_of(owners, key);

	while (*link != NONE &&
	       memcmp(&owners->ring[*link].key, key, sizeof(*key)) != 0)
		link = &owners->ring[*link].next;
	return link;
}

void
owners_add(
    struct owners *owners, const struct flow_record *record, uint32_t gid)
{
	struct owner *owner = &owners->ring[owners->at];
	struct owner_key key;
	uint32_t *link;

	if (record->uid == FLOW_UID_NONE)
		return;
	key_of(record, &key);
	/* A first packet that was sent again tells it again. */
	link = link_of(owners, &key);
	if (*link != NONE)
		(void)forget(owners, link);
	if (owner->uid != FLOW_UID_NONE)
		(void)forget(owners, link_of(owners, &owner->key));
	link = bucket_of(owners, &key);
	owner->key = key;
	owner->uid = record->uid;
	owner->gid = gid;
	owner->next = *link;
	*link = owners->at;
	owners->at = (owners->at + 1) % OWNERS_MOST;
}

uint32_t
owners_take(
    struct owners *owners, const struct flow_record *record, uint32_t *gid)
{
	struct owner_key key;
	uint32_t *link;

	key_of(record, &key);
	link = link_of(owners, &key);
	if (*link == NONE)
		return FLOW_UID_NONE;
	*gid = owners->ring[*link].gid;
	return forget(owners, link);
}
