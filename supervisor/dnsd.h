/* SPDX-License-Identifier: ISC */
/* One dnsd, with its listening sockets, which outlive its process. */
#ifndef SUPERVISOR_DNSD_H
#define SUPERVISOR_DNSD_H

#include <stdint.h>

#include "supervisor/child.h"
#include "supervisor/names.h"

struct tpxd;

struct dnsd {
	struct child child; /* first: a child is turned back into its dnsd */
	int listeners[IPC_LISTENER_COUNT]; /* -1: none */
	struct msg_dns_stats stats;	   /* of the process that runs */
	struct msg_dns_stats before;	   /* of those before it, added up */
	struct names names;
	int journal; /* of the process that runs; -1: none */
};

/* Fatal without random bytes. */
void dnsd_init(struct dnsd *, struct tpxd *, uint32_t index);

/* From netctl; fd is taken over. */
void dnsd_listener(struct dnsd *, enum ipc_listener kind, int fd);
void dnsd_listeners_close(struct dnsd *);

/* It has ended: what it has not told the flow log is handed over. */
void dnsd_gone(struct dnsd *);

/* Adds what one dnsd counts to a sum, which begins as zeros. */
void
dnsd_stats_add(struct msg_dns_stats *sum, const struct msg_dns_stats *stats);

#endif
