/* SPDX-License-Identifier: ISC */
/*
 * A relay that turns against the others.  It comes up as a relay does and
 * answers heartbeats, and then worker 0 breaks the one rule that the directory
 * it was started from is named after.  Only for tests; it has no sandbox, so
 * that whatever it does not get, the receiver has refused.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/flow.h"
#include "schema/msg.h"

#define PARENT_FD 3
#define MANY_FDS 253 /* the most that unix(7) takes, SCM_MAX_FD */
#define FLOOD 1000000

struct datagram {
	struct msg_header header;
	union {
		struct msg_answer answer;
		struct msg_beat beat;
		struct msg_broker_ask broker_ask;
		struct msg_event event;
		struct msg_flows flows;
		struct msg_log_stats log_stats;
		uint8_t bytes[LIMIT_MESSAGE_BYTES - sizeof(struct msg_header)];
	} body;
};

/* One message of zeros to the supervisor, where nothing else is to be done. */
struct breach {
	const char *name;
	void (*commit)(void);
	enum msg_type type;
	size_t size; /* of its body */
	size_t nfds;
};

static int log_fd = -1;	   /* the channel to the flow log */
static int broker_fd = -1; /* and to netctl */
static int arena_fd = -1;
static uint64_t first_id;
static int deaf;

/* Memory that was handed over; own: to be written to. */
static struct memory {
	int fd;
	int own;
} memories[2 * LIMIT_WORKERS + 1];
static size_t memory_count;

/* Sends len bytes of a datagram with copies of descriptor 0. */
static void
send_raw(int to, const struct datagram *datagram, size_t len, size_t nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * MANY_FDS)];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)datagram, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	int fds[MANY_FDS] = { 0 };

	if (nfds > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	while (sendmsg(to, &msg, MSG_NOSIGNAL) == -1)
		if (errno != EINTR && errno != EAGAIN)
			return;
}

/* A message of a type whose body has size bytes, and nfds descriptors. */
static void
send_message(
    struct datagram *datagram, enum msg_type type, size_t size, size_t nfds)
{
	datagram->header.type = type;
	datagram->header.len_bytes = (uint32_t)size;
	send_raw(PARENT_FD, datagram, sizeof(datagram->header) + size, nfds);
}

static void
length_that_lies(void)
{
	struct datagram datagram = { .header = { .type = MSG_ANSWER,
					 .len_bytes =
					     sizeof(struct msg_answer) } };

	send_raw(PARENT_FD, &datagram,
	    sizeof(datagram.header) + sizeof(struct msg_answer) / 2, 0);
}

static void
no_header(void)
{
	struct datagram datagram = { .header = { .type = MSG_ANSWER } };

	send_raw(PARENT_FD, &datagram, 3, 0);
}

static void
out_of_range(void)
{
	struct datagram datagram = { 0 };

	datagram.body.answer.waiting = UINT64_MAX;
	send_message(&datagram, MSG_ANSWER, sizeof(struct msg_answer), 0);
}

/* The rest is for the flow log, which must not fall either. */
static void
log_unknown_type(void)
{
	struct datagram datagram = { .header = { .type = MSG_COUNT } };

	send_raw(log_fd, &datagram, sizeof(datagram.header), 0);
}

static void
log_wrong_length(void)
{
	struct datagram datagram = { .header = { .type = MSG_FLOWS } };

	datagram.header.len_bytes = MSG_FLOWS_BYTES(1);
	datagram.body.flows.count = 2;
	send_raw(
	    log_fd, &datagram, sizeof(datagram.header) + MSG_FLOWS_BYTES(1), 0);
}

static void
log_wrong_edge(void)
{
	struct datagram datagram = { .header = { .type = MSG_EVENT } };

	datagram.header.len_bytes = sizeof(struct msg_event);
	send_raw(log_fd, &datagram,
	    sizeof(datagram.header) + sizeof(struct msg_event), 0);
}

