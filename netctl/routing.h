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

/* Adds what is missing of a part.  -1 with errno, logged. */
int routing_apply(const struct image *, enum route_part);

/* Removes every rule and route of a part, known by its protocol tag. */
int routing_sweep(enum route_part);

#endif
