/* SPDX-License-Identifier: ISC */
#include "relay/record.h"

#include <string.h>

#include "common/clock.h"
#include "relay/journal.h"

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
	record->rule = start->rule;
	record->generation = start->generation;
	return record;
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
