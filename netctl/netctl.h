/* SPDX-License-Identifier: ISC */
/* The netctl worker: the only process of tpx that changes the kernel's rules.
 */
#ifndef NETCTL_NETCTL_H
#define NETCTL_NETCTL_H

/* Messages to and from the supervisor go over this descriptor. */
#define NETCTL_CHANNEL_FD 3

struct netctl;

/* restarts: the workers before this one.  Fatal when something is missing. */
struct netctl *netctl_new(unsigned int restarts);

/* Returns when the supervisor has gone or has asked for the end. */
void netctl_loop(struct netctl *);

/* Takes the rules away, as on-failure says. */
void netctl_shutdown(struct netctl *);

#endif
