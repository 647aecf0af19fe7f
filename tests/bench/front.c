/* SPDX-License-Identifier: ISC */
/*
 * The front end of DNS alone, on one address and port, with a resolver that
 * knows every name: names that begin with "no" do not exist, all others have an
 * address (A, AAAA) or a text.  Rows go over a socket in batches, as they would
 * to the flow log, to a process that forgets them.
 *	tests-dns-front ADDRESS PORT [CACHE-MEGABYTES]
 * SIGTERM or SIGINT ends it with what it has counted.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/addr.h"
#include "dnsd/front.h"
#include "dnsd/wire.h"
#include "ipc/loop.h"

#define TTL_S 3600
#define QUEUE 65536
#define MEGABYTE (1UL << 20)

struct asked {
	uint64_t id;
	struct question question;
};

static struct asked asked[QUEUE];
static unsigned int asked_from, asked_to;
static struct event *answering;
static struct front *front;

static uint8_t batch[LIMIT_DNS_ROWS_BYTES];
static size_t batch_used;
static int log_fd;
static uint64_t rows, rows_lost;

static void
batch_send(void)
{
	if (batch_used > 0 &&
	    send(log_fd, batch, batch_used, MSG_DONTWAIT) == -1)
		rows_lost++;
	batch_used = 0;
}

static void
on_log(void *ctx, const struct dns_record *record)
{
	size_t bytes = dns_record_bytes(record);

	(void)ctx;
	if (batch_used + bytes > sizeof(batch))
		batch_send();
	memcpy(batch + batch_used, record, bytes);
	batch_used += bytes;
	rows++;
}

static int
on_resolve(void *ctx, uint64_t id, const struct question *question,
    const struct share_tags *for_whom)
{
	(void)ctx;
	(void)for_whom;
	if (asked_to - asked_from == QUEUE)
		return -1;
	asked[asked_to % QUEUE].id = id;
	asked[asked_to++ % QUEUE].question = *question;
	event_active(answering, EV_TIMEOUT, 1);
	return 0;
}

static size_t
record_put(uint8_t *to, const char *owner, size_t owner_bytes, uint16_t type,
    const void *data, size_t bytes)
{
	memcpy(to, owner, owner_bytes);
	to += owner_bytes;
	wire_put16(to, type);
	wire_put16(to + 2, WIRE_CLASS_IN);
	wire_put32(to + 4, TTL_S);
	wire_put16(to + 8, (unsigned int)bytes);
	memcpy(to + WIRE_RECORD_BYTES, data, bytes);
	return owner_bytes + WIRE_RECORD_BYTES + bytes;
}

static void
resolve(const struct asked *one)
{
	static const uint8_t soa[] = { 0, 0, 0, 0, 0, 1, 0, 0, 14, 16, 0, 0, 14,
		16, 0, 0, 14, 16, 0, 0, 14, 16 };
	static const uint8_t data[16] = { 32, 1, 13, 184, [15] = 1 };
	const struct question *question = &one->question;
	int none = memcmp(question->name + 1, "no", 2) == 0;
	uint8_t message[1024] = { 0 };
	struct resolution resolution = {
		.id = one->id,
		.rcode = none ? WIRE_NXDOMAIN : WIRE_NOERROR,
		.ede = DNS_EDE_NONE,
		.security = DNS_SECURITY_INSECURE,
		.packet = message,
	};
	size_t at = WIRE_HEADER_BYTES;

	wire_put16(message + 4, 1);
	memcpy(message + at, question->name, question->name_bytes);
	at += question->name_bytes;
	wire_put16(message + at, question->qtype);
	wire_put16(message + at + 2, WIRE_CLASS_IN);
	at += WIRE_QUESTION_BYTES;
	wire_put16(message + (none ? 8 : 6), 1);
	if (none)
		at +=
		    record_put(message + at, "", 1, WIRE_SOA, soa, sizeof(soa));
	else
		at += record_put(message + at, "\300\14", 2, question->qtype,
		    data, question->qtype == WIRE_A ? 4 : 16);
	resolution.len_bytes = at;
	front_resolved(front, &resolution);
}

static void
on_answering(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	while (asked_from != asked_to)
		resolve(&asked[asked_from++ % QUEUE]);
	batch_send();
}

static const struct front_ops ops = { .resolve = on_resolve, .log = on_log };

static void
on_signal(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(arg);
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
listen_on(const struct sockaddr_storage *at, socklen_t len, int type)
{
	struct front_listener listener = { .family = at->ss_family,
		.transport = type == SOCK_DGRAM ? DNS_TRANSPORT_UDP
						: DNS_TRANSPORT_TCP };
	int on = 1, v6 = at->ss_family == AF_INET6;
	int buffer = 4 * (int)MEGABYTE;

	listener.fd = socket(at->ss_family, type | SOCK_NONBLOCK, 0);
	if (listener.fd == -1)
		die("socket");
	(void)setsockopt(
	    listener.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	(void)setsockopt(
	    listener.fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (type == SOCK_DGRAM &&
	    setsockopt(listener.fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		v6 ? IPV6_RECVORIGDSTADDR : IP_RECVORIGDSTADDR, &on,
		sizeof(on)) == -1)
		die("setsockopt");
	if (bind(listener.fd, (const struct sockaddr *)at, len) == -1)
		die("bind");
	if (type == SOCK_STREAM && listen(listener.fd, 1024) == -1)
		die("listen");
	if (front_add_listener(front, &listener) == -1)
		die("listener");
}

/* Where rows go, and who forgets them. */
static pid_t
log_start(void)
{
	static uint8_t row[LIMIT_DNS_ROWS_BYTES];
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == -1)
		die("socketpair");
	if ((pid = fork()) == -1)
		die("fork");
	if (pid > 0) {
		close(ends[1]);
		log_fd = ends[0];
		return pid;
	}
	close(ends[0]);
	while (recv(ends[1], row, sizeof(row), 0) > 0)
		;
	_exit(0);
}

