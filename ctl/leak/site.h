/* SPDX-License-Identifier: ISC */
/*
 * The place of the test: a gateway whose interfaces are called as the captured
 * ones, a client behind each of them, and a server that has every address a
 * sentinel is sent to.
 *
 *   client eth0 --- CAPTURED gateway uplink --- eth0 server
 *   198.18.N.2  198.18.N.1   198.19.0.1      198.19.0.2
 *   fd74:7078:1:N::2  ::1    fd74:7078:2::1  ::2
 *
 * What the gateway's own sockets send with a source that is not this host's
 * says that it is from 198.19.77.77 or fd74:7078:3::77.
 */
#ifndef CTL_LEAK_SITE_H
#define CTL_LEAK_SITE_H

#include <net/if.h>
#include <stdint.h>

#include "ctl/leak/account.h"
#include "ctl/leak/net.h"
#include "ctl/leak/target.h"

/* Ports of sentinels; the gateway's own connections use those below. */
#define SITE_PORT_FIRST 16384
#define SITE_PORTS (65536 - SITE_PORT_FIRST)

/* A raw socket is bound to its origin's device, or to none. */
enum site_bond { SITE_BOUND, SITE_UNBOUND, SITE_BONDS };

/* Whose sockets they are, and those for whole packets, IPv4 and IPv6. */
struct site_user {
	struct account account;
	int raw[SITE_BONDS][2];
};

/* Where sentinels come from: a client, or the gateway itself. */
struct site_origin {
	const char *interface; /* of the gateway, that a client is behind */
	const char *device;    /* its way out */
	int is_own;	       /* it is the gateway */
	struct site_user users[ACCOUNT_MOST]; /* a client has one, root */
	size_t nusers;
	struct net net;
	struct addr near[2]; /* the gateway's on the link to it, */
	struct addr far[2];  /* and its own, IPv4 and IPv6 */
	struct target_candidates candidates;
	uint32_t first; /* its sentinels among all, */
	uint32_t count; /* and how many */
	/* How many of them share ports: of IPv6, forged, of TCP. */
	uint32_t lanes[2][2][2];
};

struct site {
	struct net gateway;
	struct net server;
	struct addr
	    uplink[2]; /* the gateway's addresses that the server sees */
	char uplink_name[IFNAMSIZ];
	struct site_origin origins[LIMIT_INTERFACES + 1];
	size_t norigins;
	/* packet(7), from the IP header: what reaches the server, which is the
	 * last, and each client */
	int captures[LIMIT_INTERFACES + 1];
	size_t ncaptures;
};

/* 0, or -1 with an explanation logged. */
int site_build(struct site *, const struct image *);

/* What no host of the site has, though the answers to it end there. */
const struct addr *site_forged(int v6);

/* Who sends from an address, or NULL; forged ones are the gateway's own. */
const struct site_origin *
site_origin_of(const struct site *, const struct addr *);

/* 1 when it is one of the gateway's. */
int site_is_gateway(const struct site *, const struct addr *);

/* The server answers on an address; more than once is fine. */
int site_serve(const struct site *, const struct addr *);

#endif
