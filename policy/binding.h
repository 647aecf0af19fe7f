/* SPDX-License-Identifier: ISC */
/*
 * Which names a client was told for an address: a table in memory that is
 * shared (memfd_create(2)) by one process that writes it, before the answer
 * leaves, and others that only read.  It outlives who writes it.
 *
 * A name stays for as long as its answer may be used, and a while longer,
 * because programs do not look at the time.  There is room for so many; who has
 * asked for too much loses its own names, and others at most some of those
 * that share its region.
 *
 * Readers believe nothing that is in there: what they are given is a host's
 * name by name_is_host(), whoever wrote the table.
 */
#ifndef POLICY_BINDING_H
#define POLICY_BINDING_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define BINDING_NAME_BYTES 256 /* with its NUL */
#define BINDING_ALIASES_BYTES 256
#define BINDING_GRACE_S 300 /* after the time of the answer */
#define BINDING_LIFE_MAX_S 86400

struct binding_table;

/* What a table of zero bytes takes. */
size_t binding_table_bytes(void);

/* seed: secret and random; without one clients could aim at their neighbours.
 */
void binding_table_init(struct binding_table *, const uint64_t seed[2]);

/*
 * A name in lower case, and the aliases that led from it to the address: each
 * with its NUL, and an empty one behind the last.  Those that have no room are
 * left out, the last ones first.  now_s: of CLOCK_MONOTONIC, here and below.  1
 * when that was not known, or not for so long.
 */
int binding_learn(struct binding_table *, const struct addr *client,
    const struct addr *server, const char *name, const char *aliases,
    uint32_t ttl_s, uint32_t now_s);

enum binding_verdict {
	BINDING_UNKNOWN, /* the client has been told no name for it */
	BINDING_AGREES,
	BINDING_DISAGREES,
};

/* What is known of that address, of several tables. */
struct binding {
	char name[BINDING_NAME_BYTES];	     /* the one that ends last; or "" */
	char aliases[BINDING_ALIASES_BYTES]; /* of that name */
	uint32_t until_s;
	enum binding_verdict verdict;
};

/* All zero: nothing is known yet. */
#define BINDING_NONE                       \
	{                                  \
		"", "", 0, BINDING_UNKNOWN \
	}

/*
 * Adds what this table knows; wanted: a name to be compared, which is then the
 * only one that is found, or NULL.
 */
void binding_find(const struct binding_table *, const struct addr *client,
    const struct addr *server, const char *wanted, uint32_t now_s,
    struct binding *);

/* One name of a client's for an address. */
struct binding_item {
	struct addr client;
	struct addr server;
	char name[BINDING_NAME_BYTES];
	char aliases[BINDING_ALIASES_BYTES];
	uint32_t until_s;
};

/*
 * The next one that has not ended; *at begins with 0 and is where to go on.  0:
 * there are no more.  What is learned meanwhile may be left out.
 */
int binding_next(const struct binding_table *, size_t *at, uint32_t now_s,
    struct binding_item *);

#endif
