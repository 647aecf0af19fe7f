/* SPDX-License-Identifier: ISC */
/* One request to the kernel and its answers, netlink(7). */
#ifndef NETCTL_TALK_H
#define NETCTL_TALK_H

#include <libmnl/libmnl.h>

#define TALK_BUFFER_BYTES 32768 /* MNL_SOCKET_BUFFER_SIZE is no constant */

/* A socket of a family (NETLINK_ROUTE and the like), or NULL with errno. */
struct mnl_socket *talk_open(int bus);

/*
 * Sends a request, whose sequence number is given here, and calls on_message
 * (or NULL) for what comes back, to the acknowledgement or the end of a dump.
 * -1 with the errno that the kernel answers, or with EINTR for a dump of what
 * changed meanwhile (NLM_F_DUMP_INTR), of which only a part was told.
 */
int talk(struct mnl_socket *, struct nlmsghdr *request, mnl_cb_t on_message,
    void *ctx);

/* Whether the last answer to a request is in what was read. */
int talk_has_end(const void *bytes, size_t len);

#endif
