/* SPDX-License-Identifier: ISC */
/*
 * Believes the kernel.  Names come from a table that nobody else can write to
 * (flags owner).
 *
 * A packet reads once which of the kernel's two generations of rules counts.
 * What the next transaction removes is gone from that generation again, so
 * between two of them every reader of before must have left: that is what a
 * grace period of RCU is, and membarrier(2) waits for one.
 */
#include "netctl/sides.h"

#include <sys/select.h>
#include <sys/syscall.h>

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/membarrier.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "netctl/talk.h"
#include "policy/render.h"

#define LIST_TRIES 8
#define SETTLE_US 10000
/*
 * Timeouts of relayed UDP with other times than today's, two a time: flows may
 * hang on them, and would have no time of their own without.
 */
#define TIMEOUTS_KEPT 32

/* A packet may be held up in its process, with one processor above all. */
void
sides_settle(void)
{
	struct timeval time = { .tv_usec = SETTLE_US };

	(void)select(0, NULL, NULL, NULL, &time);
	/* Where it is not to be had (nohz_full), the time has to do. */
	(void)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

static const char *
string_of(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *found;

	mnl_attr_for_each(found, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(found) == type &&
		    mnl_attr_validate(found, MNL_TYPE_NUL_STRING) == 0)
			return mnl_attr_get_str(found);
	}
	return NULL;
}

/* Its name, when it is of the capture table. */
static const char *
name_of(const struct nlmsghdr *message, uint16_t table, uint16_t name)
{
	const char *of = string_of(message, table);

	return of != NULL && strcmp(of, RENDER_TABLE) == 0
		   ? string_of(message, name)
		   : NULL;
}

static void
command(struct text *text, const char *what, const char *name)
{
	text_printf(text, "%s inet " RENDER_TABLE " %s\n", what, name);
}

static int
on_chain(const struct nlmsghdr *message, void *ctx)
{
	const char *name = name_of(message, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME);
	struct sides *sides = ctx;
	enum render_side side;

	if (name == NULL)
		return MNL_CB_OK;
	side = side_of(name);
	if (side == RENDER_SIDES) {
		text_printf(&sides->hooks, "%s\n", name);
		return MNL_CB_OK;
	}
	if (strlen(name) == sizeof(RENDER_SIDE_LIVE) + 1 &&
	    strncmp(name, RENDER_SIDE_LIVE, sizeof(RENDER_SIDE_LIVE) - 1) == 0)
		sides->live = side;
	command(&sides->empty[side], "flush chain", name);
	command(&sides->remove[side], "delete chain", name);
	return MNL_CB_OK;
}

static int
on_set(const struct nlmsghdr *message, void *ctx)
{
	const char *name = name_of(message, NFTA_SET_TABLE, NFTA_SET_NAME);
	struct sides *sides = ctx;

	if (name != NULL && side_of(name) != RENDER_SIDES)
		command(&sides->remove[side_of(name)], "delete set", name);
	return MNL_CB_OK;
}

struct timeouts {
	struct sides *sides;
	unsigned int count;
	unsigned int surplus; /* the oldest come first */
};

static int
is_used(const struct nlmsghdr *message)
{
	const struct nlattr *found;

	mnl_attr_for_each(found, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(found) == NFTA_OBJ_USE &&
		    mnl_attr_validate(found, MNL_TYPE_U32) == 0)
			return mnl_attr_get_u32(found) != 0;
	}
	return 1;
}

static int
on_object(const struct nlmsghdr *message, void *ctx)
{
	const char *name = name_of(message, NFTA_OBJ_TABLE, NFTA_OBJ_NAME);
	struct timeouts *timeouts = ctx;

	if (name == NULL || strncmp(name, RENDER_UDP_TIMEOUT,
				sizeof(RENDER_UDP_TIMEOUT) - 1) != 0)
		return MNL_CB_OK;
	timeouts->count++;
	if (timeouts->surplus > 0 && !is_used(message)) {
		timeouts->surplus--;
		command(&timeouts->sides->timeouts, "delete ct timeout", name);
	}
	return MNL_CB_OK;
}

/* The name of the table is the first attribute of each kind. */
static int
list(struct mnl_socket *socket, uint16_t type, mnl_cb_t on_found, void *ctx)
{
	_Alignas(8) char buffer[128];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header =
	    mnl_nlmsg_put_extra_header(request, sizeof(*header));

	request->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nfgen_family = NFPROTO_INET;
	mnl_attr_put_strz(request, NFTA_CHAIN_TABLE, RENDER_TABLE);
	return talk(socket, request, on_found, ctx);
}

