/* SPDX-License-Identifier: ISC */
/*
 * Rules with `by dns': the kernel passes a flow to an address that DNS here has
 * told the same client for a name in the rule's list, for as long as the answer
 * may be used and a little longer.  Whatever else the rule's other selectors
 * match goes to a relay, as for every rule about names.
 *
 * Each such rule has a set for each family, of pairs of client and server, that
 * netctl fills with what a dnsd asks for.  A name that a client sends later is
 * seen by nobody.
 */
#ifndef POLICY_TOLD_H
#define POLICY_TOLD_H

#include <stdint.h>

#include "common/addr.h"
#include "policy/image.h"

/* Shorter than that of a relay, which sees the names that clients send. */
#define TOLD_GRACE_S 30
#define TOLD_LIFE_MAX_S (86400 + TOLD_GRACE_S)
/*
 * Of a set.  Twice what netctl puts there, see netctl/pairs.h: what has ended
 * stays for a moment, and a worker that follows another one finds what that put
 * there.
 */
#define TOLD_SET_SIZE 131072
/* Its name, of generation, rule and 4 or 6; then the letter of its side. */
#define TOLD_SET_FORMAT "names_%u_%u_%d"

/* Whether there is such a rule. */
int told_any(const struct image *);

/*
 * Whether that may be in a rule's set: the rule is such a one, its addresses
 * match, and both ends are of one family and such as hosts on a network have.
 * rule may be NULL: it may not.
 */
int told_fits(const struct image *, const struct image_rule *rule,
    const struct addr *client, const struct addr *server);

#endif
