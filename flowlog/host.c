/* SPDX-License-Identifier: ISC */
/* Reads the tables of dnsds, which can be anything but no bad name. */
#include "flowlog/host.h"

#include <string.h>

#include "common/clock.h"
#include "policy/bindings.h"

_Static_assert(FLOW_HOST_BYTES == BINDING_NAME_BYTES, "names are hosts");

/* The second of CLOCK_MONOTONIC at a time of CLOCK_REALTIME. */
static uint32_t
mono_s(int64_t real_us)
{
	int64_t mono_us = clock_mono_us();
	int64_t ago_us = clock_real_us() - real_us;

	if (ago_us < 0 || ago_us > mono_us)
		ago_us = 0; /* the clock was set */
	return (uint32_t)((mono_us - ago_us) / 1000000);
}

void
host_find(struct flow_record *record)
{
	const struct binding *found;
	struct addr client, server;

	memcpy(client.byte, record->src, sizeof(client.byte));
	memcpy(server.byte, record->dst, sizeof(server.byte));
	found = bindings_find(&client, &server, NULL, mono_s(record->start_us));
	if (found->verdict == BINDING_UNKNOWN)
		return;
	memcpy(record->host, found->name, sizeof(record->host));
	record->host_source = FLOW_HOST_DNS;
}
