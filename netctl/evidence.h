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

/* The mark mask of the configuration in force; without one there is no UDP. */
void evidence_set_mask(struct evidence *, uint32_t mask);

/*
 * A connection from the client is open here, belongs to a process of this one's
 * user and came by a transparent listener: one that a relay began is not
 * transparent, or has IP_FREEBIND.  DENY also when the kernel does not answer
 * (sock_diag(7)).
 */
enum verdict evidence_tcp(struct evidence *, const struct evidence_flow *);

/*
 * Conntrack's entry has the mark that rules give to what they have a relay
 * take, in either direction: both ends may have sent first.
 */
enum verdict evidence_udp(struct evidence *, const struct evidence_flow *);

#endif
