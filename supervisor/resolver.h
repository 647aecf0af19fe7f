/* SPDX-License-Identifier: ISC */
/* The one resolver, which every dnsd asks. */
#ifndef SUPERVISOR_RESOLVER_H
#define SUPERVISOR_RESOLVER_H

struct child;
struct tpxd;

void resolver_init(struct child *resolver, struct tpxd *);

#endif
