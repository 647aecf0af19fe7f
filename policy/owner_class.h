/* SPDX-License-Identifier: ISC */
/*
 * Which owners of sockets the rules tell apart.  The kernel sees whose socket
 * sends a packet, a relay does not: so the packet that begins a flow of this
 * host brings its owner's class along, as its time to live or hop limit (RFC
 * 791, 3.2; RFC 8200, 3).  It goes to a relay of this host and no further, and
 * nothing else reads that field on its way.
 */
#ifndef POLICY_OWNER_CLASS_H
#define POLICY_OWNER_CLASS_H

#include <stddef.h>
#include <stdint.h>

#include "policy/image.h"
#include "policy/match.h"

/*
 * A mark is a class, from 1 on, and a bit that tells one generation from the
 * next: their classes are others.
 */
#define OWNER_CLASSES_MAX 120U

/* Of ids that some rule names; all others are of class 0. */
struct owner_range {
	uint32_t first;
	uint32_t last;
	uint32_t class;
};

/* Uids, or gids; in their order. */
struct owner_ids {
	struct owner_range *ranges;
	size_t count;
	uint32_t classes;
	uint32_t example[OWNER_CLASSES_MAX]; /* one id of each class */
};

/* classes: of users times those of groups; 0: no rule asks. */
struct owner_classes {
	struct owner_ids users;
	struct owner_ids groups;
	uint32_t classes;
	uint32_t generation; /* of the image */
};

/*
 * Made from nothing, or in the place of others.  0, or -1 with ENOMEM, or E2BIG
 * when there are more classes than marks; then there are none.
 */
int owner_classes_make(struct owner_classes *, const struct image *);
void owner_classes_release(struct owner_classes *);

/* Whether they can be made of an image; 0 with errno as above. */
int owner_classes_fit(const struct image *);

/* Class: users' times the groups' classes, and the groups'. */
uint8_t owner_class_mark(const struct owner_classes *, uint32_t class);

/*
 * One who stands for all of its class.  -1 when the mark is of no class, or of
 * another generation.
 */
int owner_class_find(
    const struct owner_classes *, uint8_t mark, struct policy_owner *);

#endif
