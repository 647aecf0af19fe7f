/* SPDX-License-Identifier: ISC */
#include "ctl/leak/sentinel.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/random.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define V4 0x01U
#define V6 0x02U
#define BOTH (V4 | V6)

/* How the socket of a stream or datagram is made. */
#define TO_DEVICE 0x01U	    /* bound to one (SO_BINDTODEVICE) */
#define MAPPED_SOCKET 0x02U /* of IPv6, with v4-mapped addresses */
#define FAST_OPEN 0x04U	    /* data in the SYN (RFC 7413) */

enum sender { STREAM, DATAGRAM, RAW };

struct sentinel_kind {
	const char *name;
	enum sender sender;
	uint8_t families;
	uint8_t proto;	       /* as the policy sees it */
	uint16_t dport;	       /* 0: any that the policy speaks of */
	uint8_t options;       /* of STREAM and DATAGRAM */
	int socket_proto;      /* 0: proto */
	enum packet_data data; /* from here on of RAW and DATAGRAM */
	uint8_t tcp_flags;
	uint8_t fragment;
	enum packet_options packet_options;
	const char *dst[2];	/* instead of one that the policy decides */
	int is_local;		/* nobody forwards to such a destination */
	int is_inward;		/* of the gateway's own: to the first client */
	enum question question; /* instead of data, of DATAGRAM */
};

#define PROTO(name, number)             \
	{                               \
		name, RAW, BOTH, number \
	}
#define NOWHERE(name, families, dst4, dst6)                              \
	{                                                                \
		name, RAW, families, IPPROTO_UDP, .dst = { dst4, dst6 }, \
						  .is_local = 1          \
	}
#define INWARD .is_inward = 1
#define QUESTION(name, asks)                           \
	{                                              \
		name, DATAGRAM, BOTH, IPPROTO_UDP, 53, \
		    .question = QUESTION_##asks        \
	}
#define MAPPED_DST                   \
	{                            \
		NULL, "203.0.113.77" \
	}

