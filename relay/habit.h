/* SPDX-License-Identifier: ISC */
/*
 * Which servers speak before their clients do, as flows have found out: nobody
 * shall wait there for what a client will not say.  By address and port, since
 * a client may have servers of its own that do so at any port, and must not
 * thereby change how others are served.  Pure, of fixed size; what is wrong
 * costs a wait, or a name.
 */
#ifndef RELAY_HABIT_H
#define RELAY_HABIT_H

#include <stdint.h>

#include "common/addr.h"

#define HABIT_US 600000000LL /* 10 minutes, then it is forgotten */
#define HABIT_SETS 256U
#define HABIT_WAYS 4U

struct flow_entry;
struct habits;

enum habit { HABIT_CLIENT_FIRST, HABIT_SERVER_FIRST };

/* NULL with errno. */
struct habits *habits_new(void);

/* What a flow has found; times are CLOCK_MONOTONIC.  The last word counts. */
void habits_note(struct habits *, const struct addr *, uint16_t port,
    enum habit, int64_t now_us);

/*
 * Notes what a flow shows whose client was silent for long: whether its server
 * has spoken, or the client now.  0 when neither has.
 */
int habits_learn(struct habits *, const struct flow_entry *, int64_t now_us);

/* HABIT_CLIENT_FIRST for a server that nothing is known of. */
enum habit habits_of(
    const struct habits *, const struct addr *, uint16_t port, int64_t now_us);

#endif
