/* SPDX-License-Identifier: ISC */
/*
 * The server_name in a client's Initial packets of QUIC version 1 (RFC 9000,
 * RFC 9001) and 2 (RFC 9369).  Their keys follow from what is written in them,
 * so this unseals no secret.
 */
#ifndef RELAY_SNIFF_QUIC_H
#define RELAY_SNIFF_QUIC_H

#include "relay/sniff.h"

#define SNIFF_QUIC_DATAGRAMS 16 /* that are looked at */
#define SNIFF_QUIC_ID_MOST 20	/* bytes of a connection id */

/* What a client calls a connection until its server has answered. */
struct quic_id {
	uint8_t len; /* 0: none */
	uint8_t byte[SNIFF_QUIC_ID_MOST];
};

struct quic_keys {
	uint8_t key[16];
	uint8_t iv[12];
	uint8_t header[16];
};

/*
 * One flow, for as long as its name is looked for.  Large, but only what a
 * hello fills is ever touched: hello stands last and is not cleared.
 */
struct sniff_quic {
	uint32_t datagrams;
	uint32_t version;  /* 0: no packet yet */
	size_t contiguous; /* bytes of hello from its beginning */
	struct quic_keys keys;
	struct quic_id id;		    /* that the keys are made of */
	uint8_t have[SNIFF_MOST_BYTES / 8]; /* a bit for each byte of hello */
	uint8_t hello[SNIFF_MOST_BYTES];
};

/*
 * Whether a client's first datagram may begin a connection: cheap, for those of
 * all flows.
 */
int sniff_quic_begins(const uint8_t *datagram, size_t len);

/*
 * Whether a datagram begins a connection, and not the known one again: what a
 * client sends while it waits for its server looks the same but for its seal.
 * read: what has been read of the known one, which contradicts it in no byte,
 * and learns what it adds; NULL when that is lost, and any piece of a hello is
 * of another one.  Costs keys for each packet, so sniff_quic_begins() is to be
 * asked first.
 */
int sniff_quic_begins_another(const uint8_t *datagram, size_t len,
    const struct quic_id *known, struct sniff_quic *read);

void sniff_quic_init(struct sniff_quic *);

/*
 * The client's next datagram.  FOUND and NONE are final.  A datagram that is
 * no part of the hello (lost order, a retry, noise) does no harm but that only
 * SNIFF_QUIC_DATAGRAMS are looked at; the first one has to be an Initial.
 */
enum sniff_status sniff_quic(struct sniff_quic *, const uint8_t *datagram,
    size_t len, struct sniff_name *name);

#endif
