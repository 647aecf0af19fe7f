/* SPDX-License-Identifier: ISC */
/* Has first bytes of hostile clients read, and decides where they wait. */
#include "relay/beginning.h"

#include <sys/types.h>

#include <errno.h>
#include <string.h>

#include "relay/pump.h"

/* More than most have at once: copying them at each look costs nothing. */
#define TAKE_BYTES 4096

void
beginning_init(struct beginning *beginning, struct beginnings *all)
{
	memset(beginning, 0, sizeof(*beginning));
	beginning->all = all;
}

static int
room_take(struct beginning *beginning)
{
	if (beginning->is_long)
		return 0;
	if (beginning->all->busy == BEGINNINGS_LONG)
		return -1;
	beginning->is_long = 1;
	beginning->all->busy++;
	return 0;
}

void
beginning_end(struct beginning *beginning)
{
	beginning->all->busy -= beginning->is_long;
	beginning->is_long = 0;
}

enum sniff_status
beginning_read(struct beginning *beginning, const void *bytes, size_t len,
    struct sniff_name *name)
{
	enum sniff_status status =
	    sniff_stream(&beginning->course, bytes, len, name);

	if (status == SNIFF_MORE && len > SNIFF_MOST_BYTES &&
	    room_take(beginning) == -1) {
		name->too_long = 1;
		status = SNIFF_NONE;
	}
	return status;
}

int
beginning_look(struct beginning *beginning, struct pump *pump, int fd,
    struct sniff_name *name, size_t *len)
{
	enum sniff_status status;
	const void *bytes;
	ssize_t n;
	int peeked;

	if (!pump_keeps(pump)) {
		peeked = sniff_socket(&beginning->course, fd, name, len);
		if (peeked != SNIFF_MORE || *len < TAKE_BYTES)
			return peeked;
	}
	do {
		n = pump_take(pump, fd);
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			return -1;
		bytes = pump_held(pump, len);
		status = beginning_read(beginning, bytes, *len, name);
	} while (n > 0 && status == SNIFF_MORE);
	return n == 0 ? SNIFF_NONE : status;
}
