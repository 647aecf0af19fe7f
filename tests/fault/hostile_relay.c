/* SPDX-License-Identifier: ISC */
/*
 * A relay that turns against the others.  It comes up as a relay does and
 * answers heartbeats, and then worker 0 breaks the one rule that the directory
 * it was started from is named after, see hostile.h.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/flow.h"
#include "tests/fault/hostile.h"

static int log_fd = -1;	   /* the channel to the flow log */
static int broker_fd = -1; /* and to netctl */
static int arena_fd = -1;
static uint64_t first_id;

/* Memory that was handed over; own: to be written to. */
static struct memory {
	int fd;
	int own;
} memories[2 * LIMIT_WORKERS + 1];
static size_t memory_count;

static void
wrong_length(void)
{
	struct datagram datagram = { 0 };

	hostile_message(HOSTILE_PARENT_FD, &datagram, MSG_ANSWER,
	    sizeof(struct msg_answer) - 1, 0);
}

static void
length_that_lies(void)
{
	struct datagram datagram = { .header = { .type = MSG_ANSWER,
					 .len_bytes =
					     sizeof(struct msg_answer) } };

	hostile_send(HOSTILE_PARENT_FD, &datagram,
	    sizeof(datagram.header) + sizeof(struct msg_answer) / 2, 0);
}

static void
no_header(void)
{
	struct datagram datagram = { .header = { .type = MSG_ANSWER } };

	hostile_send(HOSTILE_PARENT_FD, &datagram, 3, 0);
}

static void
unknown_type(void)
{
	struct datagram datagram = { 0 };

	hostile_message(HOSTILE_PARENT_FD, &datagram, MSG_COUNT,
	    sizeof(struct msg_answer), 0);
}

static void
wrong_edge(void)
{
	struct datagram datagram = { 0 };

	hostile_message(
	    HOSTILE_PARENT_FD, &datagram, MSG_BEAT, sizeof(struct msg_beat), 0);
}

/* What only the flow log may say, to the right receiver. */
static void
wrong_sender(void)
{
	struct datagram datagram = { 0 };

	hostile_message(HOSTILE_PARENT_FD, &datagram, MSG_LOG_STATS,
	    sizeof(struct msg_log_stats), 0);
}

static void
surplus_fd(void)
{
	struct datagram datagram = { 0 };

	hostile_message(HOSTILE_PARENT_FD, &datagram, MSG_ANSWER,
	    sizeof(struct msg_answer), 1);
}

static void
many_fds(void)
{
	struct datagram datagram = { 0 };

	hostile_message(HOSTILE_PARENT_FD, &datagram, MSG_ANSWER,
	    sizeof(struct msg_answer), HOSTILE_MANY_FDS);
}

static void
out_of_range(void)
{
	struct datagram datagram = { 0 };

	datagram.body.answer.waiting = UINT64_MAX;
	hostile_message(HOSTILE_PARENT_FD, &datagram, MSG_ANSWER,
	    sizeof(struct msg_answer), 0);
}

/* Ready may be said once, while coming up. */
static void
wrong_phase(void)
{
	struct datagram datagram = { 0 };

	hostile_message(HOSTILE_PARENT_FD, &datagram, MSG_RELAY_READY,
	    sizeof(struct msg_empty), 0);
}

/* The rest is for the flow log, which must not fall either. */
static void
log_unknown_type(void)
{
	struct datagram datagram = { .header = { .type = MSG_COUNT } };

	hostile_send(log_fd, &datagram, sizeof(datagram.header), 0);
}

static void
log_wrong_length(void)
{
	struct datagram datagram = { .header = { .type = MSG_FLOWS } };

	datagram.header.len_bytes = MSG_FLOWS_BYTES(1);
	datagram.body.flows.count = 2;
	hostile_send(
	    log_fd, &datagram, sizeof(datagram.header) + MSG_FLOWS_BYTES(1), 0);
}

static void
log_wrong_edge(void)
{
	struct datagram datagram = { .header = { .type = MSG_EVENT } };

	datagram.header.len_bytes = sizeof(struct msg_event);
	hostile_send(log_fd, &datagram,
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
	hostile_send(
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

	hostile_send(broker_fd, &datagram, sizeof(datagram.header), 0);
}

static void
broker_wrong_edge(void)
{
	struct datagram datagram = { 0 };

	hostile_message(
	    broker_fd, &datagram, MSG_NET_BREACH, sizeof(struct msg_breach), 0);
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
	hostile_message(broker_fd, &datagram, MSG_BROKER_ASK,
	    sizeof(struct msg_broker_ask), 0);
}

static void
broker_no_flow(void)
{
	struct datagram datagram = { 0 };
	unsigned int socket;

	broker_ask_make(&datagram.body.broker_ask);
	for (socket = 0; socket < IPC_BROKER_COUNT; socket++) {
		datagram.body.broker_ask.socket = (uint16_t)socket;
		hostile_message(broker_fd, &datagram, MSG_BROKER_ASK,
		    sizeof(struct msg_broker_ask), 0);
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
		hostile_message(
		    broker_fd, &datagram, MSG_BROKER_ASK, sizeof(*ask), 0);
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

	for (i = 0; i < HOSTILE_FLOOD; i++)
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

	for (i = 0; i < HOSTILE_FLOOD; i++)
		hostile_message(HOSTILE_PARENT_FD, &datagram, MSG_ANSWER,
		    sizeof(struct msg_answer), 0);
}

static const struct breach breaches[] = {
	{ "wrong-length", wrong_length },
	{ "length-that-lies", length_that_lies },
	{ "no-header", no_header },
	{ "unknown-type", unknown_type },
	{ "wrong-edge", wrong_edge },
	{ "wrong-sender", wrong_sender },
	{ "surplus-fd", surplus_fd },
	{ "many-fds", many_fds },
	{ "out-of-range", out_of_range },
	{ "wrong-phase", wrong_phase },
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
	{ "deaf", hostile_deaf },
	{ "spin", hostile_spin },
};

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

	hostile_message(HOSTILE_PARENT_FD, &datagram, MSG_RELAY_READY,
	    sizeof(struct msg_empty), 0);
}

int
main(void)
{
	const struct breach *breach =
	    hostile_breach(breaches, sizeof(breaches) / sizeof(breaches[0]));
	struct datagram datagram = { 0 };
	struct msg_relay_start start = { 0 };
	unsigned int asked = 0;
	int fd, done = 0;

	for (;;) {
		fd = hostile_receive(&datagram, -1);
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
		if (breach->commit == hostile_deaf)
			hostile_answer_deaf(&datagram);
		else
			hostile_answer(&datagram);
		/* The way to the flow log may come late. */
		if (++asked < 2 || start.worker != 0 || log_fd == -1 || done)
			continue;
		done = 1;
		warnx("hostile relay: is %s", breach->name);
		breach->commit();
	}
}
