/* SPDX-License-Identifier: ISC */
/*
 * Owns the buffers, which all sockets share: datagrams are sent on before the
 * next ones are received.  Reads addresses that the kernel gives, and no byte
 * of what clients and servers send.
 */
#include "relay/udp_packet.h"

#include <linux/in6.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <errno.h>
#include <string.h>

#define PACKET_BYTES 65536 /* the longest, also of several together */
#define LINE_BYTES 64	   /* apart by that, they do not share cache sets */
#define ALONE 16	   /* reads of one packet between those of many */

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(struct sockaddr_in6)) +
		   CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(int))];
};

/* Messages for one kind of socket; the kernel changes those that it fills. */
struct receiver {
	int ends;   /* they have room for addresses */
	int filled; /* by the call before, from the first on */
	struct mmsghdr messages[UDP_BATCH];
	struct iovec parts[UDP_BATCH];
	union control controls[UDP_BATCH];
	struct sockaddr_storage names[UDP_BATCH];
};

static struct receiver from_server = { .filled = UDP_BATCH };
static struct receiver from_clients = { .ends = 1, .filled = UDP_BATCH };

static char bytes[UDP_BATCH][PACKET_BYTES + LINE_BYTES];
static struct udp_packet received[UDP_BATCH];

static struct mmsghdr outgoing[UDP_BATCH];
static struct iovec outgoing_parts[UDP_BATCH];
static union control outgoing_controls[UDP_BATCH];

uint32_t
udp_packet_count(const struct udp_packet *packet)
{
	if (packet->segment == 0)
		return 1;
	return (
	    uint32_t)((packet->len + packet->segment - 1) / packet->segment);
}

void
udp_prepare_gathering(int fd)
{
	static const int on = 1;

	(void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
}

void
udp_prepare(int fd, int family)
{
	udp_prepare_gathering(fd);
	udp_prepare_apart(fd, family);
}

void
udp_prepare_apart(int fd, int family)
{
	static const int on = 1;
	int v6 = family == AF_INET6;

	(void)setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
	    v6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof(on));
}

void
udp_prepare_hops(int fd)
{
	static const int on = 1;

	/* One of them is of the other family. */
	(void)setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on));
}

void
udp_discard_errors(int fd)
{
	struct msghdr header = { 0 };

	while (recvmsg(fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) != -1)
		memset(&header, 0, sizeof(header));
}

static void
message_prepare(struct receiver *receiver, int i)
{
	struct msghdr *header = &receiver->messages[i].msg_hdr;

	receiver->parts[i].iov_base = bytes[i];
	receiver->parts[i].iov_len = PACKET_BYTES;
	memset(header, 0, sizeof(*header));
	header->msg_iov = &receiver->parts[i];
	header->msg_iovlen = 1;
	header->msg_control = receiver->controls[i].bytes;
	header->msg_controllen = sizeof(receiver->controls[i].bytes);
	if (receiver->ends) {
		header->msg_name = &receiver->names[i];
		header->msg_namelen = sizeof(receiver->names[i]);
	}
}

static int
is_destination(const struct cmsghdr *item)
{
	return (item->cmsg_level == IPPROTO_IP &&
		   item->cmsg_type == IP_ORIGDSTADDR) ||
	       (item->cmsg_level == IPPROTO_IPV6 &&
		   item->cmsg_type == IPV6_ORIGDSTADDR);
}

static int
is_hops(const struct cmsghdr *item)
{
	return (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_TTL) ||
	       (item->cmsg_level == IPPROTO_IPV6 &&
		   item->cmsg_type == IPV6_HOPLIMIT);
}

static void
control_read(struct msghdr *header, struct udp_packet *packet)
{
	struct sockaddr_storage name;
	struct cmsghdr *item;
	int segment, hops;

	for (item = CMSG_FIRSTHDR(header); item != NULL;
	     item = CMSG_NXTHDR(header, item)) {
		if (item->cmsg_level == IPPROTO_UDP &&
		    item->cmsg_type == UDP_GRO) {
			memcpy(&segment, CMSG_DATA(item), sizeof(segment));
			packet->segment = (uint16_t)segment;
		} else if (is_hops(item)) {
			memcpy(&hops, CMSG_DATA(item), sizeof(hops));
			packet->hops = (uint8_t)hops;
		} else if (is_destination(item)) {
			memcpy(&name, CMSG_DATA(item),
			    item->cmsg_len - CMSG_LEN(0));
			(void)addr_from_sockaddr((struct sockaddr *)&name,
			    &packet->dst, &packet->dport);
		}
	}
	if (packet->segment >= packet->len)
		packet->segment = 0;
}

static void
packet_read(struct receiver *receiver, int i)
{
	struct udp_packet *packet = &received[i];

	memset(packet, 0, sizeof(*packet));
	packet->bytes = bytes[i];
	packet->len = receiver->messages[i].msg_len;
	control_read(&receiver->messages[i].msg_hdr, packet);
	if (receiver->ends && packet->dport != 0)
		(void)addr_from_sockaddr((struct sockaddr *)&receiver->names[i],
		    &packet->src, &packet->sport);
}

