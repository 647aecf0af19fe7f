/* SPDX-License-Identifier: ISC */
/*
 * Flows that are refused before they begin: a row each, as long as these are
 * not too many.
 */
#ifndef RELAY_DENIAL_H
#define RELAY_DENIAL_H

#include <stdint.h>

#include "relay/record.h"

struct denials;
struct journal;

/* seed: nobody outside knows it.  NULL with ENOMEM. */
struct denials *denials_new(struct journal *, uint64_t seed);

/*
 * Accounts for a flow that its rule refuses; error: as in struct flow_entry.
 * One of UDP goes on sending: it has one row until it was silent for 70
 * seconds.  Beyond 100 rows a second it is counted as dropped.  1 when it has
 * got a row now.
 */
int denials_note(struct denials *, const struct flow_start *, int error);

#endif
