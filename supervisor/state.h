/* SPDX-License-Identifier: ISC */
/*
 * The states of tpxd as its operator sees them, and what leads from one to
 * another.  Pure.  tpx-privsep(7) draws it.
 */
#ifndef SUPERVISOR_STATE_H
#define SUPERVISOR_STATE_H

#include "policy/rule.h"
#include "schema/msg.h"

enum state_input {
	STATE_CAPTURES, /* netctl renews the lease: what is captured is ours */
	STATE_PASSES,	/* netctl renews it for a pause */
	STATE_LAPSES,	/* nothing renews it */
	STATE_STOPS,
	STATE_INPUT_COUNT
};

/* The next state; without a lease it is the one of on-failure. */
enum ipc_state state_next(enum ipc_state, enum state_input, enum on_failure);

/* The lease that goes with a state. */
enum ipc_lease state_lease(enum ipc_state);

#endif
