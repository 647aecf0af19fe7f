/* SPDX-License-Identifier: ISC */
/* The resolver process: its channels; engine.h asks the servers. */
#ifndef DNSD_RESOLVER_RESOLVER_H
#define DNSD_RESOLVER_RESOLVER_H

#include <stdint.h>

/* Messages to and from the supervisor go over this descriptor. */
#define RESOLVER_CHANNEL_FD 3

struct resolver;

/* Fatal when something is missing: the supervisor sees the exit. */
struct resolver *resolver_new(void);

/* The ports of servers to which it may connect; ends with 0. */
const uint16_t *resolver_ports(const struct resolver *);

/* Returns when the supervisor has gone or has asked for the end. */
void resolver_loop(struct resolver *);

void resolver_shutdown(struct resolver *);

#endif
