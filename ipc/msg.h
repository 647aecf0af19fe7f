/* SPDX-License-Identifier: ISC */
/*
 * What schema/msg.def permits, as data, and the one function that decides
 * whether a received message may reach a handler.  Pure: nothing here touches
 * a socket.
 */
#ifndef IPC_MSG_H
#define IPC_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "schema/msg.h"

enum verdict { DENY, ALLOW };

enum ipc_phase { IPC_PHASE_SETUP = 1, IPC_PHASE_RUN = 2, IPC_PHASE_ANY = 3 };

enum ipc_field_kind { IPC_FIELD_NUMBER, IPC_FIELD_STRING, IPC_FIELD_LIST };

struct ipc_field {
	const char *name;
	enum ipc_field_kind kind;
	uint16_t offset;
	uint16_t size; /* of the field, for a list of one element */
	int is_signed;
	int64_t min;  /* unsigned fields compare as uint64_t */
	uint64_t max; /* for a list: the most elements */
};

struct ipc_type {
	const char *name;
	unsigned int from; /* set of 1 << enum ipc_role */
	unsigned int to;
	unsigned int fds;   /* exactly that many */
	unsigned int phase; /* set of enum ipc_phase */
	uint16_t size;	    /* of the whole body struct */
	const struct ipc_field *fields;
	size_t nfields;
};

/* NULL for a number that is no message. */
const struct ipc_type *ipc_type(uint32_t type);

const char *ipc_role_word(enum ipc_role);
const char *ipc_state_word(unsigned int state);

/* A row of IPC_LISTENERS. */
struct ipc_listener_kind {
	enum flow_capture capture;
	int family; /* AF_INET or AF_INET6 */
	int proto;  /* IPPROTO_ */
};

/* number is an enum ipc_listener. */
const struct ipc_listener_kind *ipc_listener_kind(unsigned int number);

/* Which of the ports it has, in the order of msg_net_ready. */
unsigned int ipc_listener_port(unsigned int number);

/* The state of one end of a channel. */
struct ipc_gate {
	enum ipc_role self;
	enum ipc_role peer;
	enum ipc_phase phase;
};

/*
 * Decides about one datagram of len bytes that was sent with nfds descriptors
 * (truncated: the kernel cut some of it off).  On DENY, *why is the rule it
 * broke, in a few words, for the event and the log.
 */
enum verdict ipc_accept(const struct ipc_gate *, const void *datagram,
    size_t len, unsigned int nfds, int truncated, const char **why);

#endif