/* One row of worker 0 in which everything is in order. */
static void
flow_make(struct flow_record *record)
{
	static const uint8_t loopback[16] = {
		[10] = 0xff, 0xff, 127, [15] = 1
	};

	memset(record, 0, sizeof(*record));
	record->id = first_id;
	record->start_us = 1700000000000000;
	record->start_mono_us = 1;
	record->uid = FLOW_UID_NONE;
	record->upstream = FLOW_UPSTREAM_NONE;
	record->connect_us = FLOW_CONNECT_NONE;
	record->rule = FLOW_RULE_DEFAULT;
	record->generation = 1;
	record->sport = record->dport = 9;
	memcpy(record->src, loopback, sizeof(record->src));
	memcpy(record->dst, loopback, sizeof(record->dst));
	record->proto = IPPROTO_TCP;
	record->close = FLOW_CLOSE_CLIENT_FIN;
	record->final = 1;
}

static void
send_flow(struct datagram *datagram)
{
	datagram->header.type = MSG_FLOWS;
	datagram->header.len_bytes = MSG_FLOWS_BYTES(1);
	datagram->body.flows.count = 1;
	send_raw(
	    log_fd, datagram, sizeof(datagram->header) + MSG_FLOWS_BYTES(1), 0);
}

static void
forged_losses(void)
{
	struct datagram datagram = { .body.flows = { .sequence = 1 } };

	datagram.body.flows.dropped = INT64_MAX;
	flow_make(&datagram.body.flows.record[0]);
	send_flow(&datagram);
}

static void
forged_bytes(void)
{
	struct datagram datagram = { .body.flows = { .sequence = 1 } };

	flow_make(&datagram.body.flows.record[0]);
	datagram.body.flows.record[0].up_bytes = INT64_MAX;
	send_flow(&datagram);
}

/* A name without an end, that would drive a terminal. */
static void
forged_host(void)
{
	struct datagram datagram = { .body.flows = { .sequence = 1 } };
	struct flow_record *record = &datagram.body.flows.record[0];

	flow_make(record);
	record->host_source = FLOW_HOST_SNI;
	memset(record->host, 0x1b, sizeof(record->host));
	send_flow(&datagram);
}

/* Breaks no rule that can be checked: two flows of one id. */
static void
taken_id(void)
{
	struct datagram datagram = { .body.flows = { .sequence = 1 } };

	flow_make(&datagram.body.flows.record[0]);
	send_flow(&datagram);
	datagram.body.flows.sequence = 2;
	datagram.body.flows.record[0].sport++;
	send_flow(&datagram);
}

/* For netctl, which must not fall. */
static void
broker_unknown_type(void)
{
	struct datagram datagram = { .header = { .type = MSG_COUNT } };

	send_raw(broker_fd, &datagram, sizeof(datagram.header), 0);
}

static void
broker_send(struct datagram *datagram, enum msg_type type, size_t size)
{
	datagram->header.type = type;
	datagram->header.len_bytes = (uint32_t)size;
	send_raw(broker_fd, datagram, sizeof(datagram->header) + size, 0);
}

static void
broker_wrong_edge(void)
{
	struct datagram datagram = { 0 };

	broker_send(&datagram, MSG_NET_BREACH, sizeof(struct msg_breach));
}

/* From 192.0.2.1 port 9 to 192.0.2.2 port 9: there is no such flow. */
static void
broker_ask_make(struct msg_broker_ask *ask)
{
	static const uint8_t mapped[8] = { 0, 0, 0xff, 0xff, 192, 0, 2, 1 };

	memcpy(&ask->client_low, mapped, sizeof(mapped));
	memcpy(&ask->server_low, mapped, sizeof(mapped));
	((uint8_t *)&ask->server_low)[7]++;
	ask->client_port = ask->server_port = 9;
}

static void
broker_out_of_range(void)
{
	struct datagram datagram = { 0 };

	broker_ask_make(&datagram.body.broker_ask);
	datagram.body.broker_ask.socket = IPC_BROKER_COUNT;
	broker_send(&datagram, MSG_BROKER_ASK, sizeof(struct msg_broker_ask));
}

