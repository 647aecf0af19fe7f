/* SPDX-License-Identifier: ISC */
/*
 * Flows that are open now, as tpxd reads them from the relays' arenas.  A
 * relay writes there as it likes, so any number in a record may be anything.
 */
#include <fnmatch.h>
#include <netinet/in.h>
#include <string.h>

#include "common/addr.h"
#include "common/clock.h"
#include "ctl/client.h"
#include "ctl/flows.h"
#include "ctl/image.h"
#include "ctl/json.h"
#include "ctl/live.h"
#include "ctl/when.h"
#include "policy/image.h"
#include "policy/name.h"

struct live {
	live_fn *each;
	void *ctx;
	const struct image *image; /* for the rules' text */
	int64_t now_us;		   /* CLOCK_MONOTONIC */
};

struct shown {
	const struct flows_filter *filter;
	struct json *json; /* NULL: text */
	int64_t count;
};

static void
address_word(const uint8_t bytes[16], char text[ADDR_TEXT_BYTES])
{
	struct addr addr;

	memcpy(addr.byte, bytes, sizeof(addr.byte));
	(void)addr_format(&addr, text);
}

static void
words_make(const struct live *live, const struct flow_record *record,
    struct live_words *words)
{
	int64_t age_us = 0;

	(void)when_format(record->start_us, words->start);
	address_word(record->src, words->src);
	address_word(record->dst, words->dst);
	if (record->proto == IPPROTO_TCP || record->proto == IPPROTO_UDP)
		(void)snprintf(words->proto, sizeof(words->proto),
		    record->proto == IPPROTO_TCP ? "tcp" : "udp");
	else
		(void)snprintf(
		    words->proto, sizeof(words->proto), "%u", record->proto);
	words->action = flow_action_word(record->action);
	words->host = NULL;
	if (record->host_source > FLOW_HOST_NONE &&
	    record->host_source < FLOW_HOST_COUNT &&
	    name_is_host(record->host, sizeof(record->host)))
		words->host = record->host;
	words->rule = NULL;
	words->upstream = NULL;
	if (live->image != NULL &&
	    image_settings(live->image)->generation == record->generation) {
		words->rule = image_rule_text(live->image, record->rule);
		words->upstream = image_endpoint_text(
		    live->image, record->upstream, words->endpoint);
	}
	if (record->start_mono_us >= 0 && record->start_mono_us < live->now_us)
		age_us = live->now_us - record->start_mono_us;
	words->duration_ms = (double)age_us / 1000;
}

static int
matches(const struct flows_filter *filter, const struct live_words *words)
{
	return (filter->client == NULL ||
		   strcmp(filter->client, words->src) == 0) &&
	       (filter->action == NULL ||
		   strcmp(filter->action, words->action) == 0) &&
	       (filter->host == NULL || strcmp(filter->host, words->dst) == 0 ||
		   (words->host != NULL &&
		       fnmatch(filter->host, words->host, 0) == 0));
}

static void
text_print(const struct flow_record *record, const struct live_words *words)
{
	struct flows_line line = { .start = words->start,
		.action = words->action,
		.proto = words->proto,
		.src = words->src,
		.sport = record->sport,
		.host = words->host != NULL ? words->host : words->dst,
		.dport = record->dport,
		.up_bytes = record->up_bytes,
		.down_bytes = record->down_bytes,
		.duration_ms = words->duration_ms,
		.rule = words->rule };

	flows_line_print(stdout, &line);
}

static void
json_uint_or_null(
    struct json *json, const char *key, uint32_t value, uint32_t none)
{
	if (value == none)
		json_null(json, key);
	else
		json_uint(json, key, value);
}

/* The columns of the view `flows'. */
static void
json_print(struct json *json, const struct flow_record *record,
    const struct live_words *words)
{
	json_object(json, NULL);
	json_uint(json, "id", record->id);
	json_string(json, "start", words->start);
	json_int(json, "start_us", record->start_us);
	json_real(json, "duration_ms", words->duration_ms);
	json_string(json, "proto", words->proto);
	json_string(json, "src", words->src);
	json_uint(json, "sport", record->sport);
	json_string(json, "dst", words->dst);
	json_uint(json, "dport", record->dport);
	json_string(json, "host", words->host);
	json_string(json, "host_source",
	    words->host == NULL ? NULL
				: flow_host_source_word(record->host_source));
	json_string(json, "capture", flow_capture_word(record->capture));
	json_uint_or_null(json, "uid", record->uid, FLOW_UID_NONE);
	json_null(json, "user");
	json_null(json, "unit");
	json_string(json, "action", words->action);
	json_string(json, "rule", words->rule);
	json_string(json, "upstream", words->upstream);
	json_uint(json, "up_bytes", record->up_bytes);
	json_uint(json, "down_bytes", record->down_bytes);
	json_uint(json, "up_packets", record->up_packets);
	json_uint(json, "down_packets", record->down_packets);
	if (record->connect_us == FLOW_CONNECT_NONE)
		json_null(json, "connect_ms");
	else
		json_real(json, "connect_ms", record->connect_us / 1000.0);
	json_uint_or_null(json, "rtt_us", record->rtt_us, 0);
	json_null(json, "close");
	json_null(json, "error");
	json_uint(json, "worker", record->worker);
	json_uint(json, "final", 0);
	json_string(json, "source",
	    record->source == FLOW_SOURCE_NONE
		? NULL
		: flow_source_word(record->source));
	json_uint(json, "ech", record->ech);
	json_uint_or_null(json, "dns_agrees", flow_agrees(record->dns_agrees),
	    FLOW_AGREES_UNKNOWN);
	json_object_end(json);
}

static int
on_flows(void *ctx, const struct client_message *message)
{
	const struct msg_flows *flows = message->body;
	const struct live *live = ctx;
	struct live_words words;
	uint64_t i;

	if (message->type != MSG_CTL_FLOWS)
		return 0;
	for (i = 0; i < flows->count; i++) {
		words_make(live, &flows->record[i], &words);
		live->each(live->ctx, &flows->record[i], &words);
	}
	return 0;
}

int
live_each(const struct ctl *ctl, live_fn *each, void *ctx)
{
	struct live live = {
		.each = each, .ctx = ctx, .now_us = clock_mono_us()
	};
	struct image_answer answer;
	int result = image_ask(ctl, &answer);

	live.image = answer.policy.image;
	if (result == CTL_GOOD)
		result = client_ask(ctl, IPC_CTL_COMMAND_LIVE, on_flows, &live);
	mapping_free(&answer.policy);
	lists_unmap(&answer.domains);
	return result;
}

static void
show(
    void *ctx, const struct flow_record *record, const struct live_words *words)
{
	struct shown *shown = ctx;

	if (shown->count >= shown->filter->most ||
	    !matches(shown->filter, words))
		return;
	shown->count++;
	if (shown->json != NULL)
		json_print(shown->json, record, words);
	else
		text_print(record, words);
}

int
flows_live(const struct ctl *ctl, const struct flows_filter *filter)
{
	struct shown shown = { .filter = filter };
	struct json json;
	int result;

	json_begin(&json, stdout);
	if (ctl->json) {
		shown.json = &json;
		json_array(&json, NULL);
	} else {
		flows_head(stdout);
	}
	result = live_each(ctl, show, &shown);
	if (ctl->json) {
		json_array_end(&json);
		(void)putchar('\n');
	}
	return result;
}
