/* SPDX-License-Identifier: ISC */
/*
 * Capture of this host's own sockets.  The first packet of a flow is decided
 * in OUTPUT; one to be relayed gets a mark by which it is routed to the
 * loopback interface and so comes to PREROUTING, where a relay takes it.  The
 * flow's conntrack entry remembers that, so that its later packets ask for no
 * lease.
 *
 * Never captured: the loopback interface, the relays themselves, answers to
 * what others began, what began before, DHCP, multicast and broadcast.
 */
#include "policy/render_local.h"

#include <inttypes.h>

#include "policy/render_dns.h"
#include "policy/render_owner.h"
#include "policy/render_rule.h"
#include "policy/render_term.h"

static int
fails_open(const struct image *image)
{
	return image_settings(image)->on_failure == ON_FAILURE_OPEN;
}

/* Only the first packet tells whose socket it was, for the flow's row. */
static void
local_owner(const struct image *image, struct text *text)
{
	text_printf(text,
	    "\t\tct state new log prefix \"%" PRIu32 ".%d\" group %d\n",
	    image_settings(image)->generation, FLOW_RULE_DEFAULT,
	    RENDER_OWNER_GROUP);
}

static void
mark_both(const struct image *image, uint32_t packet, uint32_t entry,
    struct text *text)
{
	text_puts(text, "\t\t");
	term_mark_set(image, "meta mark", packet, text);
	term_mark_set(image, "ct mark", entry, text);
	text_puts(text, "accept\n\t}\n");
}

/* Where flows of this host end up. */
static void
local_ends(const struct image *image, struct text *text)
{
	text_puts(text, "\tchain local_relay {\n");
	local_owner(image, text);
	if (render_has_owners(image))
		text_puts(text, "\t\tjump owner\n");
	render_udp_timeout(image, "ct state new meta l4proto 17", text);
	mark_both(image, MARK_OURS, MARK_RELAYED, text);
	text_puts(text, "\tchain local_pass {\n");
	local_owner(image, text);
	render_timeout("ct state new meta l4proto 6", "passed_tcp", text);
	mark_both(image, MARK_PASS, MARK_PASS_LOCAL, text);
	text_puts(text, "\tchain local_ours {\n\t\t");
	term_mark_set(image, "ct mark", MARK_OURS, text);
	text_puts(text, "accept\n\t}\n");
}

/*
 * With on-failure closed this table is a gate of its own: as long as its owner
 * has not died it holds, even when somebody flushes the guard.
 */
static void
local_unleased(const struct image *image, struct text *text)
{
	text_printf(text, "\t\tmeta l4proto != @lease %s\n",
	    fails_open(image) ? "accept" : "counter drop");
}

static void
local_others(
    const struct image *image, enum render_lease lease, struct text *text)
{
	if (!term_blocks_others(image)) {
		text_puts(text, "\t\tmeta l4proto != { 6, 17 } accept\n");
		return;
	}
	text_puts(text, "\t\t" TERM_NEIGHBOURS " accept\n"
			"\t\tmeta l4proto { 1, 58 } ct state related accept\n");
	local_unleased(image, text);
	text_printf(text, "\t\tmeta l4proto != { 6, 17 } %s\n",
	    lease == RENDER_PAUSE ? "goto local_pass" : "counter drop");
}

/* What refuses or relays it would answer to where it says it is from. */
void
render_local_spoofed(struct text *text)
{
	text_puts(text, "\t\tmeta nfproto ipv4 fib saddr type != local "
			"counter drop\n"
			"\t\tip6 saddr != fe80::/10 fib saddr type != local "
			"counter drop\n");
}

static void
local_captured(
    const struct image *image, enum render_lease lease, struct text *text)
{
	text_puts(text, "\tchain local_captured {\n" TERM_SOURCE_ROUTES);
	local_others(image, lease, text);
	local_unleased(image, text);
	/* It began while nothing was captured, and is not cut. */
	if (fails_open(image))
		text_puts(text, "\t\tct state established accept\n"
				"\t\ttcp flags & (syn | ack) != syn accept\n");
	/* What belongs to no flow must not become one. */
	else
		text_puts(text, "\t\ttcp flags & (syn | ack) != syn "
				"counter drop\n");
	if (lease != RENDER_PAUSE)
		render_local_spoofed(text);
	if (render_dns_is_on(image, lease))
		render_dns_local(text);
	text_puts(text, "\t\tmeta l4proto 6 goto verdict_local_tcp\n"
			"\t\tgoto verdict_local_udp\n\t}\n");
}

