/* SPDX-License-Identifier: ISC */
#include "supervisor/state.h"

/* Stands for OPEN or CLOSED, whichever the operator chose. */
#define FALLEN IPC_STATE_COUNT

/* Columns: the lease captures, it lets pass, it lapses, tpxd stops. */
static const enum ipc_state next[IPC_STATE_COUNT][STATE_INPUT_COUNT] = {
	[IPC_STATE_STARTING] = { IPC_STATE_ARMED, IPC_STATE_PAUSED,
	    IPC_STATE_STARTING, IPC_STATE_STOPPING },
	[IPC_STATE_ARMED] = { IPC_STATE_ARMED, IPC_STATE_PAUSED, FALLEN,
	    IPC_STATE_STOPPING },
	[IPC_STATE_OPEN] = { IPC_STATE_ARMED, IPC_STATE_PAUSED, FALLEN,
	    IPC_STATE_STOPPING },
	[IPC_STATE_CLOSED] = { IPC_STATE_ARMED, IPC_STATE_PAUSED, FALLEN,
	    IPC_STATE_STOPPING },
	[IPC_STATE_PAUSED] = { IPC_STATE_ARMED, IPC_STATE_PAUSED, FALLEN,
	    IPC_STATE_STOPPING },
	[IPC_STATE_STOPPING] = { IPC_STATE_STOPPING, IPC_STATE_STOPPING,
	    IPC_STATE_STOPPING, IPC_STATE_STOPPING },
};

static const enum ipc_state fallen[ON_FAILURE_COUNT] = {
	[ON_FAILURE_CLOSED] = IPC_STATE_CLOSED,
	[ON_FAILURE_OPEN] = IPC_STATE_OPEN,
};

static const enum ipc_lease leases[IPC_STATE_COUNT] = {
	[IPC_STATE_ARMED] = IPC_LEASE_CAPTURE,
	[IPC_STATE_PAUSED] = IPC_LEASE_PAUSE,
};

enum ipc_state
state_next(
    enum ipc_state state, enum state_input input, enum on_failure on_failure)
{
	enum ipc_state to = next[state][input];

	return to == FALLEN ? fallen[on_failure] : to;
}

enum ipc_lease
state_lease(enum ipc_state state)
{
	return leases[state];
}
