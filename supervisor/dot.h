/* SPDX-License-Identifier: ISC */
/*
 * tpx-dot as the supervisor sees it: one process that puts the resolver's
 * questions to servers by TLS, while the configuration says `dns forward tls';
 * and the two sockets of loopback where it is asked.  They outlive it, so that
 * nobody else gets their port and the resolver need not be told of a new one.
 */
#ifndef SUPERVISOR_DOT_H
#define SUPERVISOR_DOT_H

#include <stdint.h>

#include "supervisor/child.h"

struct image;
struct tpxd;

struct dot {
	struct child child;
	int udp, tcp;	     /* -1: none */
	uint16_t port;	     /* of both; 0 unless both are there */
	unsigned int events; /* since it last answered */
};

void dot_init(struct tpxd *);

/* From netctl; fd is taken over.  1: now both are there. */
int dot_listener(struct tpxd *, const struct msg_dot_listener *, int fd);

/* 1 when the configuration has no need of it, or it has its sockets. */
int dot_is_open(const struct tpxd *);

/* As dns_begin(): has sockets opened, and ends one that must begin anew. */
void dot_begin(struct tpxd *, const struct image *before);

/* Starts it, if that is wanted and it does not run. */
void dot_start(struct tpxd *);

/* The configuration is in force: without it, process and sockets end. */
void dot_settle(struct tpxd *);

#endif
