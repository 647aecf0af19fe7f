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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "flowlog/conntrack.h"
#include "flowlog/nflog.h"
#include "flowlog/owner.h"

#define READS_PER_EVENT 64 /* then the others have their turn */
#define DRAIN_READS 4096
#define BUFFER_BYTES 65536

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
	uint64_t next_id;
	uint64_t passed;
	uint64_t blocked;
	struct nflog_sequence sequence;
	struct owners *owners;
	struct source source[IPC_SOURCE_COUNT];
};

static void
add_row(struct sources *sources, struct flow_record *record)
{
	static const struct batch_origin nobody = { 0 };

	record->id = sources->next_id;
	sources->next_id += FLOW_ID_STEP;
	(void)batch_add_flow(sources->batch, record, &nobody);
}

static void
on_conntrack(struct sources *sources, const struct nlmsghdr *header)
{
	struct conntrack_event event;
	struct flow_record record;

	if (conntrack_parse(header, &event) == -1) {
		batch_add_loss(
		    sources->batch, LOSS_UNREADABLE, errno == EBADMSG);
		return;
	}
	if (event.kind == CONNTRACK_OTHER ||
	    !conntrack_passed(&event, sources->image))
		return;
	if (event.kind == CONNTRACK_NEW) {
		sources->passed++;
		return;
	}
	conntrack_record(&event, sources->image, clock_real_us(), &record);
	add_row(sources, &record);
}

static void
on_nflog(struct sources *sources, const struct nlmsghdr *header)
{
	struct nflog_packet packet;
	struct flow_record record;
	int parsed = nflog_parse(header, &packet);

	if (parsed == -1 && errno == ENOMSG)
		return;
	batch_add_loss(sources->batch, LOSS_UNREADABLE, parsed == -1);
	batch_add_loss(sources->batch, LOSS_NFLOG,
	    nflog_missing(&sources->sequence, &packet));
	if (parsed == -1)
		return;
	sources->blocked++;
	nflog_record(&packet, clock_real_us(), &record);
	add_row(sources, &record);
}

static void
on_owner(struct sources *sources, const struct nlmsghdr *header)
{
	struct nflog_packet packet;
	struct flow_record record;

	/* Without it a row lacks its uid, and nothing else. */
	if (nflog_parse(header, &packet) == -1)
		return;
	nflog_record(&packet, 0, &record);
	owners_add(sources->owners, &record);
}

/* overrun: what is lost when the kernel says ENOBUFS. */
static const struct {
	void (*handle)(struct sources *, const struct nlmsghdr *);
	enum batch_loss loss;
	uint64_t overrun;
} kinds[IPC_SOURCE_COUNT] = {
	[IPC_SOURCE_CONNTRACK] = { on_conntrack, LOSS_CONNTRACK, 1 },
	/* The sequence numbers will tell, exactly. */
	[IPC_SOURCE_NFLOG] = { on_nflog, LOSS_NFLOG, 0 },
	[IPC_SOURCE_OWNERS] = { on_owner, LOSS_NFLOG, 0 },
};

/* One datagram holds one message or several. */
static void
read_messages(struct source *source, const void *buffer, size_t bytes)
{
	const struct nlmsghdr *header = buffer;
	int left = (int)bytes;

	while (mnl_nlmsg_ok(header, left)) {
		if (header->nlmsg_type >= NLMSG_MIN_TYPE)
			kinds[source->kind].handle(source->owner, header);
		header = mnl_nlmsg_next(header, &left);
	}
}

/* 1 when there may be more, 0 when there is none for now, -1 at an error. */
static int
read_one(struct source *source)
{
	/* A message of one kind may lead to reading another. */
	static _Alignas(
	    struct nlmsghdr) char buffers[IPC_SOURCE_COUNT][BUFFER_BYTES];
	char *buffer = buffers[source->kind];
	struct sockaddr_nl sender = { 0 };
	struct iovec part = { .iov_base = buffer, .iov_len = BUFFER_BYTES };
	struct msghdr message = { .msg_name = &sender,
		.msg_namelen = sizeof(sender),
		.msg_iov = &part,
		.msg_iovlen = 1 };
	ssize_t n = recvmsg(source->fd, &message, MSG_DONTWAIT);

	if (n == -1 && errno == ENOBUFS) {
		batch_add_loss(source->owner->batch, kinds[source->kind].loss,
		    kinds[source->kind].overrun);
		return 1;
	}
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	/* Only the kernel's word counts (netlink(7)). */
	if (n == 0 || sender.nl_pid != 0)
		return n == 0 ? -1 : 1;
	if (message.msg_flags & MSG_TRUNC)
		batch_add_loss(source->owner->batch, LOSS_UNREADABLE, 1);
	else
		read_messages(source, buffer, (size_t)n);
	return 1;
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
sources_set_image(struct sources *sources, const struct image *image)
{
	unsigned int i;

	sources->image = image;
	for (i = 0; i < IPC_SOURCE_COUNT; i++)
		if (sources->source[i].readable != NULL)
			event_add(sources->source[i].readable, NULL);
}

void
sources_set_next_id(struct sources *sources, uint64_t next_id)
{
	sources->next_id = next_id;
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
	return sources->passed;
}

uint64_t
sources_blocked(const struct sources *sources)
{
	return sources->blocked;
}
