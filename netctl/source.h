/* SPDX-License-Identifier: ISC */
/*
 * Netlink sockets on which the kernel tells of flows that it decided itself:
 * conntrack events of passed ones, NFLOG packets of blocked ones; and whose
 * sockets of this host began one.  Joining needs CAP_NET_ADMIN, reading does
 * not, so the flow log reads them.
 */
#ifndef NETCTL_SOURCE_H
#define NETCTL_SOURCE_H

#include "schema/msg.h"

/* A descriptor, or -1 with errno. */
int source_open(enum ipc_source);

#endif
