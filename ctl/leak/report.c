/* SPDX-License-Identifier: ISC */
/* Shows bytes of the network as hexadecimal digits only. */
#include "ctl/leak/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "ctl/when.h"

static const char *
name_of(const struct trial_leak *leak)
{
	return leak->sentinel != NULL ? sentinel_name(leak->sentinel)
				      : "of no sentinel";
}

/* Which never arrive, whatever is in their way. */
static int
is_mute(const struct sentinel *sentinel)
{
	return !sentinel->can_arrive && sentinel->class != JUDGE_NEVER;
}

/* Of the gateway's own, who has sent it. */
static const struct account *
user_of(const struct trial_leak *leak)
{
	return leak->sentinel != NULL && leak->sentinel->origin->is_own
		   ? &leak->sentinel->user->account
		   : NULL;
}

/* The way of a raw socket, or NULL. */
static const char *
bond_of(const struct sentinel *sentinel)
{
	if (sentinel == NULL || !sentinel_is_raw(sentinel))
		return NULL;
	return sentinel->bond == SITE_BOUND ? "bound" : "unbound";
}

static void
hex(const struct trial_leak *leak, char text[2 * TRIAL_LEAK_BYTES + 1])
{
	size_t i;

	text[0] = '\0';
	for (i = 0; i < leak->kept; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", leak->bytes[i]);
}

void
report_begin(struct report *report, int as_json)
{
	report->as_json = as_json;
	if (!as_json) {
		(void)printf("%-34s %8s %8s %8s %8s\n", "PHASE", "SENT",
		    "EXPECTED", "ARRIVED", "LEAKED");
		(void)fflush(stdout);
		return;
	}
	json_begin(&report->json, stdout);
	json_object(&report->json, NULL);
	json_array(&report->json, "phases");
}

static void
phase_json(struct json *json, const struct phase_result *phase)
{
	json_object(json, NULL);
	json_string(json, "name", phase->name);
	json_uint(json, "sent", phase->sent);
	json_uint(json, "expected", phase->count.expected);
	json_uint(json, "arrived", phase->count.seen);
	json_uint(json, "leaked", phase->leaked);
	json_uint(json, "own_left_out", (uint64_t)phase->own_silent);
	json_object_end(json);
}

void
report_phase(void *ctx, const struct phase_result *phase)
{
	struct report *report = ctx;

	report->phases++;
	report->sent += phase->sent;
	if (report->as_json) {
		phase_json(&report->json, phase);
		return;
	}
	(void)printf("%-34s %8" PRIu64 " %8" PRIu32 " %8" PRIu32 " %8" PRIu64
		     "\n",
	    phase->name, phase->sent, phase->count.expected, phase->count.seen,
	    phase->leaked);
	if (phase->own_silent)
		(void)printf("  without this host's own sockets, which are "
			     "open now: see tpx-privsep(7)\n");
	(void)fflush(stdout);
}

static void
leak_json(struct json *json, const struct trial_leak *leak)
{
	char src[ADDR_TEXT_BYTES], dst[ADDR_TEXT_BYTES], when[WHEN_BYTES];
	char bytes[2 * TRIAL_LEAK_BYTES + 1];

	hex(leak, bytes);
	json_object(json, NULL);
	json_string(json, "time", when_format(leak->at_us, when));
	json_string(json, "phase", leak->phase);
	json_string(json, "stage", judge_stage_word(leak->stage));
	json_string(json, "sentinel", name_of(leak));
	if (user_of(leak) != NULL)
		json_uint(json, "uid", user_of(leak)->uid);
	else
		json_null(json, "uid");
	json_string(json, "socket", bond_of(leak->sentinel));
	json_uint(json, "forged",
	    leak->sentinel != NULL && leak->sentinel->is_forged);
	json_string(json, "src", addr_format(&leak->seen.src, src));
	json_string(json, "dst", addr_format(&leak->seen.dst, dst));
	json_uint(json, "proto", leak->seen.proto);
	json_uint(json, "sport", leak->seen.sport);
	json_uint(json, "dport", leak->seen.dport);
	json_uint(json, "packets", leak->count);
	json_uint(json, "length", leak->len);
	json_string(json, "bytes", bytes);
	json_object_end(json);
}

/* Of the gateway's own: whose, and how it was sent. */
static void
sender_text(const struct sentinel *sentinel)
{
	const char *bond = bond_of(sentinel);

	if (!sentinel->origin->is_own)
		return;
	(void)printf(" of uid %" PRIu32, sentinel->user->account.uid);
	if (bond != NULL)
		(void)printf(", %s", bond);
	if (sentinel->is_forged)
		(void)printf(", forged source");
}

static void
leak_text(const struct trial_leak *leak)
{
	char src[ADDR_TEXT_BYTES], dst[ADDR_TEXT_BYTES], when[WHEN_BYTES];
	char bytes[2 * TRIAL_LEAK_BYTES + 1];

	hex(leak, bytes);
	(void)printf("leaked %s, %s (%s): %s", when_format(leak->at_us, when),
	    leak->phase, judge_stage_word(leak->stage), name_of(leak));
	if (leak->sentinel != NULL)
		sender_text(leak->sentinel);
	(void)printf(", %" PRIu64 " packets\n  %s port %u to %s port %u, "
		     "protocol %u, %zu bytes\n  %s\n",
	    leak->count, addr_format(&leak->seen.src, src), leak->seen.sport,
	    addr_format(&leak->seen.dst, dst), leak->seen.dport,
	    leak->seen.proto, leak->len, bytes);
}

/* Who the users of this host were, and what that says of their sentinels. */
static const struct site_origin *
own_of(const struct trial *trial)
{
	size_t i;

	for (i = 0; i < trial->site.norigins; i++)
		if (trial->site.origins[i].is_own)
			return &trial->site.origins[i];
	return NULL;
}

static void
users_json(struct json *json, const struct site_origin *own)
{
	size_t i;

	json_array(json, "users");
	for (i = 0; own != NULL && i < own->nusers; i++) {
		json_object(json, NULL);
		json_uint(json, "uid", own->users[i].account.uid);
		json_uint(json, "captured",
		    (uint64_t)own->users[i].account.is_captured);
		json_object_end(json);
	}
	json_array_end(json);
}

static void
users_text(const struct site_origin *own)
{
	size_t i;

	for (i = 0; own != NULL && i < own->nusers; i++)
		(void)printf("this host's uid %" PRIu32 ": %s\n",
		    own->users[i].account.uid,
		    own->users[i].account.is_captured
			? "captured"
			: "not captured, so what it sends may leave");
}

/* How many of its kind, in a family, prove something. */
static uint32_t
kind_count(
    const struct sentinel_list *list, const struct sentinel *like, int v6)
{
	uint32_t i, count = 0;

	for (i = 0; i < list->count; i++)
		if (list->items[i].kind == like->kind &&
		    list->items[i].v6 == v6 && !is_mute(&list->items[i]))
			count++;
	return count;
}

static int
is_first_of_kind(const struct sentinel_list *list, uint32_t i)
{
	uint32_t j;

	for (j = 0; j < i; j++)
		if (list->items[j].kind == list->items[i].kind)
			return 0;
	return 1;
}

static void
kinds_json(struct json *json, const struct sentinel_list *list)
{
	uint32_t i;

	json_array(json, "kinds");
	for (i = 0; i < list->count; i++) {
		if (!is_first_of_kind(list, i))
			continue;
		json_object(json, NULL);
		json_string(json, "name", sentinel_name(&list->items[i]));
		json_uint(json, "v4", kind_count(list, &list->items[i], 0));
		json_uint(json, "v6", kind_count(list, &list->items[i], 1));
		json_object_end(json);
	}
	json_array_end(json);
}

static void
end_json(struct report *report, const struct trial *trial, int complete)
{
	struct json *json = &report->json;
	size_t i;

	json_array_end(json);
	json_array(json, "leaks");
	for (i = 0; i < trial->nleaks; i++)
		leak_json(json, &trial->leaks[i]);
	json_array_end(json);
	json_array(json, "mute");
	for (i = 0; i < trial->sentinels.count; i++)
		if (is_mute(&trial->sentinels.items[i]))
			json_string(json, NULL,
			    sentinel_name(&trial->sentinels.items[i]));
	json_array_end(json);
	kinds_json(json, &trial->sentinels);
	users_json(json, own_of(trial));
	json_uint(json, "sent", report->sent);
	json_uint(json, "leaked", trial->leaked);
	json_string(json, "result",
	    trial->leaked > 0 ? "leak"
	    : complete	      ? "good"
			      : "incomplete");
	json_object_end(json);
	(void)putchar('\n');
}

void
report_end(struct report *report, const struct trial *trial, int complete)
{
	size_t i;

	if (report->as_json) {
		end_json(report, trial, complete);
		return;
	}
	for (i = 0; i < trial->nleaks; i++)
		leak_text(&trial->leaks[i]);
	for (i = 0; i < trial->sentinels.count; i++)
		if (is_mute(&trial->sentinels.items[i])) {
			(void)printf("never arrives, so proves nothing: "
				     "%s over IPv%d",
			    sentinel_name(&trial->sentinels.items[i]),
			    trial->sentinels.items[i].v6 ? 6 : 4);
			sender_text(&trial->sentinels.items[i]);
			(void)putchar('\n');
		}
	users_text(own_of(trial));
	if (trial->leaked > 0)
		(void)printf("LEAK: ");
	else if (!complete)
		(void)printf("INCOMPLETE: ");
	(void)printf("%" PRIu64 " packets leaked in %u phases, %" PRIu64
		     " sentinels\n",
	    trial->leaked, report->phases, report->sent);
}
