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

/* That a name is looked for in: of a ClientHello, or of a request's head. */
#define SNIFF_MOST_BYTES 16384
/* As it is sent, each byte of a ClientHello may have a record of its own. */
#define SNIFF_MOST_SENT (6 * SNIFF_MOST_BYTES)
#define SNIFF_LIMIT_US 200000 /* that a name is waited for, in all */

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
 * ClientHello beyond SNIFF_MOST_BYTES, or one that has no room.  another:
 * behind what has been read another connection of the flow began; only
 * udp_sniff_read() says so.
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
 * How far a stream was read, so that bytes that come one by one are not read
 * from the first one each time.  Zeroed at first.
 */
struct sniff_course {
	uint32_t at;	  /* that many bytes need not be looked at again */
	uint32_t message; /* of a hello, in the records among them */
};

/*
 * bytes: everything from the beginning, with what came before.  name is always
 * written.  MORE is said only below SNIFF_MOST_SENT bytes.
 */
typedef enum sniff_status sniff_fn(struct sniff_course *, const uint8_t *bytes,
    size_t len, struct sniff_name *name);

/*
 * For the first bytes of a TCP stream, one of which tells who can read it, if
 * anybody.
 */
enum sniff_status sniff_stream(struct sniff_course *, const uint8_t *bytes,
    size_t len, struct sniff_name *name);

/*
 * Reads the first bytes of a TCP stream where they lie in a socket, of which
 * SNIFF_MOST_BYTES are seen.  len: how many.  MORE when there is none yet, NONE
 * at their end; -1 with errno when the socket has failed, and has then told it
 * for the last time.
 */
int sniff_socket(
    struct sniff_course *, int fd, struct sniff_name *name, size_t *len);

/*
 * Writes text as a host's name: in lower case, without a final dot.  FOUND, or
 * NONE when it is none.
 */
enum sniff_status sniff_take_host(struct sniff_name *, const uint8_t *text,
    size_t len, enum flow_host_source source);

#endif
