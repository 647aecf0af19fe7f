/* SPDX-License-Identifier: ISC */
/*
 * A listening socket that netctl made (IP_TRANSPARENT, SO_REUSEPORT) and the
 * accepting of clients from it.  The original destination of a client is the
 * local address of its socket.
 */
#ifndef RELAY_LISTENER_H
#define RELAY_LISTENER_H

#include <sys/socket.h>

#include <stdint.h>

struct event_base;
struct listener;

/*
 * client is a non-blocking socket, the callee's from now on; or -1, with errno
 * of a shortage: then the callee pauses the listener.
 */
typedef void listener_fn(void *ctx, int client, const struct sockaddr *);

/*
 * Takes fd over; accepts nothing until listener_resume().  NULL with ENOMEM,
 * fd still the caller's.
 */
struct listener *
listener_new(struct event_base *, int fd, listener_fn *, void *ctx);

void listener_resume(struct listener *);

/* New clients wait in the backlog. */
void listener_pause(struct listener *);

/* Accepts some of who wait now, unless it is paused. */
void listener_serve(struct listener *);

/* Connections in the backlog. */
uint32_t listener_waiting(const struct listener *);

/* Whether somebody on this host connected to a listener itself. */
int listener_is_own(const struct sockaddr_storage *to, uint16_t port);

/* Whether those that are accepted from now on keep their first packet. */
void listener_keep_first(struct listener *, int keep);

/*
 * The time to live or hop limit of the packet that a client began with, and
 * its socket kept until now; 0 when it has none.
 */
uint8_t listener_first_hops(int client);

void listener_free(struct listener *);

#endif
