/* SPDX-License-Identifier: ISC */
/*
 * Giving up what a process was started with (capabilities(7)).  Everything
 * here is fatal when it fails and is read back and checked when it does not.
 */
#ifndef COMMON_PRIVILEGE_H
#define COMMON_PRIVILEGE_H

/* The account that every process of tpx runs as when it was started as root. */
#define PRIVILEGE_USER "tpx"

/* 1 when the process may use CAP_NET_ADMIN. */
int privilege_has_net_admin(void);

/*
 * If the process is root: becomes user and group `tpx' for good, keeping its
 * permitted capabilities for privilege_limit() to cut.  Otherwise nothing.
 */
void privilege_drop_user(void);

/*
 * Leaves exactly the capabilities of the text (cap_from_text(3)) permitted and
 * effective, none inheritable or ambient, and none in the bounding set, which
 * needs CAP_SETPCAP: without it that stays as it is.  Those that are in the
 * text but not permitted are not gained; the caller asks
 * privilege_has_net_admin() first.
 */
void privilege_limit(const char *caps);

#endif