static void
report(void)
{
	struct front_stats stats;
	struct rusage used;
	double cpu_s;

	front_stats(front, &stats);
	(void)getrusage(RUSAGE_SELF, &used);
	cpu_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	printf("%" PRIu64 " questions, %" PRIu64 " hits, %" PRIu64 " rows, "
	       "%.2f s of CPU (%.2f user): %.0f questions per CPU-second\n",
	    stats.questions, stats.cache_hits, rows, cpu_s,
	    (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6,
	    (double)stats.questions / cpu_s);
	printf("dropped %" PRIu64 " unsent %" PRIu64 " bad %" PRIu64
	       " batches lost %" PRIu64 "\n",
	    stats.dropped, stats.unsent, stats.bad, rows_lost);
}

int
main(int argc, char **argv)
{
	struct event_base *base = ipc_loop_new(0);
	struct front_settings settings = { .generation = 1 };
	struct sockaddr_storage at;
	struct prefix prefix;
	socklen_t len;
	pid_t pid;

	if (argc < 3 || prefix_parse(argv[1], &prefix) == -1) {
		fprintf(stderr, "usage: %s address port [cache-megabytes]\n",
		    argv[0]);
		return 2;
	}
	settings.port = (uint16_t)atoi(argv[2]);
	settings.cache_bytes =
	    (argc > 3 ? (size_t)atoi(argv[3]) : 32) * MEGABYTE;
	pid = log_start();
	answering = event_new(base, -1, 0, on_answering, NULL);
	front = front_new(base, &ops, NULL, &settings);
	if (front == NULL)
		die("front");
	len = addr_to_sockaddr(&prefix.addr, settings.port, &at);
	listen_on(&at, len, SOCK_DGRAM);
	listen_on(&at, len, SOCK_STREAM);
	front_resolver_ready(front);
	event_add(evsignal_new(base, SIGTERM, on_signal, base), NULL);
	event_add(evsignal_new(base, SIGINT, on_signal, base), NULL);
	event_base_dispatch(base);
	batch_send();
	report();
	close(log_fd);
	(void)waitpid(pid, NULL, 0);
	return 0;
}
