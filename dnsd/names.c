/* SPDX-License-Identifier: ISC */
/*
 * Believes netctl.  What is told anew, or for longer, is asked for at once;
 * what the table has already only when the kernel's sets are empty, or may be:
 * slowly, so that clients' questions go first.
 */
#include "dnsd/names.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "dnsd/front.h"
#include "ipc/channel.h"
#include "policy/told.h"

#define SECOND_US 1000000
#define WALK_TICK_US 10000 /* a message each, while the table is walked */
/* Of the binding's time, what is not the answer's. */
#define GRACE_LESS_S (BINDING_GRACE_S - TOLD_GRACE_S)

struct names {
	struct event_base *base;
	names_told_fn *told;
	void *ctx;
	struct binding_table *table; /* NULL: none */
	const struct image *image;   /* NULL: none yet */
	const struct domain_index *index;
	int any;		    /* a rule wants to know */
	struct ipc_channel *netctl; /* NULL: none */
	uint64_t asked, answered;   /* messages */
	int64_t progress_us;	    /* when netctl had last answered enough */
	struct event *tick;
	size_t walked; /* of the table */
	struct names_stats stats;
	struct msg_names_ask ask; /* that is put together */
};

static void
walk_begin(struct names *names)
{
	static const struct timeval now = { 0 };

	names->walked = 0;
	if (names->any && names->table != NULL && names->netctl != NULL)
		event_add(names->tick, &now);
	else
		event_del(names->tick);
}

static void
netctl_lose(struct names *names)
{
	ipc_channel_free(names->netctl);
	names->netctl = NULL;
	names->answered = names->asked;
	names->told(names->ctx, names->asked);
}

static void
on_netctl_end(void *ctx, const char *why)
{
	if (why != NULL)
		log_warnx("netctl sent %s", why);
	netctl_lose(ctx);
}

/* Answers have the order of what was asked. */
static void
on_names_done(void *ctx, struct ipc_message *message)
{
	const struct msg_names_done *done = message->body;
	struct names *names = ctx;

	names->stats.taken += done->taken;
	names->stats.refused += done->refused;
	if (names->answered < names->asked)
		names->answered++;
	names->progress_us = clock_mono_us();
	names->told(names->ctx, names->answered);
}

/* Another generation's are asked for when its configuration comes. */
static void
on_names_lost(void *ctx, struct ipc_message *message)
{
	const struct msg_names_lost *lost = message->body;
	struct names *names = ctx;

	if (lost->generation == image_settings(names->image)->generation)
		walk_begin(names);
}

static const struct ipc_handler handlers[] = {
	{ MSG_NAMES_DONE, on_names_done },
	{ MSG_NAMES_LOST, on_names_lost },
	{ MSG_NONE, NULL },
};

static int
is_wanted_by(const struct names *names, const struct image_rule *rule,
    const struct domain_set *lists, const struct addr *client,
    const struct addr *server)
{
	return rule->by_dns && domain_set_has(lists, rule->domains) &&
	       told_fits(names->image, rule, client, server);
}

static int
is_wanted(const struct names *names, const struct domain_set *lists,
    const struct addr *client, const struct addr *server)
{
	uint32_t i;

	for (i = 0; i < image_rule_count(names->image); i++)
		if (is_wanted_by(names, image_rule(names->image, i), lists,
			client, server))
			return 1;
	return 0;
}

/* The rules whose lists the name is in, for one of the client's addresses. */
static void
ask_add(struct names *names, const struct domain_set *lists,
    const struct addr *client, const struct addr *server, uint32_t left_s)
{
	const struct image *image = names->image;
	struct names_pair *pair;
	uint32_t i;

	for (i = 0; i < image_rule_count(image); i++) {
		if (!is_wanted_by(
			names, image_rule(image, i), lists, client, server))
			continue;
		if (names->ask.count == LIMIT_NAMES_PAIRS) {
			names->stats.refused++;
			continue;
		}
		pair = &names->ask.pair[names->ask.count++];
		memset(pair, 0, sizeof(*pair));
		memcpy(pair->client, client->byte, sizeof(pair->client));
		memcpy(pair->server, server->byte, sizeof(pair->server));
		pair->left_s =
		    left_s < TOLD_LIFE_MAX_S ? left_s : TOLD_LIFE_MAX_S;
		pair->rule = (uint16_t)i;
	}
}

