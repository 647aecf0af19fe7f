/* SPDX-License-Identifier: ISC */
/*
 * Datagrams, many at a time (recvmmsg(2), sendmmsg(2)).  Several of one size
 * that came in a row may be one packet here, and are sent as such (udp(7),
 * UDP_GRO and UDP_SEGMENT).
 */
#ifndef RELAY_UDP_PACKET_H
#define RELAY_UDP_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define UDP_BATCH 32

/* Bytes are those of one receiver for all, until the next one receives. */
struct udp_packet {
	char *bytes;
	size_t len;
	uint16_t segment; /* bytes of each datagram but the last; 0: only one */
	/* Of a socket that is not connected; ports in host order: */
	struct addr src, dst; /* dst: the original destination */
	uint16_t sport, dport;
	uint8_t hops; /* its time to live or hop limit; 0: not asked for */
};

/* How many datagrams it is. */
uint32_t udp_packet_count(const struct udp_packet *);

/*
 * Asks the kernel to gather what comes to a socket in a row from one sender for
 * one destination.  It need not, and before Linux 5.0 it cannot.
 */
void udp_prepare_gathering(int fd);

/*
 * For a connected socket of a family: the same, and to tell of every ICMP
 * error, as errors of udp_receive() and udp_send() (ip(7), IP_RECVERR).  It
 * need not do either.
 */
void udp_prepare(int fd, int family);

/* The same without gathering: each datagram has a header of its own. */
void udp_prepare_apart(int fd, int family);

/* Has a socket tell the hops of what comes to it. */
void udp_prepare_hops(int fd);

/* Reads off what the kernel says besides about errors. */
void udp_discard_errors(int fd);

/*
 * What has come to a connected socket, up to UDP_BATCH packets: their number,
 * or -1 with errno, EAGAIN when there is nothing.  Where they come one by one,
 * only the first is asked for, but for one call of several: finding that there
 * is no other costs as much as half a packet.  alone remembers that for the
 * socket; it begins with 0.
 */
int udp_receive(int fd, struct udp_packet **packets, uint8_t *alone);

/*
 * The same for a socket with IP_RECVORIGDSTADDR, whose packets have both ends.
 * Where the kernel does not say them, len is 0 and sport is 0.
 */
int udp_receive_ends(int fd, struct udp_packet **packets);

/*
 * Sends packets, n of them, to a connected socket's peer (port 0) or to an
 * address.  How many went; fewer with errno of the first that did not.
 */
int udp_send(int fd, const struct udp_packet *packets, int n,
    const struct addr *to, uint16_t port);

/* The same to a connected socket's peer, with a head before each datagram. */
int udp_send_headed(int fd, const struct udp_packet *packets, int n,
    const void *head, size_t head_len);

#endif
