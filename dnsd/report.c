/* SPDX-License-Identifier: ISC */
/* Reads answers that were checked when they were taken apart. */
#include "dnsd/report.h"

#include <string.h>

#include "common/clock.h"
#include "dnsd/answer.h"
#include "dnsd/client.h"
#include "dnsd/query.h"
#include "dnsd/rdata.h"
#include "dnsd/serve.h"
#include "dnsd/svcb.h"
#include "dnsd/wire.h"
#include "policy/binding.h"

#define HINTS_MOST 16 /* of a record, that are learnt */

/* Addresses for a name, which are told when there are enough. */
struct lesson {
	struct front *front;
	struct front_binding binding;
	struct question asked;
	char aliases[BINDING_ALIASES_BYTES];
	struct addr addrs[FRONT_BINDING_ADDRS];
	uint64_t last; /* what the answer waits for, or 0 */
};

static void
lesson_tell(struct lesson *lesson)
{
	uint64_t number;

	if (lesson->binding.count == 0)
		return;
	number =
	    lesson->front->ops->learn(lesson->front->ctx, &lesson->binding);
	if (number != 0)
		lesson->last = number;
	lesson->binding.count = 0;
}

static void
lesson_add(struct lesson *lesson, const uint8_t *bytes, size_t len)
{
	struct addr *addr = &lesson->addrs[lesson->binding.count++];

	if (len == sizeof(addr->byte))
		memcpy(addr->byte, bytes, sizeof(addr->byte));
	else
		addr_from_v4(bytes, addr);
	if (lesson->binding.count == FRONT_BINDING_ADDRS)
		lesson_tell(lesson);
}

/* A client goes to the first of them; there may be thousands. */
static void
lesson_add_hints(struct lesson *lesson, const struct answer_record *record)
{
	const struct rdata data = {
		.message = record->data,
		.len = record->bytes,
		.bytes = record->bytes,
		.type = record->type,
	};
	const uint8_t *hint;
	struct svcb svcb;
	size_t bytes, most = HINTS_MOST;

	svcb_begin(&svcb, &data);
	while (most-- > 0 && (hint = svcb_hint(&svcb, &bytes)) != NULL)
		lesson_add(lesson, hint, bytes);
}

/*
 * Whose service is asked for: labels with _ before a host's name say which
 * (RFC 9460, 2.3).
 */
static void
name_service(struct question *question)
{
	const uint8_t *name = question->name;
	size_t at = 0;

	while (name[at] != 0 && name[at + 1] == '_')
		at += 1U + name[at];
	question->name_bytes = (uint8_t)(question->name_bytes - at);
	memmove(question->name, name + at, question->name_bytes);
}

/* Those that have room, in the order of the answer. */
static void
lesson_alias(struct lesson *lesson, const struct reply *reply)
{
	const struct question *question = &reply->query->question;
	uint8_t name[LIMIT_DNS_NAME_BYTES];
	char text[DNS_NAME_TEXT_BYTES];
	size_t used = 0, len;
	unsigned int i;

	memset(lesson->aliases, 0, sizeof(lesson->aliases));
	if ((reply->answer->has & ANSWER_ALIASES) == 0)
		return;
	for (i = 0; i < reply->answer->answers; i++) {
		if (answer_alias(reply->answer, question, i, name) == 0)
			continue;
		len = strlen(dns_name_text(name, text)) + 1;
		if (used + len >= sizeof(lesson->aliases))
			return;
		memcpy(lesson->aliases + used, text, len);
		used += len;
	}
}

uint64_t
report_binding(struct front *front, const struct reply *reply)
{
	const struct question *question = &reply->query->question;
	struct answer_record record;
	struct lesson lesson;
	unsigned int i;

	if (front->ops->learn == NULL ||
	    (reply->answer->has & ANSWER_ADDRESSES) == 0)
		return 0;
	lesson.front = front;
	lesson.last = 0;
	lesson.asked = *question;
	lesson.binding = (struct front_binding){
		.client = &reply->client->addr,
		.question = &lesson.asked,
		.aliases = lesson.aliases,
		.addrs = lesson.addrs,
		.ttl_s = answer_ttl(reply->answer, reply->age),
	};
	if (svcb_is(question->qtype))
		name_service(&lesson.asked);
	lesson_alias(&lesson, reply);
	for (i = 0; i < reply->answer->answers; i++) {
		answer_record(reply->answer, question, i, &record);
		if (record.type == WIRE_A || record.type == WIRE_AAAA)
			lesson_add(&lesson, record.data, record.bytes);
		else if (svcb_is(record.type))
			lesson_add_hints(&lesson, &record);
	}
	lesson_tell(&lesson);
	return lesson.last;
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
