/* SPDX-License-Identifier: ISC */
/* The dnsd process: its channels and its configuration; front.h does DNS. */
#ifndef DNSD_DNSD_H
#define DNSD_DNSD_H

/* Messages to and from the supervisor go over this descriptor. */
#define DNSD_CHANNEL_FD 3

struct dnsd;

/* Fatal when something is missing: the supervisor sees the exit. */
struct dnsd *dnsd_new(void);

/* Returns when the supervisor has gone or has asked for the end. */
void dnsd_loop(struct dnsd *);

void dnsd_shutdown(struct dnsd *);

#endif
