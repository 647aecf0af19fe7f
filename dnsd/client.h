/* SPDX-License-Identifier: ISC */
/* Whom an answer goes to. */
#ifndef DNSD_CLIENT_H
#define DNSD_CLIENT_H

#include <stdint.h>

#include "common/addr.h"

struct tcp_connection;
struct udp;

struct client {
	struct addr addr, server; /* server: the original destination */
	uint16_t port;		  /* the client's */
	uint8_t transport;	  /* enum dns_transport */
	uint8_t capture;	  /* enum flow_capture */
	uint32_t scope;		  /* of a link-local address, or 0 */
	struct udp *udp;	  /* UDP: where it came in */
	struct tcp_connection *connection; /* TCP */
};

#endif
