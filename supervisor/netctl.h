/* SPDX-License-Identifier: ISC */
/* The supervisor's side of netctl. */
#ifndef SUPERVISOR_NETCTL_H
#define SUPERVISOR_NETCTL_H

#include <stdint.h>

struct tpxd;
struct relay;

/*
 * Forks and executes netctl, while the caller still has what netctl needs.
 * Fatal when it cannot.  Returns our end of its channel.
 */
int netctl_spawn(struct tpxd *);

/* Opens that channel; netctl's hello, sent meanwhile, waits in it. */
void netctl_open(struct tpxd *, int fd);

/*
 * Renews the lease, if every relay has answered the last question.  A pause
 * needs none of them.
 */
void netctl_beat(struct tpxd *);

/* No longer armed when netctl does not say that it renews the lease. */
void netctl_judge(struct tpxd *, int64_t now_us);

/* Gives a relay a way to ask the present netctl for sockets, if both run. */
void netctl_connect(struct tpxd *, struct relay *);

/* 1 while its keeper is there, or a worker that has lost its keeper. */
int netctl_left(const struct tpxd *);

/* It was to leave, and has not in time: kills keeper and worker. */
void netctl_late(struct tpxd *);

#endif