static void
broker_no_flow(void)
{
	struct datagram datagram = { 0 };
	unsigned int socket;

	broker_ask_make(&datagram.body.broker_ask);
	for (socket = 0; socket < IPC_BROKER_COUNT; socket++) {
		datagram.body.broker_ask.socket = (uint16_t)socket;
		broker_send(
		    &datagram, MSG_BROKER_ASK, sizeof(struct msg_broker_ask));
	}
}

/* A flow of this relay's own to the server of the tests, port 7; or -1. */
static int
own_flow(int type, struct sockaddr_in *here, struct sockaddr_in *there)
{
	static const uint8_t server[4] = { 10, 74, 2, 2 };
	socklen_t len = sizeof(*here);
	int fd = socket(AF_INET, type, 0);

	memset(there, 0, sizeof(*there));
	there->sin_family = AF_INET;
	there->sin_port = htons(7);
	memcpy(&there->sin_addr, server, sizeof(server));
	if (fd == -1 ||
	    connect(fd, (struct sockaddr *)there, sizeof(*there)) == -1 ||
	    getsockname(fd, (struct sockaddr *)here, &len) == -1 ||
	    send(fd, "x", 1, MSG_NOSIGNAL) == -1)
		err(1, "hostile relay: a flow of its own");
	return fd;
}

/* 1 when netctl gives what was asked for last. */
static int
is_granted(void)
{
	struct msg_header header = { 0 };
	struct pollfd wait = { .fd = broker_fd, .events = POLLIN };

	if (poll(&wait, 1, -1) == -1 ||
	    recv(broker_fd, &header, sizeof(header), MSG_TRUNC) <= 0)
		err(1, "hostile relay: no answer");
	return header.type == MSG_BROKER_GRANT;
}

/* Says that the other end is the client of a flow that it was given. */
static unsigned int
own_flow_ask(int type, unsigned int first, unsigned int last)
{
	struct datagram datagram = { 0 };
	struct msg_broker_ask *ask = &datagram.body.broker_ask;
	struct sockaddr_in here, there;
	int fd = own_flow(type, &here, &there);
	unsigned int granted = 0;

	broker_ask_make(ask);
	memcpy((uint8_t *)&ask->client_low + 4, &there.sin_addr, 4);
	memcpy((uint8_t *)&ask->server_low + 4, &here.sin_addr, 4);
	ask->client_port = ntohs(there.sin_port);
	ask->server_port = ntohs(here.sin_port);
	for (; first <= last; first++) {
		ask->socket = (uint16_t)first;
		ask->port = first == IPC_BROKER_UDP_SERVER ? ask->server_port
							   : ask->client_port;
		broker_send(&datagram, MSG_BROKER_ASK, sizeof(*ask));
		granted += (unsigned int)is_granted();
	}
	close(fd);
	return granted;
}

static void
broker_own_flows(void)
{
	unsigned int tcp, udp;

	tcp = own_flow_ask(
	    SOCK_STREAM, IPC_BROKER_TCP_CLIENT, IPC_BROKER_TCP_CLIENT);
	udp = own_flow_ask(
	    SOCK_DGRAM, IPC_BROKER_UDP_CLIENT, IPC_BROKER_COUNT - 1);
	warnx("hostile relay: given tcp %u udp %u", tcp, udp);
}

static void
broker_unread(void)
{
	size_t i;

	for (i = 0; i < FLOOD; i++)
		broker_no_flow();
}

static unsigned int
resized(int fd)
{
	struct stat status;

	if (fstat(fd, &status) == -1)
		err(1, "hostile relay: fstat");
	return (ftruncate(fd, 0) == 0) +
	       (ftruncate(fd, status.st_size * 2) == 0) +
	       (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
}

static unsigned int
written(int fd)
{
	void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		err(1, "hostile relay: mmap");
	return (mprotect(map, 4096, PROT_READ | PROT_WRITE) == 0) +
	       (mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED) +
	       (pwrite(fd, "x", 1, 0) == 1) +
	       (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		    4096) == 0);
}