static const struct sentinel_kind kinds[] = {
	{ "tcp connection", STREAM, BOTH, IPPROTO_TCP },
	{ "tcp connection to port 53", STREAM, BOTH, IPPROTO_TCP, 53 },
	{ "tcp connection to port 853", STREAM, BOTH, IPPROTO_TCP, 853 },
	{ "tcp connection bound to a device", STREAM, BOTH, IPPROTO_TCP, 0,
	    TO_DEVICE },
	{ "tcp connection of an ipv6 socket", STREAM, V4, IPPROTO_TCP, 0,
	    MAPPED_SOCKET },
	{ "tcp fast open", STREAM, BOTH, IPPROTO_TCP, 0, FAST_OPEN },
	{ "mptcp connection", STREAM, BOTH, IPPROTO_TCP, 0, 0, IPPROTO_MPTCP },
	{ "udp", DATAGRAM, BOTH, IPPROTO_UDP },
	{ "udp to port 53", DATAGRAM, BOTH, IPPROTO_UDP, 53 },
	{ "udp to port 853", DATAGRAM, BOTH, IPPROTO_UDP, 853 },
	QUESTION("question for the canary", CANARY),
	QUESTION("question for a name below the canary", BELOW_CANARY),
	QUESTION("question for designated resolvers", DDR),
	QUESTION("question for private relay", PRIVATE_RELAY),
	QUESTION("question for private relay by http/2", PRIVATE_RELAY_H2),
	{ "udp like quic", DATAGRAM, BOTH, IPPROTO_UDP, 443,
	    .data = PACKET_QUIC },
	{ "udp bound to a device", DATAGRAM, BOTH, IPPROTO_UDP, 0, TO_DEVICE },
	{ "udp of an ipv6 socket", DATAGRAM, V4, IPPROTO_UDP, 0,
	    MAPPED_SOCKET },
	{ "raw tcp syn", RAW, BOTH, IPPROTO_TCP, .data = PACKET_NO_DATA,
	    .tcp_flags = TH_SYN },
	{ "raw tcp syn with data", RAW, BOTH, IPPROTO_TCP,
	    .tcp_flags = TH_SYN },
	{ "raw tcp of no connection", RAW, BOTH, IPPROTO_TCP,
	    .tcp_flags = TH_ACK | TH_PUSH },
	{ "raw tcp without flags", RAW, BOTH, IPPROTO_TCP },
	{ "raw udp", RAW, BOTH, IPPROTO_UDP },
	{ "tcp fragments", RAW, BOTH, IPPROTO_TCP, .tcp_flags = TH_SYN,
	    .fragment = PACKET_FIRST | PACKET_LATER },
	{ "udp fragments", RAW, BOTH, IPPROTO_UDP,
	    .fragment = PACKET_FIRST | PACKET_LATER },
	{ "first tcp fragment alone", RAW, BOTH, IPPROTO_TCP,
	    .tcp_flags = TH_SYN, .fragment = PACKET_FIRST },
	{ "first udp fragment alone", RAW, BOTH, IPPROTO_UDP,
	    .fragment = PACKET_FIRST },
	{ "later tcp fragment alone", RAW, BOTH, IPPROTO_TCP,
	    .fragment = PACKET_LATER },
	{ "later udp fragment alone", RAW, BOTH, IPPROTO_UDP,
	    .fragment = PACKET_LATER },
	{ "tcp behind options", RAW, V6, IPPROTO_TCP, .tcp_flags = TH_SYN,
	    .packet_options = PACKET_INSIDE },
	{ "udp behind options", RAW, V6, IPPROTO_UDP,
	    .packet_options = PACKET_INSIDE },
	{ "tcp fragments behind options", RAW, V6, IPPROTO_TCP,
	    .tcp_flags = TH_SYN, .fragment = PACKET_FIRST | PACKET_LATER,
	    .packet_options = PACKET_OUTSIDE },
	{ "udp fragments behind options", RAW, V6, IPPROTO_UDP,
	    .fragment = PACKET_FIRST | PACKET_LATER,
	    .packet_options = PACKET_OUTSIDE },
	{ "tcp behind options in fragments", RAW, V6, IPPROTO_TCP,
	    .tcp_flags = TH_SYN, .fragment = PACKET_FIRST | PACKET_LATER,
	    .packet_options = PACKET_INSIDE },
	{ "udp behind options in fragments", RAW, V6, IPPROTO_UDP,
	    .fragment = PACKET_FIRST | PACKET_LATER,
	    .packet_options = PACKET_INSIDE },
	{ "tcp to a mapped address", RAW, V6, IPPROTO_TCP, .tcp_flags = TH_SYN,
	    .dst = MAPPED_DST },
	{ "udp to a mapped address", RAW, V6, IPPROTO_UDP, .dst = MAPPED_DST },
	PROTO("icmp echo", IPPROTO_ICMP),
	PROTO("udp-lite", IPPROTO_UDPLITE),
	PROTO("sctp", IPPROTO_SCTP),
	PROTO("gre", IPPROTO_GRE),
	PROTO("esp", IPPROTO_ESP),
	NOWHERE("udp to a multicast group", BOTH, "224.0.1.77", "ff0e::7707"),
	NOWHERE("udp to everybody", V4, "255.255.255.255", NULL),
	NOWHERE("udp to a network's broadcast", V4, "198.19.0.255", NULL),
	{ "tcp connection to a client", STREAM, BOTH, IPPROTO_TCP, INWARD },
	{ "udp to a client", DATAGRAM, BOTH, IPPROTO_UDP, INWARD },
	{ "raw tcp syn to a client", RAW, BOTH, IPPROTO_TCP,
	    .data = PACKET_NO_DATA, .tcp_flags = TH_SYN, INWARD },
	{ "raw tcp of no connection to a client", RAW, BOTH, IPPROTO_TCP,
	    .tcp_flags = TH_ACK | TH_PUSH, INWARD },
	{ "raw udp to a client", RAW, BOTH, IPPROTO_UDP, INWARD },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))
/* Of every user: of both families, bound or not, forged or not. */
#define SENTINELS_OF_USER (KINDS * 2 * SITE_BONDS * 2 * JUDGE_CLASSES)

