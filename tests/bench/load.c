/* SPDX-License-Identifier: ISC */
/*
 * Load for tests/bench/relay, both ends of it: a server that answers on every
 * local address, and a client that asks as fast as it can (a closed loop: each
 * connection has one request under way).
 *
 * A request is REQUEST_LEN bytes.  Its first byte tells the server what to do:
 * answer and close, answer and wait for the next one, or send zeros for ever.
 * One thread each; start several servers on one port for more (SO_REUSEPORT).
 *
 * The client writes one line of JSON: total is the work since its start,
 * count the work within the measured window of that many seconds (bytes, or
 * answers), errors the connections that broke, p50_us and p999_us the time
 * from a request (for connect: from the first SYN) to the end of its answer.
 */

#include <sys/epoll.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	REQUEST_LEN = 100,
	REPLY_LEN = 200,
	DATAGRAM_LEN = 64,
	BULK_LEN = 256 * 1024,
	BATCH = 256,  /* events taken at once */
	OPENING = 64, /* idle: connections set up at a time */
	READY_S = 30, /* idle: and the time all of them may take */
	SAMPLES = 4 * 1000 * 1000,
	DATAGRAMS = 32, /* that the server takes at once */
	LOST_MS = 200,	/* datagram: then it is sent again */
};

enum ask {
	ASK_ONCE = 'o',
	ASK_AGAIN = 'a',
	ASK_STREAM = 's',
	ASK_DATAGRAM = 'd'
};

#define NS_PER_S 1000000000ULL
#define NS_PER_MS 1000000ULL

struct conn {
	int fd;
	int asked;	   /* client: the first request is out */
	size_t got_bytes;  /* of the present request or reply */
	uint64_t since_ns; /* client: when that request began */
};

struct mode {
	const char *name;
	enum ask ask;
	int (*on_readable)(struct conn *); /* -1: the connection broke */
};

struct options {
	const struct mode *mode;
	unsigned int conns;
	unsigned int addresses; /* asked in turn, from the given one upwards */
	double window_s;
	double warmup_s;
};

static int epfd;
static char buf[BULK_LEN];
static uint64_t now_ns;

static struct options opt = {
	.conns = 1, .addresses = 1, .window_s = 1, .warmup_s = 0.2
};
static struct sockaddr_storage target;
static socklen_t target_len;
static uint64_t window_ns; /* when the measured window begins */
static uint64_t total, count, errors;
static uint32_t *samples;
static size_t nsamples;

static uint64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void
watch(struct conn *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (epoll_ctl(epfd, op, c->fd, &ev) == -1)
		err(1, "epoll_ctl");
}

/* A message this short always fits, unless the connection is broken. */
static int
send_short(struct conn *c, const char *msg, size_t len)
{
	c->got_bytes = 0;
	return send(c->fd, msg, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

/* ---- server ---- */

static struct conn datagrams_conn; /* its socket is everybody's */

static void
server_drop(struct conn *c)
{
	close(c->fd);
	free(c);
}

static void
server_accept(int listener)
{
	struct conn *c;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) != -1) {
		if ((c = calloc(1, sizeof(*c))) == NULL)
			err(1, NULL);
		c->fd = fd;
		watch(c, EPOLL_CTL_ADD, EPOLLIN);
	}
	if (errno != EAGAIN && errno != ECONNABORTED)
		warn("accept");
}

static int
server_stream(struct conn *c)
{
	if (send(c->fd, buf, BULK_LEN, MSG_NOSIGNAL) != -1 || errno == EAGAIN)
		return 0;
	return -1;
}

static int
server_read(struct conn *c)
{
	static const char reply[REPLY_LEN];
	char request[REQUEST_LEN];
	ssize_t n;

	n = recv(c->fd, request, sizeof(request) - c->got_bytes, 0);
	if (n <= 0)
		return n == -1 && errno == EAGAIN ? 0 : -1;
	c->got_bytes += n;
	if (c->got_bytes < REQUEST_LEN)
		return 0;
	/* all bytes of a request are alike, so the last read one will do */
	if (request[0] == ASK_STREAM) {
		watch(c, EPOLL_CTL_MOD, EPOLLOUT);
		return 0;
	}
	if (send_short(c, reply, sizeof(reply)) == -1)
		return -1;
	return request[0] == ASK_ONCE ? -1 : 0;
}

