/* SPDX-License-Identifier: ISC */
/*
 * Owns the netlink sockets.  Reads what the kernel says about packets of
 * hostile hosts; a message that cannot be read is counted, never fatal.
 */
#include "flowlog/source.h"

#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "flowlog/conntrack.h"
#include "flowlog/host.h"
#include "flowlog/ledger.h"
#include "flowlog/nflog.h"
#include "flowlog/owner.h"

#define READS_PER_EVENT 64 /* then the others have their turn */
#define DRAIN_READS 4096
#define LIVES_MOST 3 /* that may end over one datagram */

struct source {
	struct sources *owner;
	enum ipc_source kind;
	int fd; /* -1: none */
	struct event *readable;
};

struct sources {
	struct event_base *base;
	struct batch *batch;
	const struct image *image;
	struct ledger *ledger;
	uint64_t followed; /* rows of the ledger that the batch was given */
	int has_room;	   /* for the row of the message in hand */
	struct owners *owners;
	struct source source[IPC_SOURCE_COUNT];
	struct ledger_datagram owned; /* in hand, of IPC_SOURCE_OWNERS */
};

static const enum flow_loss losses[LEDGER_LOSSES] = {
	[LEDGER_OVERRUN] = LOSS_CONNTRACK,
	[LEDGER_GAP] = LOSS_NFLOG,
	[LEDGER_UNREADABLE] = LOSS_UNREADABLE,
	[LEDGER_NO_ROOM] = LOSS_KERNEL_QUEUE,
};

/* Gives the batch what is new in the ledger. */
static void
follow(struct sources *sources)
{
	struct batch_origin origin = { .worker = LIMIT_FLOW_WORKER };
	struct flow_record record;
	unsigned int i;

	while (sources->followed < ledger_state(sources->ledger)->tail) {
		ledger_row(sources->ledger, sources->followed, &record);
		host_find(&record);
		/* To add one may write it, and then all is written. */
		origin.sequence = ++sources->followed;
		(void)batch_add_flow(sources->batch, &record, &origin);
	}
	for (i = 0; i < LEDGER_LOSSES; i++)
		batch_kernel_lost(sources->batch, losses[i],
		    ledger_state(sources->ledger)->lost[i]);
}

static void
lose(struct source *source, enum ledger_loss loss, uint64_t count)
{
	struct sources *sources = source->owner;

	/* Who owns a flow costs no row, and is read in the midst of others. */
	if (source->kind == IPC_SOURCE_OWNERS)
		return;
	ledger_stage(sources->ledger)->lost[loss] += count;
	ledger_commit(sources->ledger);
	follow(sources);
}

static void
add_row(struct sources *sources, struct ledger_state *state,
    struct flow_record *record)
{
	if (record->capture == FLOW_CAPTURE_LOCAL &&
	    record->uid == FLOW_UID_NONE)
		record->uid = sources_uid(sources, record);
	if (sources->has_room)
		ledger_add_row(sources->ledger, state, record);
	else
		state->lost[LEDGER_NO_ROOM]++;
}

static void
on_conntrack(struct sources *sources, const struct nlmsghdr *header,
    struct ledger_state *state)
{
	struct conntrack_event event;
	struct flow_record record;

	if (conntrack_parse(header, &event) == -1) {
		state->lost[LEDGER_UNREADABLE] += errno == EBADMSG;
		return;
	}
	if (event.kind == CONNTRACK_OTHER ||
	    !conntrack_passed(&event, sources->image))
		return;
	if (event.kind == CONNTRACK_NEW) {
		state->passed++;
		return;
	}
	conntrack_record(&event, sources->image, clock_real_us(), &record);
	if (record.unlogged) {
		state->unlogged++;
		return;
	}
	add_row(sources, state, &record);
}

static void
on_nflog(struct sources *sources, const struct nlmsghdr *header,
    struct ledger_state *state)
{
	struct nflog_sequence sequence = { .next = state->nflog_next,
		.known = (int)state->nflog_known };
	struct nflog_packet packet;
	struct flow_record record;
	int parsed = nflog_parse(header, &packet);

	if (parsed == -1 && errno == ENOMSG)
		return;
	state->lost[LEDGER_UNREADABLE] += parsed == -1;
	state->lost[LEDGER_GAP] += nflog_missing(&sequence, &packet);
	state->nflog_next = sequence.next;
	state->nflog_known = (uint32_t)sequence.known;
	if (parsed == -1)
		return;
	state->blocked++;
	nflog_record(&packet, clock_real_us(), &record);
	add_row(sources, state, &record);
}