/* A packet of a flow that has been decided goes where the first one went. */
static void
local_decided(const struct image *image, const struct render_local *local,
    struct text *text)
{
	/* A relay's with a client's address has that client's conntrack entry,
	 * and would come back to it. */
	text_printf(
	    text, "\t\tmeta l4proto 17 meta skuid %" PRIu32 " ", local->uid);
	term_mark_is(image, "meta mark", MARK_AS_CLIENT, text);
	text_puts(text, "accept\n\t\tct direction original ");
	term_mark_is(image, "ct mark", MARK_RELAYED, text);
	if (render_has_owners(image)) {
		text_puts(text, "goto local_again\n");
	} else {
		term_mark_set(image, "meta mark", MARK_OURS, text);
		text_puts(text, "accept\n");
	}
	term_looped(image, text);
	text_puts(text, "\t\tct direction reply accept\n\t\t");
	term_mark_is(image, "ct mark", MARK_OURS, text);
	text_puts(text, "accept\n\t\t");
	term_mark_is(image, "ct mark", MARK_KEPT, text);
	text_puts(text, "accept\n");
}

static void
local_output(const struct image *image, const struct render_local *local,
    enum render_lease lease, struct text *text)
{
	text_puts(text, "\tchain local {\n"
			"\t\ttype route hook output priority mangle; "
			"policy accept;\n");
	if (render_dns_is_on(image, lease)) {
		text_puts(text, "\t\t");
		term_mark_is(image, "meta mark", MARK_OURS, text);
		text_puts(text, "accept\n");
	}
	local_decided(image, local, text);
	text_printf(text,
	    "\t\tmeta skuid %" PRIu32 " goto local_ours\n"
	    "\t\tfib daddr type " TERM_LOCAL_TYPES " accept\n" TERM_DHCP
	    "\t\t" TERM_MAPPED " meta l4proto @lease counter drop\n",
	    local->uid);
	if (image_interface_count(image) > 0)
		term_answers(image, text);
	term_excluded_own(image, text);
	render_exclusions(image, FLOW_CAPTURE_LOCAL, "goto excluded",
	    "goto excluded_own", text);
	/* A lapse ends what passes, as it does for what is forwarded. */
	text_puts(text, "\t\tmeta l4proto @lease ");
	term_mark_is(image, "ct mark", MARK_PASS_LOCAL, text);
	text_puts(text, "goto local_pass\n");
	term_users(image, "local_captured", text);
	text_puts(text, "\t}\n");
}

void
render_local_looped(const struct image *image, const struct render_local *local,
    enum render_lease lease, struct text *text)
{
	text_puts(text, "\tchain looped {\n\t\tmeta mark & ");
	text_printf(text, "0x%08" PRIx32 " != 0x%08" PRIx32 " accept\n",
	    image_settings(image)->mark_mask,
	    mark_value(image_settings(image)->mark_mask, MARK_OURS));
	if (render_dns_is_on(image, lease))
		render_dns_looped(text);
	render_tproxy(local->local4, local->local6, "6, 17", "accept", text);
	/* Without a listener there is nobody on this host whom it is for. */
	text_puts(text, "\t\tcounter drop\n\t}\n");
}

/* A relay may see the first of a flow in any of these packets. */
static void
local_again(const struct image *image, struct text *text)
{
	if (!render_has_owners(image))
		return;
	render_owners(image, text);
	text_puts(text, "\tchain local_again {\n"
			"\t\ttcp flags & (syn | ack) == syn jump owner\n"
			"\t\tmeta l4proto 17 jump owner\n\t\t");
	term_mark_set(image, "meta mark", MARK_OURS, text);
	text_puts(text, "accept\n\t}\n");
}

void
render_local(const struct image *image, const struct render_local *local,
    enum render_lease lease, struct text *text)
{
	local_again(image, text);
	local_ends(image, text);
	render_verdicts(image, FLOW_CAPTURE_LOCAL, lease, text);
	local_captured(image, lease, text);
	term_unmarked(image, local->uid, text);
	term_unowned(text);
	local_output(image, local, lease, text);
	/* As in the guard, for on-failure open. */
	term_strayed(image, text);
}