static int
receive(int fd, struct receiver *receiver, struct udp_packet **packets,
    unsigned int most)
{
	int i, n;

	for (i = 0; i < receiver->filled; i++)
		message_prepare(receiver, i);
	n = recvmmsg(fd, receiver->messages, most, MSG_DONTWAIT, NULL);
	/* A call that fails may have begun with the first one. */
	receiver->filled = n > 1 ? n : 1;
	for (i = 0; i < n; i++)
		packet_read(receiver, i);
	*packets = received;
	return n;
}

int
udp_receive(int fd, struct udp_packet **packets, uint8_t *alone)
{
	int n;

	if (*alone > 0) {
		--*alone;
		return receive(fd, &from_server, packets, 1);
	}
	n = receive(fd, &from_server, packets, UDP_BATCH);
	*alone = n == 1 ? ALONE : 0;
	return n;
}

int
udp_receive_ends(int fd, struct udp_packet **packets)
{
	return receive(fd, &from_clients, packets, UDP_BATCH);
}

static void
segment_put(struct msghdr *header, union control *control, uint16_t segment)
{
	struct cmsghdr *item;

	header->msg_control = control->bytes;
	header->msg_controllen = CMSG_SPACE(sizeof(segment));
	item = CMSG_FIRSTHDR(header);
	item->cmsg_level = IPPROTO_UDP;
	item->cmsg_type = UDP_SEGMENT;
	item->cmsg_len = CMSG_LEN(sizeof(segment));
	memcpy(CMSG_DATA(item), &segment, sizeof(segment));
}

static void
message_fill(int i, const struct udp_packet *packet,
    struct sockaddr_storage *to, socklen_t len)
{
	struct msghdr *header = &outgoing[i].msg_hdr;

	outgoing_parts[i].iov_base = packet->bytes;
	outgoing_parts[i].iov_len = packet->len;
	memset(header, 0, sizeof(*header));
	header->msg_iov = &outgoing_parts[i];
	header->msg_iovlen = 1;
	header->msg_name = len > 0 ? to : NULL;
	header->msg_namelen = len;
	if (packet->segment != 0)
		segment_put(header, &outgoing_controls[i], packet->segment);
}

/* Alone it costs less than as one of many. */
static int
send_one(int fd, const struct udp_packet *packet,
    const struct sockaddr_storage *to, socklen_t len)
{
	ssize_t n =
	    sendto(fd, packet->bytes, packet->len, MSG_DONTWAIT | MSG_NOSIGNAL,
		len > 0 ? (const struct sockaddr *)to : NULL, len);

	return n == -1 ? 0 : 1;
}

/* The way to the receiver takes only smaller datagrams: in pieces, then. */
static int
send_apart(int fd, const struct udp_packet *packet,
    const struct sockaddr_storage *to, socklen_t len)
{
	size_t at, piece;

	for (at = 0; at < packet->len; at += piece) {
		piece = packet->len - at;
		if (piece > packet->segment)
			piece = packet->segment;
		if (sendto(fd, packet->bytes + at, piece,
			MSG_DONTWAIT | MSG_NOSIGNAL,
			len > 0 ? (const struct sockaddr *)to : NULL,
			len) == -1)
			return -1;
	}
	return 0;
}

int
udp_send(int fd, const struct udp_packet *packets, int n, const struct addr *to,
    uint16_t port)
{
	struct sockaddr_storage name;
	socklen_t len = port == 0 ? 0 : addr_to_sockaddr(to, port, &name);
	int i, sent, done = 0;

	if (n == 1 && packets->segment == 0)
		return send_one(fd, packets, &name, len);
	while (done < n) {
		for (i = done; i < n; i++)
			message_fill(i, &packets[i], &name, len);
		sent = sendmmsg(fd, outgoing + done, (unsigned int)(n - done),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0) {
			done += sent;
			continue;
		}
		if (packets[done].segment == 0 ||
		    (errno != EINVAL && errno != EMSGSIZE) ||
		    send_apart(fd, &packets[done], &name, len) == -1)
			return done;
		done++;
	}
	return done;
}

/* One packet, each datagram of it apart.  -1 with errno. */
static int
send_headed(
    int fd, const struct udp_packet *packet, const void *head, size_t head_len)
{
	struct iovec parts[] = {
		{ .iov_base = (void *)(uintptr_t)head, .iov_len = head_len },
		{ .iov_base = packet->bytes },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	size_t left = packet->len;

	do {
		parts[1].iov_len = left;
		if (packet->segment != 0 && left > packet->segment)
			parts[1].iov_len = packet->segment;
		if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
			return -1;
		left -= parts[1].iov_len;
		parts[1].iov_base =
		    (char *)parts[1].iov_base + parts[1].iov_len;
	} while (left > 0);
	return 0;
}

int
udp_send_headed(int fd, const struct udp_packet *packets, int n,
    const void *head, size_t head_len)
{
	int i;

	for (i = 0; i < n; i++)
		if (send_headed(fd, &packets[i], head, head_len) == -1)
			break;
	return i;
}
