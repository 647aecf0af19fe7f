/* SPDX-License-Identifier: ISC */
/*
 * A dnsd that turns against netctl, by the channel over which it asks for what
 * rules with `by dns' pass; see hostile.h and tests/fault/test_hostile_dnsd.py,
 * whose rules it knows by their numbers.  It answers heartbeats, but no client.
 * Worker 0 does that after SIGUSR1, as soon as something was granted to it, for
 * before that a refusal proves nothing; the others ask for what is right.  Two
 * breaches need no signal: see tests/fault/test_stuck.py.
 */
#include <arpa/inet.h>
#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "policy/told.h"
#include "schema/flow.h"
#include "tests/fault/hostile.h"

#define NARROW 0  /* from 10.0.0.0/8 to 10.74.2.0/24 */
#define ANY 1	  /* between all addresses */
#define BY_NAME 2 /* by the name alone */
#define TO 3	  /* by the address alone */
#define RULES 4
#define LIFE_S 600
#define WINDOW 64 /* messages that are not answered yet */
#define FLOOD_S 6
#define ANSWER_MS 10000

static volatile sig_atomic_t is_called;
static int netctl_fd = -1;
static uint32_t generation;
static uint32_t worker;
static unsigned int waiting; /* for so many answers */
static unsigned int taken, refused;

static const uint8_t v4_mapped[16] = { [10] = 0xff, [11] = 0xff };

static void
address(const char *text, uint8_t addr[16])
{
	memcpy(addr, v4_mapped, sizeof(v4_mapped));
	if (inet_pton(AF_INET, text, addr + 12) != 1 &&
	    inet_pton(AF_INET6, text, addr) != 1)
		errx(1, "hostile dnsd: %s is no address", text);
}

static struct names_pair
pair_of(const char *client, const char *server, unsigned int rule)
{
	struct names_pair pair = { .left_s = LIFE_S, .rule = (uint16_t)rule };

	address(client, pair.client);
	address(server, pair.server);
	return pair;
}

/* Of this generation, or of one that is so much newer. */
static void
ask(const struct names_pair *pairs, uint32_t count, uint32_t newer)
{
	struct datagram datagram = { 0 };
	struct msg_names_ask *body = &datagram.body.names_ask;

	body->generation = generation + newer;
	body->count = count;
	memcpy(body->pair, pairs, count * sizeof(*pairs));
	hostile_message(
	    netctl_fd, &datagram, MSG_NAMES_ASK, MSG_NAMES_ASK_BYTES(count), 0);
	waiting++;
}

/* One message of netctl's. */
static void
hear(void)
{
	struct datagram datagram;
	struct pollfd wait = { .fd = netctl_fd, .events = POLLIN };

	if (poll(&wait, 1, ANSWER_MS) != 1 ||
	    recv(netctl_fd, &datagram, sizeof(datagram), 0) <= 0)
		errx(1, "hostile dnsd: no answer");
	if (datagram.header.type != MSG_NAMES_DONE)
		return;
	waiting--;
	taken += datagram.body.names_done.taken;
	refused += datagram.body.names_done.refused;
}

static void
hear_all(void)
{
	while (waiting > 0)
		hear();
}

/* 1 when it is granted. */
static int
is_granted(const struct names_pair *pair)
{
	unsigned int before = taken;

	ask(pair, 1, 0);
	hear_all();
	return taken != before;
}

static void
report(void)
{
	warnx("hostile dnsd: taken %u refused %u", taken, refused);
}

static void
unknown_type(void)
{
	struct datagram datagram = { 0 };

	hostile_message(netctl_fd, &datagram, MSG_COUNT, 0, 0);
}

/* It has one pair, and says that it has two. */
static void
wrong_length(void)
{
	struct datagram datagram = { 0 };

	datagram.body.names_ask.generation = generation;
	datagram.body.names_ask.count = 2;
	hostile_message(
	    netctl_fd, &datagram, MSG_NAMES_ASK, MSG_NAMES_ASK_BYTES(1), 0);
}

/* It says so, and has so many pairs, or no more than are allowed. */
static void
count_beyond(uint32_t pairs)
{
	struct datagram datagram = { 0 };

	datagram.body.names_ask.generation = generation;
	datagram.body.names_ask.count = LIMIT_NAMES_PAIRS + 1;
	hostile_message(
	    netctl_fd, &datagram, MSG_NAMES_ASK, MSG_NAMES_ASK_BYTES(pairs), 0);
}

static void
too_many(void)
{
	count_beyond(LIMIT_NAMES_PAIRS + 1);
}

static void
count_that_lies(void)
{
	count_beyond(LIMIT_NAMES_PAIRS);
}