/* Sends every datagram back, from the address that it was sent to. */
static void
server_echo(int fd)
{
	static struct {
		struct sockaddr_in6 peer;
		char bytes[DATAGRAM_LEN];
		_Alignas(
		    8) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} datagrams[DATAGRAMS];
	static struct iovec parts[DATAGRAMS];
	static struct mmsghdr messages[DATAGRAMS];
	int i, n;

	for (i = 0; i < DATAGRAMS; i++) {
		parts[i].iov_base = datagrams[i].bytes;
		parts[i].iov_len = DATAGRAM_LEN;
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &datagrams[i].peer,
			.msg_namelen = sizeof(datagrams[i].peer),
			.msg_iov = &parts[i],
			.msg_iovlen = 1,
			.msg_control = datagrams[i].control,
			.msg_controllen = sizeof(datagrams[i].control),
		};
	}
	if ((n = recvmmsg(fd, messages, DATAGRAMS, 0, NULL)) > 0)
		sendmmsg(fd, messages, n, 0);
}

static void
server_event(int listener, struct epoll_event *ev)
{
	struct conn *c = ev->data.ptr;
	int rv;

	if (c == &datagrams_conn) {
		server_echo(c->fd);
		return;
	}

	if (c == NULL) {
		server_accept(listener);
		return;
	}
	rv = ev->events & EPOLLOUT ? server_stream(c) : server_read(c);
	if (rv == -1 || ev->events & (EPOLLERR | EPOLLHUP))
		server_drop(c);
}

static int
server_bind(int type, in_port_t port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(port) };
	int fd, on = 1, off = 0;

	if ((fd = socket(AF_INET6, type | SOCK_NONBLOCK, 0)) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)))
		err(1, "port %u", port);
	return fd;
}

static int
server_listen(in_port_t port)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = server_bind(SOCK_STREAM, port);

	datagrams_conn.fd = server_bind(SOCK_DGRAM, port);
	watch(&datagrams_conn, EPOLL_CTL_ADD, EPOLLIN);
	if (listen(fd, SOMAXCONN) || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
		err(1, "port %u", port);
	return fd;
}

static void
server_run(in_port_t port)
{
	struct epoll_event evs[BATCH];
	int i, listener, n;

	listener = server_listen(port);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		n = epoll_wait(epfd, evs, BATCH, -1);
		for (i = 0; i < n; i++)
			server_event(listener, &evs[i]);
	}
}

/* ---- client ---- */

static void
client_count(uint64_t work)
{
	total += work;
	if (now_ns >= window_ns)
		count += work;
}

static void
client_sample(const struct conn *c)
{
	if (now_ns >= window_ns && nsamples < SAMPLES)
		samples[nsamples++] = clock_ns() - c->since_ns;
}

static uint8_t *
low_bytes(struct sockaddr_storage *ss)
{
	if (ss->ss_family == AF_INET)
		return (uint8_t *)&((struct sockaddr_in *)ss)->sin_addr + 2;
	return (uint8_t *)&((struct sockaddr_in6 *)ss)->sin6_addr + 14;
}

/* The next of the addresses: each has the client's ports to itself. */
static void
client_target(struct sockaddr_storage *ss)
{
	static unsigned int turn;
	uint8_t *low;
	unsigned int host;

	*ss = target;
	low = low_bytes(ss);
	host = low[0] * 256 + low[1] + turn++ % opt.addresses;
	low[0] = host / 256;
	low[1] = host % 256;
}

static void
client_open(struct conn *c)
{
	struct sockaddr_storage ss;

	client_target(&ss);
	c->asked = 0;
	c->got_bytes = 0;
	c->since_ns = clock_ns();
	c->fd = socket(ss.ss_family,
	    (opt.mode->ask == ASK_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM) |
		SOCK_NONBLOCK,
	    0);
	if (c->fd == -1)
		err(1, "socket");
	if (connect(c->fd, (struct sockaddr *)&ss, target_len) == -1 &&
	    errno != EINPROGRESS)
		err(1, "connect");
	watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT | EPOLLET);
}

