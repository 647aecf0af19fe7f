/* SPDX-License-Identifier: ISC */
/* The process of DNS over TLS: its channel; stub.h is asked, forward.h asks. */
#ifndef DNSD_DOT_DOT_H
#define DNSD_DOT_DOT_H

#include <stdint.h>

/* Messages to and from the supervisor go over this descriptor. */
#define DOT_CHANNEL_FD 3

struct dot;

/*
 * Fatal when something is missing: the supervisor sees the exit.  Reads the
 * system's certificate authorities, unless the configuration has its own.
 */
struct dot *dot_new(void);

/* The ports of servers to which it may connect; ends with 0. */
const uint16_t *dot_ports(const struct dot *);

/* Returns when the supervisor has gone or has asked for the end. */
void dot_loop(struct dot *);

void dot_shutdown(struct dot *);

#endif
