/* SPDX-License-Identifier: ISC */
/* Reads records of relays, hostile ones included.  Pure. */
#include "flowlog/record.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "common/addr.h"
#include "policy/name.h"
#include "schema/limits.h"

#define BYTES_MOST (UINT64_C(1) << 48) /* so that sums do not overflow */

static int
id_is_of(uint64_t id, unsigned int worker)
{
	return id != 0 && id < 1ULL << 53 && id % FLOW_ID_STEP == worker;
}

static int
time_fits(const struct flow_record *record)
{
	return record->start_us > 0 && record->start_us <= LIMIT_TIME_US &&
	       record->start_mono_us >= 0 &&
	       record->duration_us <=
		   (uint64_t)LIMIT_TIME_US - (uint64_t)record->start_us;
}

static int
words_fit(const struct flow_record *record)
{
	return record->action < FLOW_ACTION_COUNT &&
	       record->capture < FLOW_CAPTURE_COUNT &&
	       record->close < FLOW_CLOSE_COUNT &&
	       record->source < FLOW_SOURCE_COUNT &&
	       record->host_source < FLOW_HOST_COUNT &&
	       record->dns_agrees < FLOW_AGREEMENT_COUNT;
}

/* A name exactly where its source is told, and one that may be shown. */
static int
host_fits(const struct flow_record *record)
{
	if (record->host_source == FLOW_HOST_NONE)
		return record->host[0] == '\0';
	return name_is_host(record->host, sizeof(record->host));
}

static int
addresses_fit(const struct flow_record *record)
{
	struct addr src, dst;

	memcpy(src.byte, record->src, sizeof(src.byte));
	memcpy(dst.byte, record->dst, sizeof(dst.byte));
	return addr_is_v4(&src) == addr_is_v4(&dst);
}

const char *
record_violation(const struct flow_record *record, unsigned int worker)
{
	static const uint8_t zero[sizeof(record->reserved_too)];

	if (record->worker != worker || !id_is_of(record->id, worker))
		return "a flow id of another worker";
	if (!time_fits(record))
		return "a flow's time out of range";
	if (record->up_bytes > BYTES_MOST || record->down_bytes > BYTES_MOST)
		return "a flow's bytes out of range";
	if (record->proto != IPPROTO_TCP && record->proto != IPPROTO_UDP)
		return "a flow's protocol";
	if (!words_fit(record))
		return "a flow's word out of range";
	if (!host_fits(record))
		return "a flow's host is no name";
	if (!addresses_fit(record))
		return "a flow between two families";
	if (record->error > FLOW_ERROR_MAX)
		return "a flow's error out of range";
	if (record->ech > 1)
		return "a flow with ECH or without";
	if (record->unlogged != 0)
		return "a flow that shall have no row";
	if (memcmp(record->reserved_too, zero, sizeof(zero)) != 0)
		return "a flow's reserved bytes";
	/* Exactly the last row of a flow says how it ended. */
	if (record->final > 1 ||
	    record->final != (record->close != FLOW_CLOSE_NONE))
		return "a flow that is neither open nor closed";
	return NULL;
}
