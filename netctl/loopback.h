/* SPDX-License-Identifier: ISC */
/*
 * The loopback interface, by which packets reach the relays' listeners.  It is
 * not ours: what is wrong with it can only be told.
 */
#ifndef NETCTL_LOOPBACK_H
#define NETCTL_LOOPBACK_H

#define LOOPBACK_INDEX 1 /* in every network namespace */

enum loopback_property {
	LOOPBACK_UP = 1,
	LOOPBACK_V4 = 2, /* has 127.0.0.1 */
	LOOPBACK_V6 = 4, /* has ::1 */
};

#define LOOPBACK_ALL (LOOPBACK_UP | LOOPBACK_V4 | LOOPBACK_V6)

/*
 * Asks the kernel for the set of properties it has at this moment.  While it
 * is down its addresses come and go and are not looked at: all are there.
 * -1 with errno, and properties as they were.
 */
int loopback_look(unsigned int *properties);

#endif
