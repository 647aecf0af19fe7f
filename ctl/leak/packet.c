/* SPDX-License-Identifier: ISC */
/* Pure.  Reads the bytes of whoever sends; builds only its own. */
#include "ctl/leak/packet.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <errno.h>
#include <string.h>

#define HOPS 8	     /* through the gateway, and never far */
#define CUT_BYTES 40 /* of the transport, in the first of two fragments */
#define ESP_PROTO 50
#define HEADER4 20
#define HEADER6 40
#define EXTENSION_BYTES 8 /* of the IPv6 headers made here */
#define FRAGMENT_ID 0x7470
#define HEADERS_MOST 8

static void
put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned int
get16(const uint8_t *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

/* RFC 1071: the sum goes on from what was summed before. */
static uint32_t
sum(uint32_t sum, const uint8_t *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
	return sum;
}

static unsigned int
sum_end(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static uint32_t
sum_pseudo(const struct packet *packet, uint8_t proto, size_t len)
{
	size_t skip = packet->v6 ? 0 : 12;
	uint32_t value = proto + (uint32_t)len;

	value = sum(value, packet->src.byte + skip, 16 - skip);
	return sum(value, packet->dst.byte + skip, 16 - skip);
}

size_t
packet_fill(
    enum packet_data data, const uint8_t *token, uint8_t out[PACKET_BYTES])
{
	/* RFC 9000, 17.2.2: long header, Initial, version 1 */
	static const uint8_t initial[] = { 0xc3, 0, 0, 0, 1, 16 };
	size_t len =
	    data == PACKET_QUIC ? PACKET_QUIC_BYTES : PACKET_DATA_BYTES;
	size_t at = 0;

	if (data == PACKET_NO_DATA)
		return 0;
	if (data == PACKET_QUIC) {
		memcpy(out, initial, sizeof(initial));
		at = sizeof(initial);
	}
	for (; at < len; at++)
		out[at] =
		    token[(at - (data == PACKET_QUIC ? sizeof(initial) : 0)) %
			  PACKET_TOKEN_BYTES];
	return len;
}

/* Where a protocol has its checksum; those without have none here. */
static const struct transport {
	uint8_t proto;
	uint8_t header;
	uint8_t has_ports;
	uint8_t sum_at; /* 0: none */
	uint8_t has_pseudo;
} transports[] = {
	{ IPPROTO_TCP, 20, 1, 16, 1 },
	{ IPPROTO_UDP, 8, 1, 6, 1 },
	{ IPPROTO_UDPLITE, 8, 1, 6, 1 },
	{ IPPROTO_SCTP, 12, 1, 0, 0 },
	{ IPPROTO_ICMP, 8, 0, 2, 0 },
	{ IPPROTO_ICMPV6, 8, 0, 2, 1 },
	{ IPPROTO_GRE, 4, 0, 0, 0 },
	{ ESP_PROTO, 8, 0, 0, 0 },
};

static const struct transport *
transport_of(uint8_t proto)
{
	size_t i;

	for (i = 0; i < sizeof(transports) / sizeof(transports[0]); i++)
		if (transports[i].proto == proto)
			return &transports[i];
	return NULL;
}

static uint8_t
proto_of(const struct packet *packet)
{
	return packet->v6 && packet->proto == IPPROTO_ICMP ? IPPROTO_ICMPV6
							   : packet->proto;
}

static void
header_tcp(const struct packet *packet, uint8_t *out)
{
	memcpy(out + 4, packet->token, 4); /* the sequence number */
	out[12] = 5 << 4;
	out[13] = packet->tcp_flags;
	put16(out + 14, 65535);
}

static void
header_echo(const struct packet *packet, uint8_t *out)
{
	out[0] = packet->v6 ? 128 : 8;
	put16(out + 4, packet->sport);
}

/* Header and payload, summed; returns their length. */
static size_t
transport_build(const struct packet *packet, uint8_t *out)
{
	uint8_t data[PACKET_BYTES], proto = proto_of(packet);
	const struct transport *transport = transport_of(proto);
	size_t len = packet_fill(packet->data, packet->token, data);
	uint32_t value = 0;

	memset(out, 0, transport->header);
	memcpy(out + transport->header, data, len);
	len += transport->header;
	if (transport->has_ports) {
		put16(out, packet->sport);
		put16(out + 2, packet->dport);
	}
	if (proto == IPPROTO_TCP)
		header_tcp(packet, out);
	else if (transport->header == 8 && transport->has_ports)
		put16(out + 4, (unsigned int)len);
	else if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		header_echo(packet, out);
	else if (proto == IPPROTO_GRE)
		put16(out + 2, 0x0800);
	else
		/* an SPI, or behind ports a verification tag */
		memcpy(out + (transport->has_ports ? 4 : 0), packet->token, 4);
	if (transport->sum_at == 0)
		return len;
	if (transport->has_pseudo)
		value = sum_pseudo(packet, proto, len);
	put16(out + transport->sum_at, sum_end(sum(value, out, len)));
	return len;
}

static size_t
header4(const struct packet *packet, size_t len, size_t offset, int more,
    uint8_t *out)
{
	memset(out, 0, HEADER4);
	out[0] = 0x45;
	put16(out + 2, (unsigned int)(HEADER4 + len));
	put16(out + 4, packet->fragment != 0 ? FRAGMENT_ID ^ packet->sport : 0);
	put16(out + 6, (unsigned int)(offset / 8) | (more ? 0x2000U : 0));
	out[8] = HOPS;
	out[9] = proto_of(packet);
	memcpy(out + 12, packet->src.byte + 12, 4);
	memcpy(out + 16, packet->dst.byte + 12, 4);
	put16(out + 10, sum_end(sum(0, out, HEADER4)));
	return HEADER4;
}

/* RFC 8200, 4.6: one PadN, as nothing else is known to everybody. */
static size_t
options_build(uint8_t next, uint8_t *out)
{
	static const uint8_t padding[] = { 0, 0, 1, 4 };

	memset(out, 0, EXTENSION_BYTES);
	memcpy(out, padding, sizeof(padding));
	out[0] = next;
	return EXTENSION_BYTES;
}

static size_t
header6(const struct packet *packet, size_t len, size_t offset, int more,
    uint8_t *out)
{
	uint8_t *next = out + 6, *at = out + HEADER6;

	memset(out, 0, HEADER6 + 2 * EXTENSION_BYTES);
	out[0] = 0x60;
	out[7] = HOPS;
	memcpy(out + 8, packet->src.byte, 16);
	memcpy(out + 24, packet->dst.byte, 16);
	if (packet->options == PACKET_OUTSIDE) {
		*next = IPPROTO_DSTOPTS;
		next = at;
		at += options_build(0, at);
	}
	if (packet->fragment != 0) {
		*next = IPPROTO_FRAGMENT;
		next = at;
		put16(at + 2, (unsigned int)offset | (more ? 1U : 0));
		/* Those of all protocols are put together by one number. */
		put16(at + 4, packet->proto);
		put16(at + 6, FRAGMENT_ID ^ packet->sport);
		at += EXTENSION_BYTES;
	}
	*next = packet->options == PACKET_INSIDE ? IPPROTO_DSTOPTS
						 : proto_of(packet);
	put16(out + 4, (unsigned int)((size_t)(at - out) - HEADER6 + len));
	return (size_t)(at - out);
}

size_t
packet_build(const struct packet *packet, uint8_t out[PACKET_BYTES])
{
	uint8_t transport[PACKET_BYTES + EXTENSION_BYTES];
	size_t len = 0, offset = 0, header;
	int more = packet->fragment == PACKET_FIRST;

	if (packet->options == PACKET_INSIDE)
		len = options_build(proto_of(packet), transport);
	len += transport_build(packet, transport + len);
	if (more)
		len = CUT_BYTES;
	if (packet->fragment == PACKET_LATER)
		offset = CUT_BYTES;
	len -= offset;
	header =
	    (packet->v6 ? header6 : header4)(packet, len, offset, more, out);
	memcpy(out + header, transport + offset, len);
	return header + len;
}

static void
read_ports(const uint8_t *bytes, size_t len, struct packet_seen *seen)
{
	const struct transport *transport = transport_of(seen->proto);

	seen->has_ports = transport != NULL && transport->has_ports && len >= 4;
	if (!seen->has_ports)
		return;
	seen->sport = (uint16_t)get16(bytes);
	seen->dport = (uint16_t)get16(bytes + 2);
	if (seen->proto == IPPROTO_TCP && len > 13)
		seen->tcp_flags = bytes[13];
}

static int
read4(const uint8_t *bytes, size_t len, struct packet_seen *seen)
{
	size_t header;

	if (len < HEADER4)
		return -1;
	header = (size_t)(bytes[0] & 15) * 4;
	addr_from_v4(bytes + 12, &seen->src);
	addr_from_v4(bytes + 16, &seen->dst);
	seen->proto = bytes[9];
	if (header <= len && (get16(bytes + 6) & 0x1fff) == 0)
		read_ports(bytes + header, len - header, seen);
	return 0;
}

static int
is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING ||
	       proto == IPPROTO_FRAGMENT || proto == IPPROTO_DSTOPTS;
}

static int
read6(const uint8_t *bytes, size_t len, struct packet_seen *seen)
{
	size_t at = HEADER6, step;
	int i, later = 0;

	if (len < HEADER6)
		return -1;
	memcpy(seen->src.byte, bytes + 8, 16);
	memcpy(seen->dst.byte, bytes + 24, 16);
	seen->proto = bytes[6];
	for (i = 0; i < HEADERS_MOST && is_extension(seen->proto) && !later &&
		    at + EXTENSION_BYTES <= len;
	     i++) {
		step = EXTENSION_BYTES;
		if (seen->proto == IPPROTO_FRAGMENT)
			later = (get16(bytes + at + 2) & 0xfff8) != 0;
		else
			step += (size_t)bytes[at + 1] * 8;
		seen->proto = bytes[at];
		at += step;
	}
	if (!later && at <= len)
		read_ports(bytes + at, len - at, seen);
	return 0;
}

int
packet_read(const uint8_t *bytes, size_t len, struct packet_seen *seen)
{
	int result = -1;

	memset(seen, 0, sizeof(*seen));
	if (len > 0 && bytes[0] >> 4 == 4)
		result = read4(bytes, len, seen);
	else if (len > 0 && bytes[0] >> 4 == 6)
		result = read6(bytes, len, seen);
	if (result == -1)
		errno = EINVAL;
	return result;
}
