/* SPDX-License-Identifier: ISC */
/*
 * The ip rules and routes of policy/routes.h, by rtnetlink(7).  Ours are known
 * by their protocol tags; no other is touched.
 */
#ifndef NETCTL_ROUTING_H
#define NETCTL_ROUTING_H

#include <libmnl/libmnl.h>

#include "policy/routes.h"

/* Fatal when rtnetlink cannot be reached. */
void routing_open(void);

/*
 * Calls found for every request that adds what belongs to a part, which it may
 * alter: routes first, then rules.  Stops and returns -1 when found does.
 * GUARD_ALL needs no image.
 */
typedef int routing_fn(void *ctx, struct nlmsghdr *request);
int routing_each(
    const struct image *, enum route_part, routing_fn *found, void *ctx);

/* Adds what is missing of a part.  -1 with errno, logged. */
int routing_apply(const struct image *, enum route_part);

/*
 * Sends a request and hands what the kernel answers to on_message.  -1 with
 * errno: what the kernel said, EINTR when a dump was changed meanwhile.
 */
int routing_talk(struct nlmsghdr *request, mnl_cb_t on_message, void *ctx);

/* Is that the protocol tag of what belongs to tpx? */
int routing_is_ours(uint8_t protocol);

/* The address of our socket, by which the kernel names who asked. */
unsigned int routing_portid(void);

/* Removes every rule and route of a part, known by its protocol tag. */
int routing_sweep(enum route_part);

#endif
