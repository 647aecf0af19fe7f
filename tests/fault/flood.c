/* SPDX-License-Identifier: ISC */
/*
 * tests-flood syn|udp SOURCE TARGET PORT RATE SECONDS: packets of IPv4 from a
 * raw socket, so many a second, or as many as this host can.  syn: connections
 * begin at one port of the target, from changing addresses of the source's
 * 65536 neighbours; udp: from the source alone to changing ports and addresses
 * of the target's neighbours.  For namespaces of tests alone: it wants a root
 * that sees no other interface than theirs.  Prints how many were sent.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 64
#define WORD "scan"

struct packet {
	struct iphdr ip;
	union {
		struct tcphdr tcp;
		struct {
			struct udphdr head;
			char word[4];
		} udp;
	} to;
};

struct flood {
	int is_syn;
	uint32_t source, target; /* host order */
	uint16_t port;
	uint64_t sent;
};

static uint32_t
sum_words(uint32_t sum, const void *bytes, size_t len)
{
	uint16_t word;
	size_t i;

	for (i = 0; i + 1 < len; i += 2) {
		memcpy(&word, (const char *)bytes + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static uint16_t
sum_fold(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* RFC 9293, 3.1 */
static void
syn_make(struct flood *flood, struct packet *packet)
{
	struct tcphdr *tcp = &packet->to.tcp;
	uint32_t n = (uint32_t)flood->sent * 2654435761U;
	uint32_t sum;

	packet->ip.protocol = IPPROTO_TCP;
	packet->ip.saddr = htonl((flood->source & ~0xffffU) | (n >> 16));
	packet->ip.daddr = htonl(flood->target);
	tcp->source = htons((uint16_t)(1024 + n % 60000));
	tcp->dest = htons(flood->port);
	tcp->seq = htonl(n);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->syn = 1;
	tcp->window = htons(1024);
	sum = sum_words(0, &packet->ip.saddr, 8);
	sum += htons(IPPROTO_TCP) + htons(sizeof(*tcp));
	tcp->check = sum_fold(sum_words(sum, tcp, sizeof(*tcp)));
}

/* Without a checksum of its own, as RFC 768 allows. */
static void
udp_make(struct flood *flood, struct packet *packet)
{
	struct udphdr *udp = &packet->to.udp.head;
	uint32_t n = (uint32_t)flood->sent;

	packet->ip.protocol = IPPROTO_UDP;
	packet->ip.saddr = htonl(flood->source);
	packet->ip.daddr =
	    htonl((flood->target & ~0xffU) | (2 + n / 60000 % 250));
	udp->source = htons(flood->port);
	udp->dest = htons((uint16_t)(1024 + n % 60000));
	udp->len = htons(sizeof(packet->to.udp));
	memcpy(packet->to.udp.word, WORD, sizeof(packet->to.udp.word));
}

static void
batch_send(int fd, struct flood *flood)
{
	static struct packet packets[BATCH];
	static struct sockaddr_in names[BATCH];
	static struct iovec parts[BATCH];
	static struct mmsghdr messages[BATCH];
	int i, sent;

	memset(packets, 0, sizeof(packets));
	for (i = 0; i < BATCH; i++, flood->sent++) {
		packets[i].ip.version = 4;
		packets[i].ip.ihl = sizeof(struct iphdr) / 4;
		packets[i].ip.ttl = 64;
		if (flood->is_syn)
			syn_make(flood, &packets[i]);
		else
			udp_make(flood, &packets[i]);
		names[i].sin_family = AF_INET;
		names[i].sin_addr.s_addr = packets[i].ip.daddr;
		parts[i].iov_base = &packets[i];
		parts[i].iov_len = sizeof(struct iphdr) +
				   (flood->is_syn ? sizeof(struct tcphdr)
						  : sizeof(packets[i].to.udp));
		messages[i].msg_hdr.msg_name = &names[i];
		messages[i].msg_hdr.msg_namelen = sizeof(names[i]);
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (i = 0; i < BATCH; i += sent) {
		sent = sendmmsg(fd, messages + i, (unsigned int)(BATCH - i), 0);
		if (sent == -1 && errno != ENOBUFS && errno != EINTR)
			err(1, "sendmmsg");
		sent = sent == -1 ? 1 : sent;
	}
}

static double
now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int
main(int argc, char *argv[])
{
	static const struct timespec pause = { .tv_nsec = 200000 };
	struct flood flood = { 0 };
	double rate, begun = now_s(), until;
	int fd;

	if (argc != 7)
		errx(2, "syn|udp SOURCE TARGET PORT RATE SECONDS");
	flood.is_syn = strcmp(argv[1], "syn") == 0;
	flood.source = ntohl(inet_addr(argv[2]));
	flood.target = ntohl(inet_addr(argv[3]));
	flood.port = (uint16_t)atoi(argv[4]);
	rate = atof(argv[5]);
	until = begun + atof(argv[6]);
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (fd == -1)
		err(1, "socket");
	while (now_s() < until) {
		if ((double)flood.sent > (now_s() - begun) * rate)
			(void)nanosleep(&pause, NULL);
		else
			batch_send(fd, &flood);
	}
	(void)printf("%llu\n", (unsigned long long)flood.sent);
	return 0;
}