const char *
sentinel_name(const struct sentinel *sentinel)
{
	return sentinel->kind->name;
}

int
sentinel_is_stream(const struct sentinel *sentinel)
{
	return sentinel->kind->sender == STREAM;
}

int
sentinel_is_question(const struct sentinel *sentinel)
{
	return sentinel->kind->question != QUESTION_NONE;
}

int
sentinel_is_flow(const struct sentinel *sentinel)
{
	const struct sentinel_kind *kind = sentinel->kind;

	if (kind->fragment == PACKET_FIRST || kind->fragment == PACKET_LATER)
		return 0;
	return kind->sender != RAW || kind->proto != IPPROTO_TCP ||
	       kind->tcp_flags == TH_SYN;
}

int
sentinel_is_raw(const struct sentinel *sentinel)
{
	return sentinel->kind->sender == RAW;
}

int
sentinel_has_no_way(const struct sentinel *sentinel)
{
	return sentinel->origin->is_own && sentinel->class == JUDGE_RELAY &&
	       (sentinel->kind->options & TO_DEVICE) != 0;
}

/* Mapped addresses belong on no wire, whoever sends to them. */
int
sentinel_is_uncertain(const struct sentinel *sentinel)
{
	return sentinel->origin->is_own &&
	       !sentinel->user->account.is_captured && sentinel->v6 &&
	       addr_is_v4(&sentinel->target.dst);
}

/* What is planned next, in all but its destination. */
struct plan {
	struct sentinel_list *list;
	const struct site *site;
	const struct image *image;
	struct site_origin *origin;
	const struct site_user *user;
	const struct sentinel_kind *kind;
	enum site_bond bond;
	int is_forged;
	int v6;
};

static struct sentinel *
plan_next(const struct plan *plan)
{
	struct sentinel_list *list = plan->list;
	struct sentinel *sentinel = &list->items[list->count];
	size_t run = sizeof(list->run);

	memset(sentinel, 0, sizeof(*sentinel));
	sentinel->kind = plan->kind;
	sentinel->origin = plan->origin;
	sentinel->user = plan->user;
	sentinel->bond = plan->bond;
	sentinel->is_forged = plan->is_forged;
	sentinel->v6 = plan->v6;
	sentinel->fd = -1;
	memcpy(sentinel->token, list->run, run);
	memcpy(sentinel->token + run, &list->count, sizeof(list->count));
	return sentinel;
}

/*
 * With on-failure open, what looks like a connection of this host from before
 * its capture is not cut.
 */
static int
is_let_go_on(const struct image *image, const struct sentinel_kind *kind)
{
	return image_settings(image)->on_failure == ON_FAILURE_OPEN &&
	       kind->sender == RAW && kind->proto == IPPROTO_TCP &&
	       kind->fragment == 0 &&
	       (kind->tcp_flags & (TH_SYN | TH_ACK)) != TH_SYN;
}

/*
 * What is to become of it with the target that it has.  Nobody captures all
 * users, nor what ends on the link; and what passes or is relayed has to come
 * from this host.
 */
static enum judge_class
class_of(const struct plan *plan, const struct sentinel *sentinel)
{
	const struct sentinel_kind *kind = plan->kind;
	const struct target *target = &sentinel->target;
	enum judge_class class;

	if (kind->is_local && !plan->origin->is_own)
		return JUDGE_NEVER;
	if (plan->origin->is_own &&
	    (kind->is_local || !plan->user->account.is_captured ||
		is_let_go_on(plan->image, kind)))
		return JUDGE_OTHER;
	class = judge_packet(plan->image, plan->v6, kind->proto, &target->src,
	    &target->dst, target->dport);
	return plan->is_forged && class != JUDGE_OTHER ? JUDGE_BLOCK : class;
}

static void
plan_take(const struct plan *plan, struct sentinel *sentinel)
{
	struct site_origin *origin = plan->origin;
	int is_tcp = plan->kind->proto == IPPROTO_TCP;

	if (plan->is_forged)
		sentinel->target.src = *site_forged(plan->v6);
	sentinel->class = class_of(plan, sentinel);
	sentinel->slot = origin->lanes[plan->v6][plan->is_forged][is_tcp]++;
	plan->list->count++;
	origin->count++;
}

