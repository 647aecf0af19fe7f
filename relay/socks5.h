/* SPDX-License-Identifier: ISC */
/*
 * SOCKS5 (RFC 1928) with user and password (RFC 1929), the client's side.
 * Functions that write return the bytes written; those that read take what has
 * arrived so far and never more than belongs to the answer.
 */
#ifndef RELAY_SOCKS5_H
#define RELAY_SOCKS5_H

#include <stddef.h>
#include <stdint.h>

#include "relay/answer.h"

#define SOCKS5_METHODS_BYTES 4
#define SOCKS5_LOGIN_BYTES 513
#define SOCKS5_REQUEST_BYTES 262 /* of a header of a datagram, too */

enum socks5_method { SOCKS5_NO_LOGIN = 0, SOCKS5_LOGIN = 2 };
enum socks5_command { SOCKS5_CONNECT = 1, SOCKS5_UDP_ASSOCIATE = 3 };

/* Offers a login as well when it can. */
size_t socks5_write_methods(int can_login, uint8_t buf[SOCKS5_METHODS_BYTES]);

/* Only a method that was offered is good. */
enum answer_status socks5_read_method(const uint8_t *, size_t len,
    int can_login, enum socks5_method *, struct answer *);

size_t
socks5_write_login(const struct credential *, uint8_t buf[SOCKS5_LOGIN_BYTES]);
enum answer_status
socks5_read_login(const uint8_t *, size_t len, struct answer *);

size_t socks5_write_request(enum socks5_command, const struct target *,
    uint8_t buf[SOCKS5_REQUEST_BYTES]);

/*
 * bound: the address and port that the server tells, which for UDP ASSOCIATE
 * is where datagrams go; all zeros where it tells a name.
 */
enum answer_status socks5_read_reply(const uint8_t *, size_t len,
    struct addr *bound, uint16_t *port, struct answer *);

/* What stands before the payload of a datagram. */
size_t
socks5_write_datagram(const struct target *, uint8_t buf[SOCKS5_REQUEST_BYTES]);

/*
 * The length of what stands before the payload of a whole datagram, and where
 * that came from.  -1 with EBADMSG when it is none, or with ENOTSUP when it is
 * a fragment or comes from a name.
 */
int socks5_read_datagram(
    const uint8_t *, size_t len, struct addr *from, uint16_t *port);

#endif
