/* SPDX-License-Identifier: ISC */
/*
 * One loop plays clients and server: their sockets live in namespaces of their
 * own, and belong to this process all the same.
 */
#include "ctl/leak/trial.h"

#include <linux/if_packet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "ctl/leak/parent.h"

#define QUIET_MS 40 /* whoever has something to send has sent it */
#define SETTLE_US 1000000
#define EVENTS 64

/* Who an event is for; the number beside it is a descriptor or a sentinel's. */
enum watched { CAPTURE, LISTENER, ACCEPTED, SENTINEL };

static int
watch(const struct trial *trial, int fd, enum watched what, uint32_t number,
    uint32_t events)
{
	struct epoll_event event = { .events = events,
		.data.u64 = (uint64_t)what << 32 | number };

	if (epoll_ctl(trial->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	log_warn("epoll");
	return -1;
}

static int
listen_on(const struct trial *trial, uint16_t port)
{
	struct sockaddr_in6 name = { .sin6_family = AF_INET6,
		.sin6_port = htons(port) };
	int on = 1, fd;

	fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd != -1)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd == -1 ||
	    bind(fd, (struct sockaddr *)&name, sizeof(name)) == -1 ||
	    listen(fd, SOMAXCONN) == -1) {
		/* Two sentinels may go to one port. */
		if (fd != -1)
			close(fd);
		if (errno == EADDRINUSE)
			return 0;
		log_warn("server");
		return -1;
	}
	return watch(trial, fd, LISTENER, (uint32_t)fd, EPOLLIN);
}

/* A client listens, too: to what the gateway sends it. */
static int
listen_for(const struct trial *trial, const struct sentinel *sentinel)
{
	const struct site_origin *client = &trial->site.origins[0];
	int v6 = sentinel->v6;
	const struct net *net =
	    addr_compare(&client->far[v6], &sentinel->target.dst) == 0
		? &client->net
		: &trial->site.server;

	return net_enter(net) == -1 ? -1
				    : listen_on(trial, sentinel->target.dport);
}

/* Of what is sent to the server or a client, by whatever end of a link. */
static uint64_t
lost(const struct trial *trial)
{
	uint64_t sum = net_lost(&trial->site.gateway);
	size_t i;

	for (i = 0; i < trial->site.norigins; i++)
		if (!trial->site.origins[i].is_own)
			sum += net_lost(&trial->site.origins[i].net);
	return sum;
}

int
trial_new(struct trial *trial, const struct image *image)
{
	uint32_t i;

	trial->image = image;
	trial->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (trial->epoll == -1) {
		log_warn("epoll");
		return -1;
	}
	if (site_build(&trial->site, image) == -1 ||
	    sentinel_plan(&trial->site, image, &trial->sentinels) == -1)
		return -1;
	for (i = 0; i < trial->site.ncaptures; i++)
		if (watch(trial, trial->site.captures[i], CAPTURE, i,
			EPOLLIN) == -1)
			return -1;
	for (i = 0; i < trial->sentinels.count; i++)
		if (sentinel_is_stream(&trial->sentinels.items[i]) &&
		    listen_for(trial, &trial->sentinels.items[i]) == -1)
			return -1;
	return 0;
}

static void
leak_keep(struct trial *trial, const struct sentinel *sentinel,
    const struct packet_seen *seen, const uint8_t *bytes, size_t len)
{
	struct trial_leak *leak;
	size_t i;

	trial->leaked++;
	for (i = 0; i < trial->nleaks; i++) {
		leak = &trial->leaks[i];
		if (leak->phase == trial->phase && leak->sentinel == sentinel) {
			leak->count++;
			return;
		}
	}
	if (trial->nleaks == TRIAL_LEAKS)
		return;
	leak = &trial->leaks[trial->nleaks++];
	leak->count = 1;
	leak->at_us = clock_real_us();
	leak->phase = trial->phase;
	leak->stage = trial->stage;
	leak->sentinel = sentinel;
	leak->seen = *seen;
	leak->len = len;
	leak->kept = len < TRIAL_LEAK_BYTES ? len : TRIAL_LEAK_BYTES;
	if (leak->kept > 0)
		memcpy(leak->bytes, bytes, leak->kept);
}

uint32_t
trial_answered(struct trial *trial, int is_last)
{
	const struct sentinel *item;
	struct packet_seen seen = { .proto = IPPROTO_UDP };
	uint32_t i, missing = 0;

	for (i = 0; i < trial->sentinels.count; i++) {
		item = &trial->sentinels.items[i];
		if (!sentinel_is_question(item) || item->is_denied ||
		    item->class != JUDGE_ANSWER || !item->can_arrive)
			continue;
		missing++;
		seen.src = item->target.src;
		seen.dst = item->target.dst;
		seen.sport = item->sport;
		seen.dport = item->target.dport;
		if (is_last)
			leak_keep(trial, item, &seen, NULL, 0);
	}
	return missing;
}

