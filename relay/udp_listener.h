/* SPDX-License-Identifier: ISC */
/*
 * A socket of netctl's (IP_TRANSPARENT, IP_RECVORIGDSTADDR, SO_REUSEPORT) where
 * datagrams of captured clients come in.
 */
#ifndef RELAY_UDP_LISTENER_H
#define RELAY_UDP_LISTENER_H

#include <stdint.h>

#include "schema/flow.h"

struct event_base;
struct udp_flows;
struct udp_listener;

/* Takes fd, bound to port, over; reads nothing yet.  NULL with ENOMEM. */
struct udp_listener *
udp_listener_new(struct event_base *, int fd, uint16_t port, enum flow_capture);

/* What comes from now on is for these flows.  -1 with ENOMEM. */
int udp_listener_start(struct udp_listener *, struct udp_flows *);

void udp_listener_free(struct udp_listener *);

#endif