/* Its destination is fixed, and with it what may become of it. */
static void
plan_fixed(const struct plan *plan)
{
	struct sentinel *sentinel = plan_next(plan);
	const struct site_origin *origin = plan->origin;
	const struct site_origin *client = &plan->site->origins[0];
	struct prefix prefix;

	if (plan->kind->is_inward) {
		sentinel->target.src = client->near[plan->v6];
		sentinel->target.dst = client->far[plan->v6];
	} else if (prefix_parse(plan->kind->dst[plan->v6], &prefix) == 0) {
		sentinel->target.src = origin->candidates.src[plan->v6].at[0];
		sentinel->target.dst = prefix.addr;
	}
	sentinel->target.dport = origin->candidates.ports[0];
	plan_take(plan, sentinel);
}

/* One to each decision that there is for this kind. */
static int
plan_decided(const struct plan *plan)
{
	enum judge_class wanted;
	struct sentinel *sentinel;

	for (wanted = JUDGE_BLOCK; wanted < JUDGE_CLASSES; wanted++) {
		sentinel = plan_next(plan);
		if (!target_find(plan->image, &plan->origin->candidates,
			plan->v6, plan->kind->proto, plan->kind->dport, wanted,
			&sentinel->target))
			continue;
		if (site_serve(plan->site, &sentinel->target.dst) == -1)
			return -1;
		plan_take(plan, sentinel);
	}
	return 0;
}

/*
 * A client has one way out, and so has what ends on a link.  Raw sockets of the
 * gateway's first user are tried in every way, those of others in the one that
 * programs take: their users are told apart by the first packet already.
 */
static int
is_tried(const struct plan *plan)
{
	const struct sentinel_kind *kind = plan->kind;
	const struct site_origin *origin = plan->origin;

	if ((kind->families & (plan->v6 ? V6 : V4)) == 0 ||
	    (kind->question != QUESTION_NONE &&
		!question_is_closed(plan->image, kind->question)) ||
	    (kind->is_inward &&
		(!origin->is_own || plan->site->origins[0].is_own)))
		return 0;
	if (!origin->is_own || kind->is_local || kind->sender != RAW)
		return plan->bond == SITE_BOUND && !plan->is_forged;
	if (plan->user == origin->users)
		return plan->bond == SITE_UNBOUND || !kind->is_inward;
	return plan->bond == SITE_UNBOUND && !plan->is_forged &&
	       kind->fragment == 0 && kind->packet_options == 0;
}

static int
plan_kind(struct plan *plan)
{
	for (plan->v6 = 0; plan->v6 < 2; plan->v6++) {
		if (!is_tried(plan))
			continue;
		if (plan->kind->dst[plan->v6] != NULL || plan->kind->is_inward)
			plan_fixed(plan);
		else if (plan_decided(plan) == -1)
			return -1;
	}
	return 0;
}

static int
plan_user(struct plan *plan)
{
	size_t i;

	for (i = 0; i < KINDS; i++) {
		plan->kind = &kinds[i];
		for (plan->bond = 0; plan->bond < SITE_BONDS; plan->bond++)
			for (plan->is_forged = 0; plan->is_forged < 2;
			     plan->is_forged++)
				if (plan_kind(plan) == -1)
					return -1;
	}
	return 0;
}

int
sentinel_plan(
    struct site *site, const struct image *image, struct sentinel_list *list)
{
	struct plan plan = { .list = list, .site = site, .image = image };
	size_t i, j;

	list->count = 0;
	list->items =
	    calloc((site->norigins + ACCOUNT_MOST) * SENTINELS_OF_USER + 1,
		sizeof(*list->items));
	if (list->items == NULL || getrandom(list->run, sizeof(list->run), 0) !=
				       (ssize_t)sizeof(list->run)) {
		log_warn("sentinels");
		return -1;
	}
	for (i = 0; i < site->norigins; i++) {
		plan.origin = &site->origins[i];
		plan.origin->first = list->count;
		for (j = 0; j < plan.origin->nusers; j++) {
			plan.user = &plan.origin->users[j];
			if (plan_user(&plan) == -1)
				return -1;
		}
	}
	return 0;
}