/* What whoever reads it would fall over, or believe of another. */
static void
memory_of_others(void)
{
	unsigned int done = 0, others = 0;
	size_t i;

	for (i = 0; i < memory_count; i++) {
		done += resized(memories[i].fd);
		if (memories[i].own)
			continue;
		done += written(memories[i].fd);
		others++;
	}
	warnx("hostile relay: changed %u of %u", done, others);
}

static struct flow_arena *
arena_map(size_t *len)
{
	struct stat status;
	void *map;

	if (fstat(arena_fd, &status) == -1)
		err(1, "hostile relay: fstat");
	*len = (size_t)status.st_size;
	map = mmap(NULL, *len, PROT_READ | PROT_WRITE, MAP_SHARED, arena_fd, 0);
	if (map == MAP_FAILED)
		err(1, "hostile relay: mmap");
	return map;
}

static void
arena_ones(void)
{
	size_t len;
	struct flow_arena *arena = arena_map(&len);

	memset(arena, 0xff, len);
	warnx("hostile relay: filled");
}

/* As a relay that has as many flows as it can, but nothing in it is true. */
static void
arena_noise(void)
{
	size_t len, i;
	struct flow_arena *arena = arena_map(&len);
	uint64_t *word = (uint64_t *)(void *)&arena->accepted;
	uint64_t random = 1;

	for (i = 0; i < (len - offsetof(struct flow_arena, accepted)) / 8;
	     i++) {
		random = random * 6364136223846793005U + 1442695040888963407U;
		word[i] = random ^ random >> 29;
	}
	for (i = 0; i < LIMIT_FLOW_SLOTS; i++)
		arena->slot[i].state =
		    i % 2 != 0 ? FLOW_SLOT_OPEN : FLOW_SLOT_CLOSED;
	arena->magic = FLOW_ARENA_MAGIC;
	arena->slots = arena->used = LIMIT_FLOW_SLOTS;
	warnx("hostile relay: filled");
}

/* Every message is allowed; a million of them is not work. */
static void
flood(void)
{
	struct datagram datagram = { 0 };
	size_t i;

	for (i = 0; i < FLOOD; i++)
		send_message(
		    &datagram, MSG_ANSWER, sizeof(struct msg_answer), 0);
}

/* It says from the start on that clients wait, and accepts none. */
static void
stay_deaf(void)
{
}

static void
spin(void)
{
	for (;;)
		continue;
}

static const struct breach breaches[] = {
	{ "wrong-length", NULL, MSG_ANSWER, sizeof(struct msg_answer) - 1, 0 },
	{ "length-that-lies", length_that_lies },
	{ "no-header", no_header },
	{ "unknown-type", NULL, MSG_COUNT, sizeof(struct msg_answer), 0 },
	{ "wrong-edge", NULL, MSG_BEAT, sizeof(struct msg_beat), 0 },
	/* what only the flow log may say, to the right receiver */
	{ "wrong-sender", NULL, MSG_LOG_STATS, sizeof(struct msg_log_stats),
	    0 },
	{ "surplus-fd", NULL, MSG_ANSWER, sizeof(struct msg_answer), 1 },
	{ "many-fds", NULL, MSG_ANSWER, sizeof(struct msg_answer), MANY_FDS },
	{ "out-of-range", out_of_range },
	/* ready may be said once, while coming up */
	{ "wrong-phase", NULL, MSG_RELAY_READY, sizeof(struct msg_empty), 0 },
	{ "log-unknown-type", log_unknown_type },
	{ "log-wrong-length", log_wrong_length },
	{ "log-wrong-edge", log_wrong_edge },
	{ "forged-losses", forged_losses },
	{ "forged-bytes", forged_bytes },
	{ "forged-host", forged_host },
	{ "taken-id", taken_id },
	{ "broker-unknown-type", broker_unknown_type },
	{ "broker-wrong-edge", broker_wrong_edge },
	{ "broker-out-of-range", broker_out_of_range },
	{ "broker-no-flow", broker_no_flow },
	{ "broker-own-flows", broker_own_flows },
	{ "broker-unread", broker_unread },
	{ "memory-of-others", memory_of_others },
	{ "arena-ones", arena_ones },
	{ "arena-noise", arena_noise },
	{ "flood", flood },
	{ "deaf", stay_deaf },
	{ "spin", spin },
};