static void
no_generation(void)
{
	struct datagram datagram = { 0 };

	hostile_message(
	    netctl_fd, &datagram, MSG_NAMES_ASK, MSG_NAMES_ASK_BYTES(0), 0);
}

/* What netctl says to a dnsd. */
static void
wrong_direction(void)
{
	struct datagram datagram = { 0 };

	hostile_message(netctl_fd, &datagram, MSG_NAMES_DONE,
	    sizeof(struct msg_names_done), 0);
}

/* What only a relay may ask, of the right receiver. */
static void
wrong_sender(void)
{
	struct datagram datagram = { 0 };

	datagram.body.broker_ask.client_port = 9;
	datagram.body.broker_ask.server_port = 9;
	hostile_message(netctl_fd, &datagram, MSG_BROKER_ASK,
	    sizeof(struct msg_broker_ask), 0);
}

/* What only the supervisor may say: that the lease goes on. */
static void
beat(void)
{
	struct datagram datagram = { 0 };

	hostile_message(
	    netctl_fd, &datagram, MSG_BEAT, sizeof(struct msg_renew), 0);
}

static void
surplus_fd(void)
{
	struct datagram datagram = { 0 };

	datagram.body.names_ask.generation = generation;
	hostile_message(netctl_fd, &datagram, MSG_NAMES_ASK,
	    MSG_NAMES_ASK_BYTES(0), HOSTILE_MANY_FDS);
}

static void
unread(void)
{
	struct names_pair pair = pair_of("10.9.9.9", "10.9.9.8", ANY);
	size_t i;

	for (i = 0; i < HOSTILE_FLOOD; i++)
		ask(&pair, 1, 0);
}

/* Each for one reason alone. */
static void
forged(void)
{
	static const struct {
		const char *client, *server;
		unsigned int rule;
	} cases[] = {
		/* beside what the rule is about */
		{ "192.0.2.1", "10.74.2.2", NARROW },
		{ "10.74.1.2", "10.74.3.2", NARROW },
		{ "fd00:74:1::2", "fd00:74:2::2", NARROW },
		/* nobody's */
		{ "10.74.1.2", "127.0.0.1", ANY },
		{ "127.0.0.1", "10.74.2.2", ANY },
		{ "10.74.1.2", "0.0.0.0", ANY },
		{ "0.0.0.0", "10.74.2.2", ANY },
		{ "10.74.1.2", "169.254.1.1", ANY },
		{ "10.74.1.2", "224.0.0.251", ANY },
		{ "224.0.0.251", "10.74.2.2", ANY },
		{ "10.74.1.2", "255.255.255.255", ANY },
		{ "fd00:74:1::2", "::1", ANY },
		{ "::1", "fd00:74:2::2", ANY },
		{ "fd00:74:1::2", "::", ANY },
		{ "fd00:74:1::2", "fe80::1", ANY },
		{ "fd00:74:1::2", "ff02::fb", ANY },
		/* of two families */
		{ "10.74.1.2", "fd00:74:2::2", ANY },
		{ "fd00:74:1::2", "10.74.2.2", ANY },
		/* rules that have no set, or are none */
		{ "10.74.1.2", "10.74.2.2", BY_NAME },
		{ "10.74.1.2", "10.74.2.2", TO },
		{ "10.74.1.2", "10.74.2.2", RULES },
		{ "10.74.1.2", "10.74.2.2", FLOW_RULE_DEFAULT },
	};
	struct names_pair pair;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pair = pair_of(cases[i].client, cases[i].server, cases[i].rule);
		ask(&pair, 1, 0);
	}
	pair = pair_of("10.74.1.2", "10.74.2.2", ANY);
	pair.left_s = 0;
	ask(&pair, 1, 0);
	pair.left_s = TOLD_LIFE_MAX_S + 1;
	ask(&pair, 1, 0);
	pair.left_s = UINT32_MAX;
	ask(&pair, 1, 0);
	pair.left_s = LIFE_S;
	pair.reserved = 1;
	ask(&pair, 1, 0);
	hear_all();
	report();
}

/* That is nobody's fault, so it is refused and no more. */
static void
other_generation(void)
{
	struct names_pair pair = pair_of("10.74.1.2", "10.74.2.2", ANY);

	ask(&pair, 1, 1);
	ask(&pair, 1, UINT32_MAX / 2);
	hear_all();
	report();
}

/* Addresses of this host: they are within the rule. */
static void
own(void)
{
	static const char *const addrs[] = { "10.74.1.1", "10.74.2.1" };
	struct names_pair pair;
	size_t i;

	for (i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		pair = pair_of("10.74.1.2", addrs[i], ANY);
		ask(&pair, 1, 0);
	}
	hear_all();
	report();
}

