/* SPDX-License-Identifier: ISC */
/*
 * The ip rules and routes of policy/routes.h, by rtnetlink(7).  Ours are known
 * by their protocol tag; no other is touched.
 */
#ifndef NETCTL_ROUTING_H
#define NETCTL_ROUTING_H

#include <stdint.h>

/* Fatal when rtnetlink cannot be reached. */
void routing_open(void);

/* Adds what is missing.  -1 with errno, logged. */
int routing_apply(uint32_t mark_mask);

/* Removes every rule and route that carries our tag.  -1 with errno, logged. */
int routing_sweep(void);

#endif