static int
client_ask(struct conn *c)
{
	char request[REQUEST_LEN];

	memset(request, opt.mode->ask, sizeof(request));
	return send_short(c, request,
	    opt.mode->ask == ASK_DATAGRAM ? DATAGRAM_LEN : sizeof(request));
}

static void
client_reopen(struct conn *c)
{
	close(c->fd);
	client_open(c);
}

static int
stream_readable(struct conn *c)
{
	/* MSG_TRUNC: the kernel drops the bytes, nothing is copied */
	ssize_t n = recv(c->fd, NULL, 16 * BULK_LEN, MSG_TRUNC);

	if (n <= 0)
		return n == -1 && errno == EAGAIN ? 0 : -1;
	client_count(n);
	return 0;
}

static int
connect_readable(struct conn *c)
{
	ssize_t n;

	while ((n = recv(c->fd, buf, sizeof(buf), 0)) > 0)
		c->got_bytes += n;
	if (n == -1 && errno == EAGAIN)
		return 0;
	if (n == -1 || c->got_bytes != REPLY_LEN)
		return -1;
	client_sample(c);
	client_count(1);
	client_reopen(c);
	return 0;
}

/* 1: a whole reply is there */
static int
read_reply(struct conn *c)
{
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

	if (n <= 0)
		return n == -1 && errno == EAGAIN ? 0 : -1;
	c->got_bytes += n;
	return c->got_bytes == REPLY_LEN;
}

static int
request_readable(struct conn *c)
{
	int rv;

	if ((rv = read_reply(c)) != 1)
		return rv;
	client_sample(c);
	client_count(1);
	c->since_ns = clock_ns();
	return client_ask(c);
}

/* A round trip is a packet each way. */
static int
datagram_readable(struct conn *c)
{
	if (recv(c->fd, buf, sizeof(buf), 0) != DATAGRAM_LEN)
		return errno == EAGAIN ? 0 : -1;
	client_sample(c);
	client_count(2);
	c->since_ns = clock_ns();
	return client_ask(c);
}

/* Sends again what got lost, and counts that. */
static void
datagrams_again(struct conn *conns)
{
	unsigned int i;

	for (i = 0; i < opt.conns; i++) {
		if (now_ns < conns[i].since_ns + LOST_MS * NS_PER_MS)
			continue;
		errors++;
		conns[i].since_ns = now_ns;
		(void)client_ask(&conns[i]);
	}
}

static int
idle_readable(struct conn *c)
{
	int rv;

	if ((rv = read_reply(c)) != 1)
		return rv;
	client_count(1);
	return 0;
}

static int
client_writable(struct conn *c)
{
	c->asked = 1;
	if (client_ask(c) == -1)
		return -1;
	/* by level, so that one fast stream does not hold up the others */
	if (opt.mode->ask == ASK_STREAM)
		watch(c, EPOLL_CTL_MOD, EPOLLIN);
	return 0;
}

static void
client_event(struct epoll_event *ev)
{
	struct conn *c = ev->data.ptr;
	int rv = 0;

	if (ev->events & EPOLLERR)
		rv = -1;
	else if (!c->asked && ev->events & EPOLLOUT)
		rv = client_writable(c);
	if (rv == 0 && ev->events & (EPOLLIN | EPOLLHUP))
		rv = opt.mode->on_readable(c);
	if (rv == -1) {
		errors++;
		client_reopen(c);
	}
}

/* Take events once, for at most a tenth of a second. */
static void
client_turn(void)
{
	struct epoll_event evs[BATCH];
	int i, n;

	n = epoll_wait(epfd, evs, BATCH, 100);
	now_ns = clock_ns();
	for (i = 0; i < n; i++)
		client_event(&evs[i]);
}

