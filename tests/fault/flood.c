/* SPDX-License-Identifier: ISC */
/*
 * tests-flood KIND SOURCE TARGET PORT RATE SECONDS: so many a second of IPv4,
 * or as many as this host can.  Of packets from a raw socket, syn: connections
 * begin at one port of the target, from changing addresses of the source's
 * 65536 neighbours; scan: they begin at its changing ports, from one port of
 * the source; udp: the same to ports and addresses of the target's neighbours.
 * connect: whole connections of this host to changing ports of the target, each
 * ended when hundreds of others have begun.  For namespaces of tests alone: it
 * wants a root that sees no other interface than theirs.  Prints how many
 * connections were answered and how many of everything were sent.
 */
#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define OPEN 512 /* connections at a time; of those ports all are others */
#define PORTS 60000
#define FIRST_PORT 1024
#define ANSWERED_NS 300000000 /* the time that the last ones have */
#define WORD "scan"

struct packet {
	struct iphdr ip;
	union {
		struct tcphdr tcp;
		struct {
			struct udphdr head;
			char word[sizeof(WORD) - 1];
		} udp;
	} to;
};

#define UDP_LEN (sizeof(struct udphdr) + sizeof(WORD) - 1)

struct flood {
	const struct kind *kind;
	int fd;			 /* raw */
	uint32_t source, target; /* host order */
	uint16_t port;
	uint64_t sent, answered;
};

struct kind {
	const char *word;
	void (*batch)(struct flood *);
	void (*make)(struct flood *, struct packet *); /* of raw ones */
	size_t len;
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
tcp_make(struct flood *flood, struct packet *packet, uint32_t source,
    uint16_t sport, uint16_t dport)
{
	struct tcphdr *tcp = &packet->to.tcp;
	uint32_t sum;

	packet->ip.protocol = IPPROTO_TCP;
	packet->ip.saddr = htonl(source);
	packet->ip.daddr = htonl(flood->target);
	tcp->source = htons(sport);
	tcp->dest = htons(dport);
	tcp->seq = htonl((uint32_t)flood->sent);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->syn = 1;
	tcp->window = htons(1024);
	sum = sum_words(0, &packet->ip.saddr, 8);
	sum += htons(IPPROTO_TCP) + htons(sizeof(*tcp));
	tcp->check = sum_fold(sum_words(sum, tcp, sizeof(*tcp)));
}

static void
syn_make(struct flood *flood, struct packet *packet)
{
	uint32_t n = (uint32_t)flood->sent * 2654435761U;

	tcp_make(flood, packet, (flood->source & ~0xffffU) | (n >> 16),
	    (uint16_t)(FIRST_PORT + n % PORTS), flood->port);
}

static void
scan_make(struct flood *flood, struct packet *packet)
{
	tcp_make(flood, packet, flood->source, flood->port,
	    (uint16_t)(FIRST_PORT + flood->sent % PORTS));
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
	    htonl((flood->target & ~0xffU) | (2 + n / PORTS % 250));
	udp->source = htons(flood->port);
	udp->dest = htons((uint16_t)(FIRST_PORT + n % PORTS));
	udp->len = htons(UDP_LEN);
	memcpy(packet->to.udp.word, WORD, sizeof(packet->to.udp.word));
}

static void
raw_batch(struct flood *flood)
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
		flood->kind->make(flood, &packets[i]);
		names[i].sin_family = AF_INET;
		names[i].sin_addr.s_addr = packets[i].ip.daddr;
		parts[i].iov_base = &packets[i];
		parts[i].iov_len = sizeof(struct iphdr) + flood->kind->len;
		messages[i].msg_hdr.msg_name = &names[i];
		messages[i].msg_hdr.msg_namelen = sizeof(names[i]);
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (i = 0; i < BATCH; i += sent) {
		sent = sendmmsg(
		    flood->fd, messages + i, (unsigned int)(BATCH - i), 0);
		if (sent == -1 && errno != ENOBUFS && errno != EINTR)
			err(1, "sendmmsg");
		sent = sent == -1 ? 1 : sent;
	}
}

static int
connection_begin(const struct flood *flood)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(flood->target),
		.sin_port =
		    htons((uint16_t)(FIRST_PORT + flood->sent % PORTS)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd == -1)
		err(1, "socket");
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) == -1 &&
	    errno != EINPROGRESS)
		err(1, "connect");
	return fd;
}

/*
 * shutdown(2) ends the attempt, or the connection, that it finds; whether its
 * own SYN was acknowledged is looked at when no answer can come any more.
 */
static void
connection_end(struct flood *flood, int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	(void)shutdown(fd, SHUT_RDWR);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
		err(1, "getsockopt");
	if (info.tcpi_bytes_acked > 0)
		flood->answered++;
	(void)close(fd);
}

static int connections[OPEN];

static void
connect_batch(struct flood *flood)
{
	int i, *connection;

	for (i = 0; i < BATCH; i++, flood->sent++) {
		connection = &connections[flood->sent % OPEN];
		if (flood->sent >= OPEN)
			connection_end(flood, *connection);
		*connection = connection_begin(flood);
	}
}

static void
connections_end(struct flood *flood)
{
	static const struct timespec pause = { .tv_nsec = ANSWERED_NS };
	uint64_t i, n = flood->sent < OPEN ? flood->sent : OPEN;

	(void)nanosleep(&pause, NULL);
	for (i = 0; i < n; i++)
		connection_end(flood, connections[i]);
}

static double
now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
run(struct flood *flood, double rate, double seconds)
{
	static const struct timespec pause = { .tv_nsec = 200000 };
	double begun = now_s();

	while (now_s() < begun + seconds) {
		if ((double)flood->sent > (now_s() - begun) * rate)
			(void)nanosleep(&pause, NULL);
		else
			flood->kind->batch(flood);
	}
	if (flood->kind->batch == connect_batch)
		connections_end(flood);
}

static const struct kind kinds[] = {
	{ "syn", raw_batch, syn_make, sizeof(struct tcphdr) },
	{ "scan", raw_batch, scan_make, sizeof(struct tcphdr) },
	{ "udp", raw_batch, udp_make, UDP_LEN },
	{ "connect", connect_batch, NULL, 0 },
};

static const struct kind *
kind_of(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].word, word) == 0)
			return &kinds[i];
	errx(2, "'%s' is no kind of flood", word);
}

int
main(int argc, char *argv[])
{
	struct flood flood = { 0 };

	if (argc != 7)
		errx(2, "KIND SOURCE TARGET PORT RATE SECONDS");
	flood.kind = kind_of(argv[1]);
	flood.source = ntohl(inet_addr(argv[2]));
	flood.target = ntohl(inet_addr(argv[3]));
	flood.port = (uint16_t)atoi(argv[4]);
	flood.fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	if (flood.fd == -1)
		err(1, "socket");
	run(&flood, atof(argv[5]), atof(argv[6]));
	(void)printf("%llu %llu\n", (unsigned long long)flood.answered,
	    (unsigned long long)flood.sent);
	return 0;
}