/* Changes nothing in the ledger: without it a row lacks its uid. */
static void
on_owner(struct sources *sources, const struct nlmsghdr *header,
    struct ledger_state *state)
{
	struct nflog_packet packet;
	struct flow_record record;

	(void)state;
	if (nflog_parse(header, &packet) == -1)
		return;
	nflog_record(&packet, 0, &record);
	owners_add(sources->owners, &record);
}

/* overrun: what is lost when the kernel says ENOBUFS. */
static const struct {
	void (*handle)(
	    struct sources *, const struct nlmsghdr *, struct ledger_state *);
	uint64_t overrun;
} kinds[IPC_SOURCE_COUNT] = {
	[IPC_SOURCE_CONNTRACK] = { on_conntrack, 1 },
	/* The sequence numbers will tell, exactly. */
	[IPC_SOURCE_NFLOG] = { on_nflog, 0 },
	[IPC_SOURCE_OWNERS] = { on_owner, 0 },
};

static struct ledger_datagram *
datagram_of(struct source *source)
{
	/* A message of another kind may lead to reading this one. */
	if (source->kind == IPC_SOURCE_OWNERS)
		return &source->owner->owned;
	return &source->owner->ledger->datagram[source->kind];
}

/* One message, and that it is done with: both or none outlive this process. */
static void
message_read(struct source *source, const struct nlmsghdr *header, size_t done)
{
	struct sources *sources = source->owner;
	struct ledger_state *state = NULL;

	if (source->kind != IPC_SOURCE_OWNERS) {
		/* Before there is a change: to make room may end another. */
		sources->has_room = batch_has_room(sources->batch);
		state = ledger_stage(sources->ledger);
		state->done[source->kind] = (uint32_t)done;
	}
	if (header->nlmsg_type >= NLMSG_MIN_TYPE)
		kinds[source->kind].handle(sources, header, state);
	if (state == NULL)
		return;
	ledger_commit(sources->ledger);
	follow(sources);
}

/* What a datagram holds from there on: one message or several. */
static void
datagram_read(struct source *source, uint32_t done)
{
	const uint8_t *bytes = datagram_of(source)->byte;
	const struct nlmsghdr *header = (const void *)(bytes + done);
	int left = (int)(LEDGER_DATAGRAM_BYTES - done);

	while (mnl_nlmsg_ok(header, left)) {
		const struct nlmsghdr *message = header;

		header = mnl_nlmsg_next(header, &left);
		message_read(source, message,
		    left > 0 ? LEDGER_DATAGRAM_BYTES - (uint32_t)left
			     : LEDGER_DATAGRAM_BYTES);
	}
}

/* It is dealt with; all of it was in its first len bytes. */
static void
datagram_end(struct source *source, size_t len)
{
	struct ledger_datagram *datagram = datagram_of(source);
	struct ledger *ledger = source->owner->ledger;
	struct ledger_state *state;

	memset(datagram->byte, 0, len);
	datagram->sender.nl_pid = 0;
	if (source->kind == IPC_SOURCE_OWNERS)
		return;
	atomic_signal_fence(memory_order_seq_cst);
	state = ledger_stage(ledger);
	state->done[source->kind] = 0;
	state->tries[source->kind] = 0;
	ledger_commit(ledger);
}

/* 1 when there may be more, 0 when there is none for now, -1 at an error. */
static int
read_one(struct source *source)
{
	struct ledger_datagram *datagram = datagram_of(source);
	struct iovec part = { .iov_base = datagram->byte,
		.iov_len = sizeof(datagram->byte) };
	struct msghdr message = { .msg_name = &datagram->sender,
		.msg_namelen = sizeof(datagram->sender),
		.msg_iov = &part,
		.msg_iovlen = 1 };
	ssize_t n = recvmsg(source->fd, &message, MSG_DONTWAIT);

	if (n == -1 && errno == ENOBUFS) {
		lose(source, LEDGER_OVERRUN, kinds[source->kind].overrun);
		return 1;
	}
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	if (message.msg_flags & MSG_TRUNC)
		lose(source, LEDGER_UNREADABLE, 1);
	/* Only the kernel's word counts (netlink(7)). */
	else if (datagram->sender.nl_pid == 0)
		datagram_read(source, 0);
	datagram_end(source, (size_t)n);
	return 1;
}

/*
 * A process before this one was killed with a datagram in its hands.  One over
 * which processes die again and again is left unread.
 */