static int
compare_samples(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double
percentile_us(double share)
{
	return nsamples == 0 ? 0 : samples[(size_t)(nsamples * share)] / 1e3;
}

static void
client_report(double seconds)
{
	qsort(samples, nsamples, sizeof(*samples), compare_samples);
	printf("{\"total\": %llu, \"count\": %llu, \"seconds\": %.6f, "
	       "\"errors\": %llu, \"p50_us\": %.1f, \"p999_us\": %.1f}\n",
	    (unsigned long long)total, (unsigned long long)count, seconds,
	    (unsigned long long)errors, percentile_us(0.5),
	    percentile_us(0.999));
	fflush(stdout);
}

/* Hold the connections until killed, once each has had one answer. */
static void
idle_run(struct conn *conns)
{
	uint64_t start_ns = clock_ns();
	unsigned int opened = 0;

	while (total < opt.conns) {
		while (opened < opt.conns && opened < total + OPENING)
			client_open(&conns[opened++]);
		client_turn();
		if (errors > 0 || now_ns > start_ns + READY_S * NS_PER_S)
			errx(1, "%llu of %u connections, then %s",
			    (unsigned long long)total, opt.conns,
			    errors > 0 ? "one broke" : "no more in time");
	}
	client_report((clock_ns() - start_ns) / 1e9);
	pause();
}

static void
load_run(struct conn *conns)
{
	uint64_t end_ns;
	unsigned int i;

	window_ns = clock_ns() + opt.warmup_s * 1e9;
	end_ns = window_ns + opt.window_s * 1e9;
	for (i = 0; i < opt.conns; i++)
		client_open(&conns[i]);
	while (now_ns < end_ns) {
		client_turn();
		if (opt.mode->ask == ASK_DATAGRAM)
			datagrams_again(conns);
	}
	if (count == 0)
		errx(1, "nothing came back, %llu connections broke",
		    (unsigned long long)errors);
	client_report((now_ns - window_ns) / 1e9);
}

static void
client_run(void)
{
	struct conn *conns;

	conns = calloc(opt.conns, sizeof(*conns));
	samples = malloc(SAMPLES * sizeof(*samples));
	if (conns == NULL || samples == NULL)
		err(1, NULL);
	if (strcmp(opt.mode->name, "idle") == 0)
		idle_run(conns);
	else
		load_run(conns);
}

/* ---- arguments ---- */

static const struct mode modes[] = {
	{ "stream", ASK_STREAM, stream_readable },
	{ "connect", ASK_ONCE, connect_readable },
	{ "request", ASK_AGAIN, request_readable },
	{ "datagram", ASK_DATAGRAM, datagram_readable },
	{ "idle", ASK_AGAIN, idle_readable },
};

static void
usage(void)
{
	fprintf(stderr,
	    "usage: load serve port\n"
	    "       load [-a addresses] [-c connections] [-t seconds] "
	    "[-w warm-up-seconds]\n"
	    "           stream|connect|request|datagram|idle address port\n");
	exit(2);
}

static void
parse_mode(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, name) == 0)
			opt.mode = &modes[i];
	if (opt.mode == NULL)
		usage();
}

static void
parse_target(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *ai;
	int rv;

	if ((rv = getaddrinfo(address, port, &hints, &ai)) != 0)
		errx(2, "%s port %s: %s", address, port, gai_strerror(rv));
	memcpy(&target, ai->ai_addr, ai->ai_addrlen);
	target_len = ai->ai_addrlen;
	freeaddrinfo(ai);
}

static void
parse_options(int argc, char *argv[])
{
	int ch;

	while ((ch = getopt(argc, argv, "a:c:t:w:")) != -1) {
		if (ch == 'a')
			opt.addresses = atoi(optarg);
		else if (ch == 'c')
			opt.conns = atoi(optarg);
		else if (ch == 't')
			opt.window_s = atof(optarg);
		else if (ch == 'w')
			opt.warmup_s = atof(optarg);
		else
			usage();
	}
	if (opt.conns == 0 || opt.addresses == 0)
		usage();
}

int
main(int argc, char *argv[])
{
	if ((epfd = epoll_create1(0)) == -1)
		err(1, "epoll_create1");
	parse_options(argc, argv);
	argc -= optind;
	argv += optind;
	if (argc == 2 && strcmp(argv[0], "serve") == 0)
		server_run(atoi(argv[1]));
	if (argc != 3)
		usage();
	parse_mode(argv[0]);
	parse_target(argv[1], argv[2]);
	client_run();
	return 0;
}
