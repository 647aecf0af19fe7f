/* SPDX-License-Identifier: ISC */
/* Reads what a resolver sent, within the data given.  Pure. */
#include "dnsd/svcb.h"

#include "dnsd/dname.h"
#include "dnsd/private.h"
#include "dnsd/rdata.h"
#include "dnsd/wire.h"

#define PRIORITY_BYTES 2
#define PARAMETER_BYTES 4 /* key and length */
#define KEY_IPV4HINT 4
#define KEY_IPV6HINT 6

int
svcb_is(uint16_t type)
{
	return type == WIRE_SVCB || type == WIRE_HTTPS;
}

static void
spoil(struct svcb *svcb)
{
	svcb->bad = 1;
	svcb->at = svcb->end = svcb->hint = svcb->hints_end = NULL;
}

void
svcb_begin(struct svcb *svcb, const struct rdata *data)
{
	uint8_t target[LIMIT_DNS_NAME_BYTES];
	size_t at = data->at + PRIORITY_BYTES, end = data->at + data->bytes;

	*svcb = (struct svcb){ 0 };
	if (data->bytes < PRIORITY_BYTES ||
	    dname_read(data->message, data->len, &at, target) == -1 ||
	    at > end) {
		spoil(svcb);
		return;
	}
	svcb->at = data->message + at;
	svcb->end = data->message + end;
}

/* Goes to the next parameter; 0 when there is none. */
static int
next_parameter(struct svcb *svcb)
{
	size_t left = (size_t)(svcb->end - svcb->at), bytes;
	unsigned int key;

	if (left == 0)
		return 0;
	if (left < PARAMETER_BYTES ||
	    (bytes = wire_get16(svcb->at + 2)) > left - PARAMETER_BYTES) {
		spoil(svcb);
		return 0;
	}
	key = wire_get16(svcb->at);
	svcb->at += PARAMETER_BYTES + bytes;
	if (key != KEY_IPV4HINT && key != KEY_IPV6HINT)
		return 1;
	svcb->hint_bytes = key == KEY_IPV4HINT ? 4 : 16;
	if (bytes == 0 || bytes % svcb->hint_bytes != 0) {
		spoil(svcb);
		return 0;
	}
	svcb->hints_end = svcb->at;
	svcb->hint = svcb->at - bytes;
	return 1;
}

const uint8_t *
svcb_hint(struct svcb *svcb, size_t *bytes)
{
	const uint8_t *hint;

	while (svcb->hint == svcb->hints_end)
		if (!next_parameter(svcb))
			return NULL;
	hint = svcb->hint;
	*bytes = svcb->hint_bytes;
	svcb->hint += svcb->hint_bytes;
	return hint;
}

int
svcb_has_hints(const struct rdata *data)
{
	struct svcb svcb;
	size_t bytes;

	if (!svcb_is(data->type))
		return 0;
	svcb_begin(&svcb, data);
	return svcb_hint(&svcb, &bytes) != NULL;
}

int
svcb_is_private(const struct rdata *data)
{
	const uint8_t *hint;
	struct svcb svcb;
	size_t bytes;

	if (!svcb_is(data->type))
		return 0;
	svcb_begin(&svcb, data);
	while ((hint = svcb_hint(&svcb, &bytes)) != NULL)
		if (private_is(hint, bytes))
			return 1;
	return svcb.bad;
}
