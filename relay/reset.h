/* SPDX-License-Identifier: ISC */
/* Closing a connection so that its peer sees that it was not meant to end. */
#ifndef RELAY_RESET_H
#define RELAY_RESET_H

/*
 * Sends RST instead of FIN.  By connect(2) to AF_UNSPEC and not by SO_LINGER,
 * which a relay may not set: with it, whoever closes a socket last can be made
 * to wait in close(2), and that is whom the socket was passed to.
 */
void reset_and_close(int fd);

#endif
