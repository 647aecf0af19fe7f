/* SPDX-License-Identifier: ISC */
/*
 * IP packets as bytes: made for sentinels, and read again where they arrive.
 * Formats: RFC 791 and 8200 (IP), 9293 (TCP), 768 (UDP), 792 and 4443 (ICMP).
 */
#ifndef CTL_LEAK_PACKET_H
#define CTL_LEAK_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define PACKET_BYTES 1500
#define PACKET_TOKEN_BYTES 16
#define PACKET_DATA_BYTES 64 /* the token again and again */
#define PACKET_QUIC_BYTES 1200

/* What a packet carries behind its transport header. */
enum packet_data { PACKET_TOKENS, PACKET_NO_DATA, PACKET_QUIC };

/* Which parts of a datagram that is cut in two are made; 0: it is whole. */
#define PACKET_FIRST 0x01U
#define PACKET_LATER 0x02U

/* Where IPv6 destination options are, seen from the fragment header. */
enum packet_options { PACKET_NO_OPTIONS, PACKET_OUTSIDE, PACKET_INSIDE };

struct packet {
	int v6; /* the addresses may be v4-mapped for all that */
	struct addr src;
	struct addr dst;
	uint8_t proto;	/* IPPROTO_; IPPROTO_ICMP is made IPPROTO_ICMPV6 */
	uint16_t sport; /* host order, where the protocol has ports */
	uint16_t dport;
	enum packet_data data;
	uint8_t tcp_flags; /* TH_SYN and the like */
	uint8_t fragment;  /* PACKET_FIRST or PACKET_LATER; 0: none */
	enum packet_options options;
	const uint8_t *token;
};

/* Bytes of the packet, network header first; they fit. */
size_t packet_build(const struct packet *, uint8_t out[PACKET_BYTES]);

/* The payload of a datagram or stream; returns its length. */
size_t
packet_fill(enum packet_data, const uint8_t *token, uint8_t out[PACKET_BYTES]);

/* What can be read of one; has_ports is 0 for a later fragment as well. */
struct packet_seen {
	struct addr src;
	struct addr dst;
	uint8_t proto; /* behind all IPv6 headers that can be read */
	int has_ports;
	uint16_t sport;
	uint16_t dport;
	uint8_t tcp_flags; /* 0 where they cannot be read */
};

/* -1 with EINVAL for what is no IP packet; accepts any bytes. */
int packet_read(const uint8_t *bytes, size_t len, struct packet_seen *);

#endif