/* Of a client, but of no sentinel: its kernel's, or made of a sentinel. */
static enum judge_class
class_unknown(const struct trial *trial, const struct packet_seen *seen)
{
	return seen->proto == IPPROTO_TCP || seen->proto == IPPROTO_UDP
		   ? JUDGE_BLOCK
		   : judge_packet(trial->image, 0, seen->proto, &seen->src,
			 &seen->dst, 0);
}

/* A sentinel of the gateway itself, as it was sent. */
static int
is_own(const struct sentinel *sentinel, const struct packet_seen *seen)
{
	return sentinel != NULL && sentinel->origin->is_own &&
	       (!seen->has_ports || seen->sport >= SITE_PORT_FIRST);
}

/*
 * The kernel itself resets what comes to a socket that is closed by now; it is
 * no user, and captured with the whole host only.
 */
static int
is_of_kernel(const struct trial *trial, const struct sentinel *sentinel,
    const struct packet_seen *seen)
{
	return image_settings(trial->image)->local == LOCAL_USERS &&
	       sentinel->origin->is_own && seen->proto == IPPROTO_TCP &&
	       (seen->tcp_flags & TH_RST) != 0;
}

/* at_server: 0 where clients are, to whom others answer as well. */
static void
on_packet(struct trial *trial, int at_server, const uint8_t *bytes, size_t len)
{
	enum judge_way way = JUDGE_DIRECT;
	const struct site_origin *origin;
	struct packet_seen seen;
	struct sentinel *sentinel;
	enum judge_class class;

	if (packet_read(bytes, len, &seen) == -1)
		return;
	sentinel = sentinel_by_token(&trial->sentinels, bytes, len);
	origin = site_origin_of(&trial->site, &seen.src);
	if (sentinel == NULL && origin != NULL && seen.has_ports) {
		sentinel = sentinel_by_port(&trial->sentinels, origin, &seen);
		if (sentinel != NULL && is_of_kernel(trial, sentinel, &seen))
			return;
	}
	if (!at_server && (sentinel == NULL || !sentinel->origin->is_own))
		return;
	if (sentinel == NULL &&
	    (origin == NULL || site_is_gateway(&trial->site, &seen.src)))
		return; /* the gateway's, or its kernel's */
	if (site_is_gateway(&trial->site, &seen.src) &&
	    !is_own(sentinel, &seen))
		way = JUDGE_RELAYED;
	class =
	    sentinel != NULL ? sentinel->class : class_unknown(trial, &seen);
	if (judge_arrival(image_settings(trial->image)->on_failure, class,
		trial->stage, way) == DENY)
		leak_keep(trial, sentinel, &seen, bytes, len);
	else if (sentinel != NULL && way == JUDGE_RELAYED)
		sentinel->relayed++;
	else if (sentinel != NULL)
		sentinel->direct++;
}

static void
on_capture(struct trial *trial, uint32_t number)
{
	struct sockaddr_ll from;
	socklen_t from_len = sizeof(from);
	uint8_t bytes[65536];
	ssize_t n;

	while ((n = recvfrom(trial->site.captures[number], bytes, sizeof(bytes),
		    0, (struct sockaddr *)&from, &from_len)) > 0) {
		if (from.sll_pkttype != PACKET_OUTGOING)
			on_packet(trial, number + 1 == trial->site.ncaptures,
			    bytes, (size_t)n);
		from_len = sizeof(from);
	}
}

