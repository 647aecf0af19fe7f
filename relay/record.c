/* SPDX-License-Identifier: ISC */
#include "relay/record.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <stdatomic.h>
#include <string.h>

#include "common/clock.h"
#include "relay/journal.h"
#include "relay/names.h"

/* Its host may be "". */
static void
name_set(struct journal *journal, struct flow_entry *record,
    const struct sniff_name *name, enum flow_agreement agreement)
{
	record->ech = name->ech != 0;
	if (name->host[0] == '\0')
		return;
	journal_set_host(journal, record, name->source, name->host);
	record->dns_agrees = (uint8_t)agreement;
}

static void
hello_note(struct journal *journal, const struct sniff_name *name)
{
	if (name->too_long)
		atomic_fetch_add_explicit(&journal_arena(journal)->long_hello,
		    1, memory_order_relaxed);
}

struct flow_entry *
record_open(struct journal *journal, const struct flow_start *start)
{
	struct flow_entry *record = journal_open(journal);

	if (record == NULL)
		return NULL;
	record->start_us = clock_real_us();
	record->start_mono_us = clock_mono_us();
	memcpy(record->src, start->src.byte, sizeof(record->src));
	memcpy(record->dst, start->dst.byte, sizeof(record->dst));
	record->sport = start->sport;
	record->dport = start->dport;
	record->proto = start->proto;
	record->action = FLOW_ACTION_RELAY;
	record->capture = (uint8_t)start->capture;
	record->owner = start->owner;
	if (start->by_dns)
		journal_set_host(journal, record, FLOW_HOST_DNS, start->host);
	if (start->sent != NULL) {
		hello_note(journal, start->sent);
		name_set(journal, record, start->sent, start->agreement);
	}
	record_decide(record, start);
	return record;
}

struct flow_start
record_start(const struct flow_entry *record)
{
	struct flow_start start = { .sport = record->sport,
		.dport = record->dport,
		.proto = record->proto,
		.capture = (enum flow_capture)record->capture,
		.agreement = (enum flow_agreement)record->dns_agrees,
		.owner = record->owner,
		.generation = record->generation };

	memcpy(start.src.byte, record->src, sizeof(start.src.byte));
	memcpy(start.dst.byte, record->dst, sizeof(start.dst.byte));
	return start;
}

void
record_name(struct journal *journal, struct flow_entry *record,
    enum sniff_status status, const struct sniff_name *name)
{
	struct flow_start start = record_start(record);

	record->ech = name->ech != 0;
	hello_note(journal, name);
	if (status != SNIFF_FOUND)
		return;
	name_set(journal, record, name,
	    names_compare(&start.src, &start.dst, name->host));
}

void
record_decide(struct flow_entry *record, const struct flow_start *start)
{
	record->rule = start->rule;
	record->generation = start->generation;
	record->unlogged = start->unlogged;
}

void
record_blocked(struct journal *journal, struct flow_entry *record)
{
	if (record != NULL)
		record->action = FLOW_ACTION_BLOCK;
	atomic_fetch_add_explicit(
	    &journal_arena(journal)->blocked, 1, memory_order_relaxed);
}

void
record_tcp_info(struct flow_entry *record, int client)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
		return;
	record->rtt_us = info.tcpi_rtt;
	record->up_packets = info.tcpi_segs_in;
	record->down_packets = info.tcpi_segs_out;
}

void
record_close(struct journal *journal, struct flow_entry *record,
    enum flow_close why, int error)
{
	record->duration_us =
	    (uint64_t)(clock_mono_us() - record->start_mono_us);
	record->close = (uint8_t)why;
	record->error = (uint16_t)error;
	journal_close(journal, record);
}

int
record_is_chosen(
    const struct flow_entry *record, const struct flow_choice *choice)
{
	if (choice->id != 0)
		return record->id == choice->id;
	return memcmp(record->src, choice->client, sizeof(record->src)) == 0;
}
