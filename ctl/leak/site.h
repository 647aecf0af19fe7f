/* SPDX-License-Identifier: ISC */
/*
 * The place of the test: a gateway whose interfaces are called as the captured
 * ones, a client behind each of them, and a server that has every address a
 * sentinel is sent to.
 *
 *   client eth0 --- CAPTURED gateway uplink --- eth0 server
 *   198.18.N.2  198.18.N.1   198.19.0.1      198.19.0.2
 *   fd74:7078:1:N::2  ::1    fd74:7078:2::1  ::2
 */
#ifndef CTL_LEAK_SITE_H
#define CTL_LEAK_SITE_H

#include <net/if.h>
#include <stdint.h>

#include "ctl/leak/net.h"
#include "ctl/leak/target.h"

/* Ports of sentinels; the gateway's own connections use those below. */
#define SITE_PORT_FIRST 16384
#define SITE_PORTS (65536 - SITE_PORT_FIRST)

/* Who sends sentinels: a client, or a user of the gateway itself. */
struct site_origin {
	const char *interface; /* of the gateway, that a client is behind */
	const char *device;    /* its way out */
	int is_own;	       /* it is the gateway */
	uint32_t uid;	       /* whose its sockets are */
	struct net net;
	struct target_candidates candidates;
	int raw[2];	/* sockets for whole packets, IPv4 and IPv6 */
	uint32_t first; /* its sentinels among all, */
	uint32_t count; /* and how many */
};

struct site {
	struct net gateway;
	struct net server;
	struct addr
	    uplink[2]; /* the gateway's addresses that the server sees */
	char uplink_name[IFNAMSIZ];
	struct site_origin origins[LIMIT_INTERFACES + 1];
	size_t norigins;
	int capture; /* packet(7): what reaches the server, from the IP header
		      */
};

/* 0, or -1 with an explanation logged. */
int site_build(struct site *, const struct image *);

/* The server answers on an address; more than once is fine. */
int site_serve(const struct site *, const struct addr *);

#endif