static void
on_listener(struct trial *trial, uint32_t number)
{
	int fd;

	while ((fd = accept4((int)number, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1)
		if (watch(trial, fd, ACCEPTED, (uint32_t)fd, EPOLLIN) == -1)
			close(fd);
}

static void
on_accepted(struct trial *trial, uint32_t number)
{
	char bytes[4096];
	ssize_t n;

	(void)trial;
	do
		n = recv((int)number, bytes, sizeof(bytes), 0);
	while (n > 0);
	if (n == 0 || errno != EAGAIN)
		close((int)number);
}

static void
on_sentinel(struct trial *trial, uint32_t number)
{
	struct sentinel *sentinel = &trial->sentinels.items[number];

	if (sentinel_is_question(sentinel))
		sentinel_answered(sentinel);
	else
		sentinel_connected(sentinel);
}

/* What there is within a time; 0 when nothing was. */
static int
hear(struct trial *trial, int patience_ms)
{
	static void (*const handlers[])(struct trial *, uint32_t) = {
		[CAPTURE] = on_capture,
		[LISTENER] = on_listener,
		[ACCEPTED] = on_accepted,
		[SENTINEL] = on_sentinel,
	};
	struct epoll_event events[EVENTS];
	int i, n = epoll_wait(trial->epoll, events, EVENTS, patience_ms);

	for (i = 0; i < n; i++)
		handlers[events[i].data.u64 >> 32](
		    trial, (uint32_t)events[i].data.u64);
	return n;
}

/* Until nothing has come for so long. */
static void
settle(struct trial *trial)
{
	int64_t limit_us = clock_mono_us() + SETTLE_US;

	while (hear(trial, QUIET_MS) != 0 && clock_mono_us() < limit_us)
		;
}

void
trial_wait(struct trial *trial, int64_t until_us)
{
	int64_t left_us;

	while ((left_us = until_us - clock_mono_us()) > 0)
		(void)hear(trial, (int)(left_us / 1000 + 1));
}

static void
send_one(struct trial *trial, uint32_t index)
{
	struct sentinel *sentinel = &trial->sentinels.items[index];

	if (sentinel_send(sentinel, trial->round) == -1)
		trial->unsent++;
	else
		trial->sent++;
	if (sentinel->fd != -1 &&
	    watch(trial, sentinel->fd, SENTINEL, index,
		EPOLLONESHOT |
		    (sentinel_is_question(sentinel) ? EPOLLIN : EPOLLOUT)) ==
		-1)
		sentinel_abort(sentinel);
}

static void
send_origin(struct trial *trial, const struct site_origin *origin)
{
	const struct site_user *user = NULL;
	uint32_t i;

	if (net_enter(&origin->net) == -1)
		trial->unsent += origin->count;
	else
		for (i = origin->first; i < origin->first + origin->count;
		     i++) {
			if (trial->sentinels.items[i].user != user) {
				user = trial->sentinels.items[i].user;
				if (parent_follow_as(user->account.uid) == -1)
					trial->unsent++;
			}
			send_one(trial, i);
		}
	if (parent_follow_as(0) == -1)
		trial->unsent++;
}

static void
send_all(struct trial *trial)
{
	const struct site_origin *origin;
	size_t i;

	for (i = 0; i < trial->site.norigins; i++) {
		origin = &trial->site.origins[i];
		if (!origin->is_own || !trial->own_silent)
			send_origin(trial, origin);
	}
}

void
trial_round(struct trial *trial)
{
	uint32_t i;

	send_all(trial);
	settle(trial);
	for (i = 0; i < trial->sentinels.count; i++)
		sentinel_abort(&trial->sentinels.items[i]);
	settle(trial);
	trial->round++;
}

void
trial_enter(struct trial *trial, enum judge_stage stage)
{
	uint32_t i;

	settle(trial);
	/* Nothing depends on what is lost before; links come up then. */
	if (trial->stage == JUDGE_BARE)
		trial->lost = lost(trial);
	trial->stage = stage;
	for (i = 0; i < trial->sentinels.count; i++) {
		trial->sentinels.items[i].direct = 0;
		trial->sentinels.items[i].relayed = 0;
		trial->sentinels.items[i].is_denied = 0;
	}
}

int
trial_expects(const struct trial *trial, const struct sentinel *sentinel)
{
	enum on_failure mode = image_settings(trial->image)->on_failure;

	if (sentinel->origin->is_own && trial->own_silent)
		return 0;
	if (trial->stage != JUDGE_BARE &&
	    (!sentinel_is_flow(sentinel) || sentinel_is_uncertain(sentinel)))
		return 0;
	if (trial->stage == JUDGE_ARMED && sentinel_has_no_way(sentinel))
		return 0;
	if (judge_arrival(mode, sentinel->class, trial->stage, JUDGE_DIRECT) ==
	    ALLOW)
		return 1;
	return trial->stage == JUDGE_ARMED && sentinel_is_stream(sentinel) &&
	       judge_arrival(
		   mode, sentinel->class, trial->stage, JUDGE_RELAYED) == ALLOW;
}

struct trial_count
trial_count(const struct trial *trial)
{
	struct trial_count count = { 0, 0 };
	uint32_t i;

	for (i = 0; i < trial->sentinels.count; i++) {
		const struct sentinel *item = &trial->sentinels.items[i];

		if (!item->can_arrive || !trial_expects(trial, item))
			continue;
		count.expected++;
		count.seen += item->direct + item->relayed > 0;
	}
	return count;
}

static int
is_capture_whole(int fd)
{
	struct tpacket_stats stats = { 0 };
	socklen_t len = sizeof(stats);

	return getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) ==
		   0 &&
	       stats.tp_drops == 0;
}

int
trial_check(const struct trial *trial)
{
	const char *what = NULL;
	size_t i;

	for (i = 0; i < trial->site.ncaptures; i++)
		if (!is_capture_whole(trial->site.captures[i]))
			what = "the capture has lost packets";
	if (trial->unsent > 0)
		what = "sentinels could not be sent";
	else if (trial->stage != JUDGE_BARE && lost(trial) != trial->lost)
		what = "a link has lost packets";
	if (what == NULL)
		return 0;
	log_warnx("%s: nothing is proven", what);
	return -1;
}