/* Its number, or 0 when there is nothing to ask for, or nobody to be asked. */
static uint64_t
ask_send(struct names *names)
{
	struct msg_names_ask *ask = &names->ask;
	uint32_t count = ask->count;
	int result;

	if (count == 0 || names->netctl == NULL)
		return 0;
	ask->generation = image_settings(names->image)->generation;
	result = ipc_send(names->netctl, MSG_NAMES_ASK, 0, ask,
	    MSG_NAMES_ASK_BYTES(count), -1);
	ask->count = 0;
	if (result == -1) {
		names->stats.refused += count;
		return 0;
	}
	if (names->answered == names->asked)
		names->progress_us = clock_mono_us();
	return ++names->asked;
}

static int
is_silent(const struct names *names)
{
	return names->asked - names->answered > 1 &&
	       clock_mono_us() - names->progress_us > FRONT_LEARN_US;
}

static void
on_tick(int fd, short what, void *arg)
{
	static const struct timeval pause = { .tv_usec = WALK_TICK_US };
	uint32_t now_s = (uint32_t)(clock_mono_us() / SECOND_US);
	struct names *names = arg;
	struct binding_item item;
	struct domain_set lists;
	int more = 1;

	(void)fd;
	(void)what;
	names->ask.count = 0;
	while (names->ask.count < LIMIT_NAMES_PAIRS / 2 &&
	       (more = binding_next(names->table, &names->walked,
		    now_s + GRACE_LESS_S, &item)) != 0) {
		domain_index_find_any(
		    names->index, item.name, item.aliases, &lists);
		ask_add(names, &lists, &item.client, &item.server,
		    item.until_s - GRACE_LESS_S - now_s);
	}
	(void)ask_send(names);
	if (more)
		event_add(names->tick, &pause);
}

struct names *
names_new(struct event_base *base, names_told_fn *told, void *ctx)
{
	struct names *names = calloc(1, sizeof(*names));

	if (names == NULL ||
	    (names->tick = event_new(base, -1, 0, on_tick, names)) == NULL)
		return NULL;
	names->base = base;
	names->told = told;
	names->ctx = ctx;
	return names;
}

void
names_configure(struct names *names, const struct image *image,
    const struct domain_index *index)
{
	names->image = image;
	names->index = index;
	names->any = told_any(image);
	walk_begin(names);
}

void
names_set_table(struct names *names, struct binding_table *table)
{
	names->table = table;
}

void
names_connect(struct names *names, int fd)
{
	if (names->netctl != NULL)
		netctl_lose(names);
	names->netctl = ipc_channel_new(names->base, fd, IPC_DNSD, IPC_NETCTL,
	    handlers, on_netctl_end, names);
	if (names->netctl == NULL)
		fatal("channel to netctl");
	ipc_channel_set_phase(names->netctl, IPC_PHASE_RUN);
	walk_begin(names);
}

/*
 * Names that are no host's are left out by the table.  What it has already may
 * still be on its way to the kernel, by an answer just before.
 */
uint64_t
names_tell(struct names *names, const struct front_binding *binding)
{
	uint32_t now_s = (uint32_t)(clock_mono_us() / SECOND_US);
	char name[DNS_NAME_TEXT_BYTES];
	int is_busy = names->asked != names->answered;
	int is_new, found = 0, waits = 0;
	const struct addr *addr;
	struct domain_set lists;
	uint64_t number;
	size_t i;

	if (names->table == NULL)
		return 0;
	(void)dns_name_text(binding->question->name, name);
	names->ask.count = 0;
	for (i = 0; i < binding->count; i++) {
		addr = &binding->addrs[i];
		is_new = binding_learn(names->table, binding->client, addr,
		    name, binding->aliases, binding->ttl_s, now_s);
		if (!names->any || (!is_new && !is_busy))
			continue;
		if (!found)
			domain_index_find_any(
			    names->index, name, binding->aliases, &lists);
		found = 1;
		if (is_new)
			ask_add(names, &lists, binding->client, addr,
			    binding->ttl_s + TOLD_GRACE_S);
		else
			waits |=
			    is_wanted(names, &lists, binding->client, addr);
	}
	number = ask_send(names);
	if (number == 0 && waits)
		number = names->asked;
	if (number == 0 || !is_silent(names))
		return number;
	names->stats.late++;
	return 0;
}

void
names_stats(const struct names *names, struct names_stats *stats)
{
	*stats = names->stats;
}
