/* SPDX-License-Identifier: ISC */
/*
 * Whose sockets of this host send sentinels: users at the edges of what is
 * captured, and one beyond them.  Pure.
 */
#ifndef CTL_LEAK_ACCOUNT_H
#define CTL_LEAK_ACCOUNT_H

#include <stddef.h>
#include <stdint.h>

#include "policy/image.h"

#define ACCOUNT_MOST 4
#define ACCOUNT_NOBODY 65534U /* one of the whole host, beside root */

#define ACCOUNT_GID 0U /* of all of them */

struct account {
	uint32_t uid;
	int is_captured;
};

/*
 * The first of them is captured, if anybody is: the first uid that the
 * configuration names, or root when it is the whole host.  Then the last uid,
 * root, and one that is not captured; of a whole host there is none but ours.
 * ours: the uid of tpx itself, which nothing captures.  Returns how many.
 */
size_t account_choose(
    const struct image *, uint32_t ours, struct account users[ACCOUNT_MOST]);

#endif
