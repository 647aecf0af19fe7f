/* SPDX-License-Identifier: ISC */
/*
 * Relayed flows of UDP: what a client sends to a server from one port goes out
 * by a socket that is connected to that server, and the server's answers come
 * from where the client sent to.  A flow ends when it has been silent for long,
 * when the server is unreachable, or to make room for another client's.
 */
#ifndef RELAY_UDP_FLOW_H
#define RELAY_UDP_FLOW_H

#include <stdint.h>

#include "relay/record.h"

struct broker;
struct event_base;
struct journal;
struct judge;
struct udp_flows;
struct udp_packet;

/* descriptors: that they may hold altogether.  NULL with errno. */
struct udp_flows *udp_flows_new(struct event_base *, struct journal *,
    struct broker *, uint32_t descriptors, const struct judge *);

/* A client has sent something. */
void udp_flows_packets(
    struct udp_flows *, enum flow_capture, const struct udp_packet *, int n);

/* Something came that is nobody's: it is counted. */
void udp_flows_refused(struct udp_flows *, uint32_t datagrams);

/* errno of a shortage that flows have met since the last call, or 0. */
int udp_flows_lacked(struct udp_flows *);

/* Ends flows, with FLOW_CLOSE_KILLED in their records; how many. */
uint32_t udp_flows_kill(struct udp_flows *, const struct flow_choice *);

/* Ends every flow, with FLOW_CLOSE_SHUTDOWN in its record. */
void udp_flows_shutdown(struct udp_flows *);

#endif
