/* SPDX-License-Identifier: ISC */
/* Has datagrams of hostile clients read, see udp_sniff.c. */
#include "relay/udp_watch.h"

#include <string.h>

#include "relay/udp_packet.h"

void
udp_watch_log(struct udp_watch *watch, struct udp_sniffs *sniffs,
    const struct udp_packet *first)
{
	watch->sniffs = sniffs;
	watch->known.len = 0;
	watch->place = NULL;
	watch->state =
	    udp_sniff_begin(sniffs, &watch->place, first, &watch->known)
		? UDP_WATCH_LOG
		: UDP_WATCH_OVER;
}

void
udp_watch_strictly(struct udp_watch *watch, struct udp_sniffs *sniffs)
{
	watch->sniffs = sniffs;
	watch->place = NULL;
	watch->known.len = 0;
	watch->state = UDP_WATCH_QUIET;
}

/* Nobody can tell what the name is any more. */
static enum sniff_status
unreadable(struct udp_watch *watch, struct sniff_name *name)
{
	udp_watch_end(watch);
	memset(name, 0, sizeof(*name));
	name->unread = 1;
	return SNIFF_NONE;
}

/* Whether one of the packets begins a connection; *packets is then that. */
static int
seek(struct udp_watch *watch, const struct udp_packet **packets, int *n)
{
	for (; *n > 0; ++*packets, --*n)
		if (udp_sniff_begin(
			watch->sniffs, &watch->place, *packets, &watch->known))
			return 1;
	return 0;
}

static enum sniff_status
read_on(struct udp_watch *watch, const struct udp_packet *packets, int n,
    struct sniff_name *name)
{
	return udp_sniff_read(
	    watch->sniffs, &watch->place, packets, n, name, &watch->known);
}

/*
 * The same for a flow that its name decides: of two that begin at once, it
 * would have but one of the names.
 */
static enum sniff_status
read_strictly(struct udp_watch *watch, const struct udp_packet *packets, int n,
    struct sniff_name *name)
{
	enum sniff_status status = read_on(watch, packets, n, name);

	if (status == SNIFF_MORE)
		return status;
	if (name->another)
		return unreadable(watch, name);
	if (name->unread)
		udp_watch_end(watch);
	else
		watch->state = UDP_WATCH_NAMED;
	return status;
}

static enum sniff_status
read_for_log(struct udp_watch *watch, const struct udp_packet *packets, int n,
    struct sniff_name *name)
{
	enum sniff_status status = SNIFF_MORE;

	if (watch->place != NULL)
		status = read_on(watch, packets, n, name);
	if (status != SNIFF_MORE || watch->place == NULL)
		udp_watch_end(watch); /* or another flow has the place */
	return status;
}

static enum sniff_status
read_quiet(struct udp_watch *watch, const struct udp_packet *packets, int n,
    struct sniff_name *name)
{
	if (!seek(watch, &packets, &n))
		return SNIFF_MORE;
	watch->state = UDP_WATCH_READING;
	return read_strictly(watch, packets, n, name);
}

static enum sniff_status
read_hello(struct udp_watch *watch, const struct udp_packet *packets, int n,
    struct sniff_name *name)
{
	if (watch->place == NULL)
		return unreadable(watch, name);
	return read_strictly(watch, packets, n, name);
}

static enum sniff_status
read_nothing(struct udp_watch *watch, const struct udp_packet *packets, int n,
    struct sniff_name *name)
{
	(void)watch;
	(void)packets;
	(void)n;
	(void)name;
	return SNIFF_MORE;
}

enum sniff_status
udp_watch_read(struct udp_watch *watch, const struct udp_packet *packets, int n,
    struct sniff_name *name)
{
	static enum sniff_status (*const read[])(struct udp_watch *,
	    const struct udp_packet *, int, struct sniff_name *) = {
		[UDP_WATCH_OVER] = read_nothing,
		[UDP_WATCH_LOG] = read_for_log,
		[UDP_WATCH_QUIET] = read_quiet,
		[UDP_WATCH_READING] = read_hello,
		[UDP_WATCH_NAMED] = read_quiet,
	};

	return read[watch->state](watch, packets, n, name);
}

void
udp_watch_move(struct udp_watch *to, struct udp_watch *from)
{
	*to = *from;
	udp_sniff_move(&to->place, &from->place);
	from->state = UDP_WATCH_OVER;
}

void
udp_watch_end(struct udp_watch *watch)
{
	if (watch->place != NULL)
		udp_sniff_end(watch->sniffs, &watch->place);
	watch->state = UDP_WATCH_OVER;
}