static void
take_over(struct source *source)
{
	struct ledger *ledger = source->owner->ledger;
	uint32_t lives;

	lives = ++ledger_stage(ledger)->tries[source->kind];
	ledger_commit(ledger);
	if (lives > LIVES_MOST)
		lose(source, LEDGER_UNREADABLE, 1);
	else if (datagram_of(source)->sender.nl_pid == 0)
		datagram_read(source, ledger_state(ledger)->done[source->kind]);
	datagram_end(source, LEDGER_DATAGRAM_BYTES);
}

static void
source_close(struct source *source)
{
	if (source->readable != NULL)
		event_free(source->readable);
	source->readable = NULL;
	if (source->fd != -1)
		close(source->fd);
	source->fd = -1;
}

static void
read_some(struct source *source, int most)
{
	int more = 1;

	while (more == 1 && most-- > 0)
		more = read_one(source);
	if (more != -1)
		return;
	log_warn("kernel events: unreadable");
	source_close(source);
}

static void
on_readable(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	read_some(arg, READS_PER_EVENT);
}

struct sources *
sources_new(struct event_base *base, struct batch *batch)
{
	struct sources *sources = calloc(1, sizeof(*sources));
	unsigned int i;

	if (sources == NULL)
		return NULL;
	if ((sources->owners = owners_new()) == NULL) {
		free(sources);
		return NULL;
	}
	sources->base = base;
	sources->batch = batch;
	for (i = 0; i < IPC_SOURCE_COUNT; i++) {
		sources->source[i].owner = sources;
		sources->source[i].kind = i;
		sources->source[i].fd = -1;
	}
	return sources;
}

void
sources_free(struct sources *sources)
{
	unsigned int i;

	if (sources == NULL)
		return;
	for (i = 0; i < IPC_SOURCE_COUNT; i++)
		source_close(&sources->source[i]);
	owners_free(sources->owners);
	free(sources);
}

int
sources_open(struct sources *sources, enum ipc_source kind, int fd)
{
	struct source *source = &sources->source[kind];

	source_close(source);
	source->fd = fd;
	source->readable = event_new(
	    sources->base, fd, EV_READ | EV_PERSIST, on_readable, source);
	if (source->readable == NULL) {
		source_close(source);
		errno = ENOMEM;
		return -1;
	}
	if (sources->image != NULL)
		event_add(source->readable, NULL);
	return 0;
}

void
sources_set_ledger(
    struct sources *sources, struct ledger *ledger, uint64_t next_id)
{
	struct ledger_state *state = ledger_stage(ledger);

	sources->ledger = ledger;
	sources->followed = state->head;
	if (state->next_id < next_id)
		state->next_id = next_id;
	ledger_commit(ledger);
}

void
sources_set_image(struct sources *sources, const struct image *image)
{
	int is_first = sources->image == NULL;
	unsigned int i;

	sources->image = image;
	if (is_first) {
		follow(sources);
		take_over(&sources->source[IPC_SOURCE_CONNTRACK]);
		take_over(&sources->source[IPC_SOURCE_NFLOG]);
	}
	for (i = 0; i < IPC_SOURCE_COUNT; i++)
		if (sources->source[i].readable != NULL)
			event_add(sources->source[i].readable, NULL);
}

void
sources_done(struct sources *sources, const struct batch_origin *origin)
{
	if (sources->ledger == NULL)
		return;
	ledger_done(sources->ledger,
	    origin != NULL ? origin->sequence : sources->followed);
	if (ledger_state(sources->ledger)->tail == 0)
		sources->followed = 0;
}

void
sources_drain(struct sources *sources)
{
	unsigned int i;

	for (i = 0; i < IPC_SOURCE_COUNT; i++)
		if (sources->source[i].fd != -1 && sources->image != NULL)
			read_some(&sources->source[i], DRAIN_READS);
}

uint32_t
sources_uid(struct sources *sources, const struct flow_record *record)
{
	struct source *source = &sources->source[IPC_SOURCE_OWNERS];

	/* It was told before the flow reached anybody. */
	if (source->fd != -1)
		read_some(source, DRAIN_READS);
	return owners_take(sources->owners, record);
}

uint64_t
sources_passed(const struct sources *sources)
{
	return ledger_state(sources->ledger)->passed;
}

uint64_t
sources_unlogged(const struct sources *sources)
{
	return ledger_state(sources->ledger)->unlogged;
}

uint64_t
sources_blocked(const struct sources *sources)
{
	return ledger_state(sources->ledger)->blocked;
}