/* The breach that the directory of this program is named after. */
static const struct breach *
breach_chosen(void)
{
	char *path = strdup((const char *)(uintptr_t)getauxval(AT_EXECFN));
	char *end = path == NULL ? NULL : strrchr(path, '/');
	const char *name;
	size_t i;

	if (end == NULL)
		errx(1, "hostile relay: started without a path");
	*end = '\0';
	end = strrchr(path, '/');
	name = end == NULL ? path : end + 1;
	for (i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++)
		if (strcmp(breaches[i].name, name) == 0) {
			free(path);
			return &breaches[i];
		}
	errx(1, "hostile relay: no breach is called %s", name);
}

/* One datagram of the supervisor; its descriptor, or -1. */
static int
receive(struct datagram *datagram)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { datagram, sizeof(*datagram) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct pollfd wait = { .fd = PARENT_FD, .events = POLLIN };
	const struct cmsghdr *cmsg;
	ssize_t n;
	int fd = -1;

	if (poll(&wait, 1, -1) == -1 && errno != EINTR)
		err(1, "hostile relay: poll");
	n = recvmsg(PARENT_FD, &msg, 0);
	if (n == -1 && errno != EAGAIN)
		err(1, "hostile relay: recvmsg");
	if (n == 0)
		exit(0);
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg != NULL && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	if (n == -1)
		datagram->header.type = MSG_NONE;
	return fd;
}

static void
answer(const struct datagram *ask)
{
	struct datagram datagram = { .header = { .id = ask->header.id } };

	datagram.body.answer.sequence = ask->body.beat.sequence;
	datagram.body.answer.waiting = (uint64_t)deaf;
	datagram.body.answer.work = deaf ? 0 : ask->body.beat.sequence;
	send_message(&datagram, MSG_ANSWER, sizeof(struct msg_answer), 0);
}

static void
memory_note(const struct datagram *datagram, int fd)
{
	struct msg_tally tally;
	struct memory memory = { fd, 1 };

	if (datagram->header.type == MSG_RELAY_TALLY) {
		memcpy(&tally, datagram->body.bytes, sizeof(tally));
		memory.own = tally.own != 0;
	} else if (datagram->header.type == MSG_RELAY_NAMES) {
		memory.own = 0;
	} else if (datagram->header.type == MSG_RELAY_START) {
		arena_fd = fd;
	} else {
		return;
	}
	if (memory_count == sizeof(memories) / sizeof(memories[0]))
		errx(1, "hostile relay: too much memory");
	memories[memory_count++] = memory;
}

static void
ready(void)
{
	struct datagram datagram = { 0 };

	send_message(&datagram, MSG_RELAY_READY, sizeof(struct msg_empty), 0);
}

int
main(void)
{
	const struct breach *breach = breach_chosen();
	struct datagram datagram = { 0 }, zeros = { 0 };
	struct msg_relay_start start = { 0 };
	unsigned int asked = 0;
	int fd, done = 0;

	deaf = breach->commit == stay_deaf;
	for (;;) {
		fd = receive(&datagram);
		memory_note(&datagram, fd);
		if (datagram.header.type == MSG_RELAY_LOG)
			log_fd = fd;
		if (datagram.header.type == MSG_RELAY_BROKER)
			broker_fd = fd;
		if (datagram.header.type == MSG_RELAY_START) {
			memcpy(&start, datagram.body.bytes, sizeof(start));
			first_id = start.first_id;
			ready();
		}
		if (datagram.header.type == MSG_STOP)
			return 0;
		if (datagram.header.type != MSG_ASK)
			continue;
		answer(&datagram);
		/* The way to the flow log may come late. */
		if (++asked < 2 || start.worker != 0 || log_fd == -1 || done)
			continue;
		done = 1;
		warnx("hostile relay: is %s", breach->name);
		if (breach->commit != NULL)
			breach->commit();
		else
			send_message(
			    &zeros, breach->type, breach->size, breach->nfds);
	}
}
