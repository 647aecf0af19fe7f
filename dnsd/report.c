/* SPDX-License-Identifier: ISC */
#include "dnsd/report.h"

#include <string.h>

#include "common/clock.h"
#include "dnsd/answer.h"
#include "dnsd/client.h"
#include "dnsd/query.h"
#include "dnsd/serve.h"
#include "dnsd/wire.h"

static void
address_put(struct addr *addr, const struct answer_record *record)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (record->type == WIRE_AAAA) {
		memcpy(addr->byte, record->data, sizeof(addr->byte));
		return;
	}
	memcpy(addr->byte, mapped, sizeof(mapped));
	memcpy(addr->byte + sizeof(mapped), record->data, 4);
}

uint64_t
report_binding(struct front *front, const struct reply *reply)
{
	const struct question *question = &reply->query->question;
	struct addr addrs[FRONT_BINDING_ADDRS];
	struct front_binding binding = {
		.client = &reply->client->addr,
		.question = question,
		.addrs = addrs,
	};
	struct answer_record record;
	uint64_t number, last = 0;
	unsigned int i;

	if (front->ops->learn == NULL ||
	    (reply->answer->has & ANSWER_ADDRESSES) == 0)
		return 0;
	binding.ttl_s = answer_ttl(reply->answer, reply->age);
	for (i = 0; i < reply->answer->answers; i++) {
		answer_record(reply->answer, question, i, &record);
		if (record.type != WIRE_A && record.type != WIRE_AAAA)
			continue;
		address_put(&addrs[binding.count++], &record);
		if (binding.count < FRONT_BINDING_ADDRS)
			continue;
		number = front->ops->learn(front->ctx, &binding);
		last = number != 0 ? number : last;
		binding.count = 0;
	}
	number =
	    binding.count > 0 ? front->ops->learn(front->ctx, &binding) : 0;
	return number != 0 ? number : last;
}

static void
count(struct front *front, const struct reply *reply)
{
	front->progress++;
	if (reply->source == DNS_SOURCE_POLICY)
		front->stats.blocked++;
	if (reply->answer->rcode == WIRE_SERVFAIL)
		front->stats.servfail++;
}

void
report_reply(struct front *front, const struct reply *reply)
{
	const struct client *client = reply->client;
	const struct question *question = &reply->query->question;
	const struct answer *answer = reply->answer;
	struct dns_record *record = &front->record;
	int64_t now_us = clock_mono_us();

	count(front, reply);
	record->time_us = reply->asked_us + front->epoch_us;
	record->latency_us =
	    (uint32_t)(now_us > reply->asked_us ? now_us - reply->asked_us : 0);
	dns_latency_count(
	    &front->stats.latency[reply->source], record->latency_us);
	record->ttl_s = answer_ttl(answer, reply->age);
	record->generation = front->settings.generation;
	memcpy(record->client, client->addr.byte, sizeof(record->client));
	memcpy(record->server, client->server.byte, sizeof(record->server));
	record->cport = client->port;
	record->qtype = question->qtype;
	record->rcode = answer->rcode;
	record->ede = answer->ede;
	record->rule = reply->rule;
	record->answer_count = answer->answers;
	record->summary_bytes = answer->summary_bytes;
	record->name_bytes = question->name_bytes;
	record->transport = client->transport;
	record->source = (uint8_t)reply->source;
	record->security = answer->security;
	record->action = reply->source == DNS_SOURCE_POLICY ? FLOW_ACTION_BLOCK
							    : FLOW_ACTION_RELAY;
	record->capture = client->capture;
	record->worker = (uint8_t)front->settings.worker;
	record->one_in = 1;
	memcpy(record->rest, question->name, question->name_bytes);
	if (answer->summary_bytes != 0)
		memcpy(record->rest + question->name_bytes, answer->summary,
		    answer->summary_bytes);
	front->ops->log(front->ctx, record);
}
