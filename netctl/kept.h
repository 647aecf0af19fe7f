/* SPDX-License-Identifier: ISC */
/*
 * Flows of this host that were there before its sockets were captured, and
 * shall not be cut: an operator's session above all.
 */
#ifndef NETCTL_KEPT_H
#define NETCTL_KEPT_H

#include "policy/image.h"

/*
 * Gives the conntrack entry of every TCP connection of this host, half-closed
 * ones as well, but those of tpx and over the loopback interface, the mark
 * MARK_KEPT; makes the entry where there is none.  An entry that has a mark of
 * tpx keeps it.  Returns how many were marked, or -1 with errno.
 */
int kept_remember(const struct image *, uint32_t tpx_uid);

#endif
