/* SPDX-License-Identifier: ISC */
/* Does the kernel know a flow of a client at this moment? */
#ifndef NETCTL_EVIDENCE_H
#define NETCTL_EVIDENCE_H

#include <stdint.h>

#include "common/addr.h"
#include "ipc/msg.h"

struct evidence;

/* server is the original destination; ports in host order; one family. */
struct evidence_flow {
	struct addr client, server;
	uint16_t client_port, server_port;
};

/* NULL with errno.  It lives as long as its process. */
struct evidence *evidence_new(void);

/*
 * A connection from the client is open here and belongs to a process of this
 * one's user (sock_diag(7)).  DENY also when the kernel does not answer.
 */
enum verdict evidence_tcp(struct evidence *, const struct evidence_flow *);

/* Conntrack has an entry that the client began. */
enum verdict evidence_udp(struct evidence *, const struct evidence_flow *);

#endif