/* An end of the sentinel, in the family of its socket. */
static socklen_t
endpoint(const struct sentinel *sentinel, const struct addr *addr,
    uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *name = (void *)out;

	if (!sentinel->v6 && (sentinel->kind->options & MAPPED_SOCKET) == 0)
		return addr_to_sockaddr(addr, port, out);
	memset(out, 0, sizeof(*out));
	name->sin6_family = AF_INET6;
	name->sin6_port = htons(port);
	memcpy(&name->sin6_addr, addr->byte, 16);
	return sizeof(*name);
}

/* A socket bound to the sentinel's source, or -1. */
static int
socket_bound(const struct sentinel *sentinel, int type)
{
	const struct sentinel_kind *kind = sentinel->kind;
	struct sockaddr_storage name;
	socklen_t len =
	    endpoint(sentinel, &sentinel->target.src, sentinel->sport, &name);
	int on = 1, fd;

	fd = socket(name.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    kind->socket_proto);
	if (fd == -1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if ((kind->options & FAST_OPEN) != 0)
		(void)setsockopt(
		    fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &on, sizeof(on));
	if (((kind->options & TO_DEVICE) != 0 &&
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE,
		    sentinel->origin->device,
		    (socklen_t)strlen(sentinel->origin->device)) == -1) ||
	    bind(fd, (struct sockaddr *)&name, len) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * What fails for want of something was not stopped by rules or routes, nor is
 * it a protocol that this kernel does not have.
 */
static int
is_sent(ssize_t result)
{
	static const int wants[] = { ENOBUFS, EAGAIN, ENOMEM, EADDRNOTAVAIL,
		EADDRINUSE, EMSGSIZE, EBADF, EMFILE, ENFILE };
	size_t i;

	for (i = 0; result == -1 && i < sizeof(wants) / sizeof(wants[0]); i++)
		if (errno == wants[i])
			return 0;
	return 1;
}

/* A port of its own tells a question, too. */
static uint16_t
question_id(const struct sentinel *sentinel)
{
	return (uint16_t)~sentinel->sport;
}

/* What a stream or datagram says. */
static size_t
fill(const struct sentinel *sentinel, uint8_t data[PACKET_BYTES])
{
	const struct sentinel_kind *kind = sentinel->kind;

	if (kind->question != QUESTION_NONE)
		return question_build(
		    kind->question, question_id(sentinel), data);
	return packet_fill(kind->data, sentinel->token, data);
}

static int
send_socket(struct sentinel *sentinel)
{
	const struct sentinel_kind *kind = sentinel->kind;
	struct sockaddr_storage name;
	socklen_t len = endpoint(
	    sentinel, &sentinel->target.dst, sentinel->target.dport, &name);
	uint8_t data[PACKET_BYTES];
	size_t data_len = fill(sentinel, data);
	int is_stream = kind->sender == STREAM;
	int fd = socket_bound(sentinel, is_stream ? SOCK_STREAM : SOCK_DGRAM);
	ssize_t result;

	if (fd == -1)
		return is_sent(fd) ? 0 : -1;
	if (is_stream && (kind->options & FAST_OPEN) == 0)
		result = connect(fd, (struct sockaddr *)&name, len);
	else
		result = sendto(fd, data, data_len,
		    MSG_NOSIGNAL | (is_stream ? MSG_FASTOPEN : 0),
		    (struct sockaddr *)&name, len);
	result = is_sent(result) ? 0 : -1;
	if (is_stream || sentinel_is_question(sentinel))
		sentinel->fd = fd;
	else
		close(fd);
	return (int)result;
}

static int
send_packet(const struct sentinel *sentinel, uint8_t fragment)
{
	const struct sentinel_kind *kind = sentinel->kind;
	struct packet packet = { .v6 = sentinel->v6,
		.src = sentinel->target.src,
		.dst = sentinel->target.dst,
		.proto = kind->proto,
		.sport = sentinel->sport,
		.dport = sentinel->target.dport,
		.data = kind->data,
		.tcp_flags = kind->tcp_flags,
		.fragment = fragment,
		.options = kind->packet_options,
		.token = sentinel->token };
	struct sockaddr_storage name;
	socklen_t len = endpoint(sentinel, &packet.dst, 0, &name);
	uint8_t bytes[PACKET_BYTES];
	size_t n = packet_build(&packet, bytes);

	return is_sent(sendto(sentinel->user->raw[sentinel->bond][sentinel->v6],
		   bytes, n, 0, (struct sockaddr *)&name, len))
		   ? 0
		   : -1;
}

static int
send_raw(struct sentinel *sentinel)
{
	uint8_t fragments = sentinel->kind->fragment;
	int result = 0;

	if (fragments == 0)
		return send_packet(sentinel, 0);
	if ((fragments & PACKET_FIRST) != 0)
		result |= send_packet(sentinel, PACKET_FIRST);
	if ((fragments & PACKET_LATER) != 0)
		result |= send_packet(sentinel, PACKET_LATER);
	return result;
}

/* How many of an origin have ports apart from each other. */
static uint32_t
lane_of(const struct sentinel *sentinel)
{
	return sentinel->origin->lanes[sentinel->v6][sentinel->is_forged]
				      [sentinel->kind->proto == IPPROTO_TCP];
}

int
sentinel_send(struct sentinel *sentinel, uint32_t round)
{
	static int (*const senders[])(struct sentinel *) = {
		[STREAM] = send_socket,
		[DATAGRAM] = send_socket,
		[RAW] = send_raw,
	};
	uint32_t lane = lane_of(sentinel), rounds = SITE_PORTS / lane;

	sentinel->sport = (uint16_t)(SITE_PORT_FIRST + round % rounds * lane +
				     sentinel->slot);
	return senders[sentinel->kind->sender](sentinel);
}

void
sentinel_answered(struct sentinel *sentinel)
{
	uint8_t answer[PACKET_BYTES];
	ssize_t len = recv(sentinel->fd, answer, sizeof(answer), 0);

	if (len > 0 && question_is_denied(sentinel->kind->question,
			   question_id(sentinel), answer, (size_t)len))
		sentinel->is_denied = 1;
}

void
sentinel_connected(const struct sentinel *sentinel)
{
	uint8_t data[PACKET_BYTES];
	size_t len = packet_fill(PACKET_TOKENS, sentinel->token, data);

	(void)send(sentinel->fd, data, len, MSG_NOSIGNAL);
}

void
sentinel_abort(struct sentinel *sentinel)
{
	static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	if (sentinel->fd == -1)
		return;
	(void)connect(sentinel->fd, &nobody, sizeof(nobody));
	close(sentinel->fd);
	sentinel->fd = -1;
}

struct sentinel *
sentinel_by_token(
    const struct sentinel_list *list, const uint8_t *bytes, size_t len)
{
	const uint8_t *at = memmem(bytes, len, list->run, sizeof(list->run));
	uint32_t index;

	if (at == NULL || len - (size_t)(at - bytes) < PACKET_TOKEN_BYTES)
		return NULL;
	memcpy(&index, at + sizeof(list->run), sizeof(index));
	return index < list->count ? &list->items[index] : NULL;
}

struct sentinel *
sentinel_by_port(const struct sentinel_list *list,
    const struct site_origin *origin, const struct packet_seen *seen)
{
	int v6 = !addr_is_v4(&seen->src), is_tcp = seen->proto == IPPROTO_TCP;
	int is_forged = addr_compare(site_forged(v6), &seen->src) == 0;
	uint32_t i, lane = origin->lanes[v6][is_forged][is_tcp];
	struct sentinel *item;

	if (seen->sport < SITE_PORT_FIRST || lane == 0)
		return NULL;
	for (i = 0; i < origin->count; i++) {
		item = &list->items[origin->first + i];
		if (item->v6 == v6 && item->is_forged == is_forged &&
		    (item->kind->proto == IPPROTO_TCP) == is_tcp &&
		    item->slot == (seen->sport - SITE_PORT_FIRST) % lane)
			return item;
	}
	return NULL;
}
