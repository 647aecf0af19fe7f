/* SPDX-License-Identifier: ISC */
/* The relay process: its channels, its configuration and its listeners. */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

/* Messages to and from the supervisor go over this descriptor. */
#define RELAY_CHANNEL_FD 3

struct relay;

/* Fatal when something is missing: the supervisor sees the exit. */
struct relay *relay_new(void);

/* Returns when the supervisor has gone or has asked for the end. */
void relay_loop(struct relay *);

/* Ends every flow, and waits a moment for their rows to be on disk. */
void relay_shutdown(struct relay *);

#endif
