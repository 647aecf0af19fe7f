/* SPDX-License-Identifier: ISC */
/*
 * The host's name in the first bytes that a client sends.  Pure functions of
 * those bytes: nothing is allocated, kept or logged, and whatever is wrong in
 * them means that there is no name.
 */
#ifndef RELAY_SNIFF_H
#define RELAY_SNIFF_H

#include <stddef.h>
#include <stdint.h>

#include "schema/flow.h"

#define SNIFF_MOST_BYTES 16384 /* that a name is looked for in */
#define SNIFF_LIMIT_US 200000  /* that a name is waited for, in all */

enum sniff_status {
	SNIFF_MORE, /* all is well so far: come again with more bytes */
	SNIFF_NONE, /* there is no name, and more bytes will not change that */
	SNIFF_FOUND,
};

/*
 * host is a name as name_is_host() has them.  ech: the client sent an
 * encrypted_client_hello, so the name is only that of a front; it may be set
 * without a name.  unread: there is no name because what should have it could
 * not be read to its end; only QUIC says so.  too_long: that is because it is a
 * ClientHello beyond SNIFF_MOST_BYTES.  another: behind what has been read
 * another connection of the flow began; only udp_sniff_read() says so.
 */
struct sniff_name {
	char host[FLOW_HOST_BYTES];
	enum flow_host_source source;
	int ech;
	int unread;
	int too_long;
	int another;
};

/*
 * bytes: everything from the beginning, with what came before; beyond
 * SNIFF_MOST_BYTES nothing is read.  name is always written.
 */
typedef enum sniff_status
sniff_fn(const uint8_t *bytes, size_t len, struct sniff_name *name);

/*
 * For the first bytes of a TCP stream, one of which tells who can read it, if
 * anybody.
 */
enum sniff_status
sniff_stream(const uint8_t *bytes, size_t len, struct sniff_name *name);

/*
 * Reads the first bytes of a TCP stream where they lie in a socket.  len: how
 * many there are.  MORE when there is none yet, NONE at their end; -1 with
 * errno when the socket has failed, and has then told it for the last time.
 */
int sniff_socket(int fd, struct sniff_name *name, size_t *len);

/* What to say when the bytes end too early. */
enum sniff_status sniff_short(size_t len);

/*
 * Writes text as a host's name: in lower case, without a final dot.  FOUND, or
 * NONE when it is none.
 */
enum sniff_status sniff_take_host(struct sniff_name *, const uint8_t *text,
    size_t len, enum flow_host_source source);

#endif
