/* SPDX-License-Identifier: ISC */
/*
 * The ip rules and routes of policy/routes.h, by rtnetlink(7).  Ours are known
 * by their protocol tags; no other is touched.
 */
#ifndef NETCTL_ROUTING_H
#define NETCTL_ROUTING_H

#include "policy/routes.h"

/* Fatal when rtnetlink cannot be reached. */
void routing_open(void);

/*
 * Adds what is missing of a part; how much that was, or -1 with errno, logged.
 */
int routing_apply(const struct image *, enum route_part);

/* Puts the routes of a part in the place of whatever is there.  -1 as above. */
int routing_replace(enum route_part);

/* The address of our socket, by which the kernel names who asked. */
unsigned int routing_portid(void);

/* Removes every rule and route of a part, known by its protocol tag. */
int routing_sweep(enum route_part);

#endif