static int
look_once(struct mnl_socket *socket, void *ctx)
{
	struct sides *sides = ctx;
	struct timeouts timeouts = { .sides = sides };

	sides_free(sides);
	sides->live = RENDER_SIDES;
	if (list(socket, NFT_MSG_GETCHAIN, on_chain, sides) == -1 ||
	    list(socket, NFT_MSG_GETSET, on_set, sides) == -1 ||
	    list(socket, NFT_MSG_GETOBJ, on_object, &timeouts) == -1)
		return -1;
	if (timeouts.count <= TIMEOUTS_KEPT)
		return 0;
	timeouts.surplus = timeouts.count - TIMEOUTS_KEPT;
	return list(socket, NFT_MSG_GETOBJ, on_object, &timeouts);
}

/* Another's transaction interrupts a list. */
static int
look(int (*once)(struct mnl_socket *, void *), void *ctx)
{
	struct mnl_socket *socket = talk_open(NETLINK_NETFILTER);
	int tries = 0, result;

	if (socket == NULL)
		return -1;
	do
		result = once(socket, ctx);
	while (result == -1 && errno == EINTR && ++tries < LIST_TRIES);
	mnl_socket_close(socket);
	return result;
}

int
sides_look(struct sides *sides)
{
	memset(sides, 0, sizeof(*sides));
	sides->live = RENDER_SIDES;
	return look(look_once, sides);
}

struct kept {
	const struct text *table;
	struct text *text;
};

static void
forget(const struct kept *kept, const char *what, const char *name)
{
	char begins[NFT_NAME_MAXLEN], removes[16];

	if (name == NULL ||
	    strncmp(name, RENDER_KEPT, sizeof(RENDER_KEPT) - 1) != 0)
		return;
	(void)snprintf(begins, sizeof(begins), "\t%s %s {\n", what, name);
	(void)snprintf(removes, sizeof(removes), "delete %s", what);
	if (strstr(kept->table->bytes, begins) == NULL)
		command(kept->text, removes, name);
}

static int
on_kept_set(const struct nlmsghdr *message, void *ctx)
{
	forget(ctx, "set", name_of(message, NFTA_SET_TABLE, NFTA_SET_NAME));
	return MNL_CB_OK;
}

static int
on_kept_limit(const struct nlmsghdr *message, void *ctx)
{
	forget(ctx, "limit", name_of(message, NFTA_OBJ_TABLE, NFTA_OBJ_NAME));
	return MNL_CB_OK;
}

static int
forget_once(struct mnl_socket *socket, void *ctx)
{
	struct kept *kept = ctx;

	text_free(kept->text);
	return list(socket, NFT_MSG_GETSET, on_kept_set, kept) == -1 ||
		       list(socket, NFT_MSG_GETOBJ, on_kept_limit, kept) == -1
		   ? -1
		   : 0;
}

int
sides_forget(const struct text *table, struct text *text)
{
	struct kept kept = { table, text };

	return look(forget_once, &kept);
}

void
sides_free(struct sides *sides)
{
	size_t i;

	text_free(&sides->hooks);
	text_free(&sides->timeouts);
	for (i = 0; i < RENDER_SIDES; i++) {
		text_free(&sides->empty[i]);
		text_free(&sides->remove[i]);
	}
}

enum render_side
sides_next(const struct sides *sides)
{
	return sides->live == RENDER_SIDE_A ? RENDER_SIDE_B : RENDER_SIDE_A;
}

static void
append(struct text *text, const struct text *more)
{
	text->failed |= more->failed;
	text_append(text, more->bytes, more->len);
}

void
sides_sweep(const struct sides *sides, struct text *text)
{
	enum render_side side;

	for (side = RENDER_SIDE_A; side < RENDER_SIDES; side++) {
		if (side == sides->live)
			continue;
		append(text, &sides->empty[side]);
		append(text, &sides->remove[side]);
	}
	append(text, &sides->timeouts);
}

/* Their rules are gone in the transaction that removes them. */
static void
hooks_remove(
    const struct sides *sides, const struct text *table, struct text *text)
{
	const char *name = sides->hooks.bytes, *end;
	char chain[NFT_NAME_MAXLEN];

	for (; name != NULL && (end = strchr(name, '\n')) != NULL;
	     name = end + 1) {
		(void)snprintf(
		    chain, sizeof(chain), "%.*s", (int)(end - name), name);
		if (side_has_hook(table, chain))
			continue;
		command(text, "flush chain", chain);
		command(text, "delete chain", chain);
	}
}

void
sides_switch(const struct sides *sides, const struct text *table,
    enum render_side side, struct text *text)
{
	char live[NFT_NAME_MAXLEN];

	text->failed |= sides->hooks.failed;
	hooks_remove(sides, table, text);
	side_switch(table, RENDER_TABLE, side, text);
	if (sides->live == RENDER_SIDES)
		return;
	(void)snprintf(live, sizeof(live), RENDER_SIDE_LIVE "%s",
	    side_suffix(sides->live));
	command(text, "delete chain", live);
}