static uint32_t
random_next(void)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(state >> 32);
}

/* Of 10.0.0.0/8, but none of the networks that the tests have. */
static void
random_address(uint8_t addr[16])
{
	uint32_t value = htonl(0x0a800000U | (random_next() & 0x007fffffU));

	memcpy(addr, v4_mapped, 12);
	memcpy(addr + 12, &value, 4);
}

static void parent_serve(int wait_ms);

/* Asks as fast as it is answered. */
static void
flood(int clients, int servers)
{
	struct names_pair pairs[LIMIT_NAMES_PAIRS];
	time_t until = time(NULL) + FLOOD_S;
	size_t i;

	warnx("hostile dnsd: begins");
	while (time(NULL) < until) {
		for (i = 0; i < LIMIT_NAMES_PAIRS; i++) {
			pairs[i] = pair_of("10.128.0.1", "10.128.0.1", ANY);
			if (clients)
				random_address(pairs[i].client);
			if (servers)
				random_address(pairs[i].server);
		}
		ask(pairs, LIMIT_NAMES_PAIRS, 0);
		while (waiting > WINDOW)
			hear();
		parent_serve(0);
	}
	hear_all();
	report();
}

static void
flood_of_clients(void)
{
	flood(1, 1);
}

static void
flood_of_one_client(void)
{
	flood(0, 1);
}

static void
flood_of_one_pair(void)
{
	flood(0, 0);
}

static const struct breach breaches[] = {
	{ "unknown-type", unknown_type },
	{ "wrong-length", wrong_length },
	{ "too-many", too_many },
	{ "count-that-lies", count_that_lies },
	{ "no-generation", no_generation },
	{ "wrong-direction", wrong_direction },
	{ "wrong-sender", wrong_sender },
	{ "beat", beat },
	{ "surplus-fd", surplus_fd },
	{ "unread", unread },
	{ "forged", forged },
	{ "other-generation", other_generation },
	{ "own", own },
	{ "flood-of-clients", flood_of_clients },
	{ "flood-of-one-client", flood_of_one_client },
	{ "flood-of-one-pair", flood_of_one_pair },
	{ "deaf", hostile_deaf },
	{ "spin", hostile_spin },
};

static const struct breach *breach;

/* After the signal, and after every message of the supervisor. */
static void
turn(void)
{
	static int begun, is_told;
	struct names_pair pair = pair_of("10.74.1.2", "10.74.2.2", NARROW);

	if (!is_called || netctl_fd == -1)
		return;
	if (worker != 0 && !is_told && is_granted(&pair)) {
		is_told = 1;
		warnx("hostile dnsd: another has asked");
	}
	pair = pair_of("10.9.9.9", "10.9.9.8", ANY);
	if (worker != 0 || begun || !is_granted(&pair))
		return;
	begun = 1;
	taken = refused = 0;
	breach->commit();
}

static void
ready(void)
{
	struct datagram datagram = { 0 };

	hostile_message(HOSTILE_PARENT_FD, &datagram, MSG_DNSD_READY,
	    sizeof(struct msg_empty), 0);
}

/* Who is of no use is so whatever netctl says. */
static void
asked(const struct datagram *ask)
{
	static unsigned int count;
	int is_deaf = breach->commit == hostile_deaf;

	if (is_deaf)
		hostile_answer_deaf(ask);
	else
		hostile_answer(ask);
	if (++count != 2 || (!is_deaf && breach->commit != hostile_spin))
		return;
	warnx("hostile dnsd: is %s", breach->name);
	breach->commit();
}

static void
parent_serve(int wait_ms)
{
	struct datagram datagram = { 0 };
	int fd = hostile_receive(&datagram, wait_ms);

	if (datagram.header.type == MSG_STOP)
		exit(0);
	if (datagram.header.type == MSG_CONFIG)
		generation = datagram.body.config.generation;
	if (datagram.header.type == MSG_DNSD_START) {
		worker = (uint32_t)datagram.body.worker.worker;
		ready();
	}
	if (datagram.header.type == MSG_ASK)
		asked(&datagram);
	if (datagram.header.type == MSG_DNSD_NETCTL) {
		netctl_fd = fd;
		return;
	}
	if (fd != -1)
		close(fd);
}

static void
on_signal(int number)
{
	(void)number;
	is_called = 1;
}

int
main(void)
{
	const struct sigaction action = { .sa_handler = on_signal };

	if (sigaction(SIGUSR1, &action, NULL) == -1)
		err(1, "hostile dnsd: sigaction");
	breach =
	    hostile_breach(breaches, sizeof(breaches) / sizeof(breaches[0]));
	for (;;) {
		parent_serve(-1);
		turn();
	}
}
