/* SPDX-License-Identifier: ISC */
/*
 * The transactions that netctl sends and tpxctl plan shows.  The decisions
 * are in render_rule.c.
 *
 * A new TCP flow is decided at its SYN in the chain "first", before conntrack,
 * so that relayed flows are never tracked.  Packets of relayed flows follow by
 * their socket and ask for no lease.  UDP, and TCP that belongs to nothing
 * relayed, is decided behind conntrack in the chain "rest"; a relayed flow of
 * UDP is known by its conntrack mark.  Only a packet with the pass mark gets
 * through the guard.
 *
 * TCP is 6 and UDP 17: words would make nft look into /etc/protocols, which
 * netctl cannot open.
 */
#include "policy/render.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>

#include "policy/render_addr.h"
#include "policy/render_dns.h"
#include "policy/render_limit.h"
#include "policy/render_local.h"
#include "policy/render_rule.h"
#include "policy/render_term.h"
#include "policy/render_told.h"

/* A blocked flow is logged once until it was silent for this long; that is
 * longer than the pauses of tcp_syn_retries. */
#define BLOCKED_TIMEOUT_S 70
#define BLOCKED_SIZE 65536
#define PROTOCOLS 256
#define UDP_MARGIN_S 30
#define UDP_NAME_BYTES 32

uint32_t
render_lease_ms(const struct image *image)
{
	return LEASE_ELEMENT(image_settings(image)->lease_ms);
}

static uint32_t
mark_of(const struct image *image, uint32_t mark)
{
	return mark_value(image_settings(image)->mark_mask, mark);
}

static uint32_t
mask_of(const struct image *image)
{
	return image_settings(image)->mark_mask;
}

/* A set that looks up protocols as they are can hold no ranges of them. */
static int
is_leased(const struct image *image, unsigned int protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ||
	       term_blocks_others(image);
}

static void
render_lease(const struct image *image, struct text *text)
{
	uint32_t ms = render_lease_ms(image);

	unsigned int protocol, first = 1;

	text_puts(text, "{ ");
	for (protocol = 0; protocol < PROTOCOLS; protocol++) {
		if (!is_leased(image, protocol))
			continue;
		text_printf(text, "%s%u timeout %" PRIu32 "ms",
		    first ? "" : ", ", protocol, ms);
		first = 0;
	}
	text_puts(text, " }");
}

static void
render_sets(const struct image *image, struct text *text)
{
	static const char *const families[] = { "ipv4_addr", "ipv6_addr" };
	size_t i;

	text_puts(text, "\tset lease {\n\t\ttype inet_proto\n"
			"\t\tflags timeout\n\t}\n");
	for (i = 0; i < 2; i++)
		text_printf(text,
		    "\tset blocked%d {\n"
		    "\t\ttype %s . %s . inet_proto . inet_service . "
		    "inet_service\n"
		    "\t\tsize %d\n\t\tflags dynamic,timeout\n"
		    "\t\ttimeout %ds\n\t}\n",
		    i == 0 ? 4 : 6, families[i], families[i], BLOCKED_SIZE,
		    BLOCKED_TIMEOUT_S);
	render_tables(image, 1, text);
}

/*
 * Conntrack knows a relayed flow of UDP for longer than its relay does: an
 * answer that belongs to no flow does not leave.
 */
static uint32_t
relayed_udp_s(const struct image *image)
{
	uint32_t i, longest_ms = RULE_UDP_IDLE_MS;

	for (i = 0; i < image_rule_count(image); i++)
		if (image_rule(image, i)->idle_ms > longest_ms)
			longest_ms = image_rule(image, i)->idle_ms;
	return longest_ms / 1000 + UDP_MARGIN_S;
}

/*
 * What stays must not change: with other times it is another one.
 */
static void
udp_timeout_name(const struct image *image, char name[UDP_NAME_BYTES])
{
	(void)snprintf(name, UDP_NAME_BYTES, RENDER_UDP_TIMEOUT "%" PRIu32 "_",
	    relayed_udp_s(image));
}

/*
 * Conntrack forgets our flows soon after their end: a passed flow's row waits
 * for that, and the relays' own connections would else fill its table.
 */
static void
render_timeouts(const struct image *image, struct text *text)
{
	char udp_name[UDP_NAME_BYTES], udp[64];
	const struct {
		const char *name;
		const char *protocol;
		const char *policy;
	} timeouts[] = {
		{ "relayed_tcp", "tcp",
		    "syn_sent : 60, time_wait : 1, close : 1" },
		{ "passed_tcp", "tcp", "time_wait : 5, close : 1" },
		{ udp_name, "udp", udp },
	};
	uint32_t udp_s = relayed_udp_s(image);
	size_t i;
	int v6;

	udp_timeout_name(image, udp_name);
	(void)snprintf(udp, sizeof(udp),
	    "unreplied : %" PRIu32 ", replied : %" PRIu32, udp_s, udp_s);
	for (i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]) * 2; i++) {
		v6 = i % 2 != 0;
		text_printf(text,
		    "\tct timeout %s%d {\n\t\tprotocol %s\n"
		    "\t\tl3proto ip%s\n\t\tpolicy = { %s }\n\t}\n",
		    timeouts[i / 2].name, v6 ? 6 : 4, timeouts[i / 2].protocol,
		    v6 ? "6" : "", timeouts[i / 2].policy);
	}
}

void
render_timeout(const char *when, const char *name, struct text *text)
{
	text_printf(text,
	    "\t\tmeta nfproto ipv4 %s ct timeout set \"%s4\"\n"
	    "\t\tmeta nfproto ipv6 %s ct timeout set \"%s6\"\n",
	    when, name, when, name);
}

void
render_udp_timeout(
    const struct image *image, const char *when, struct text *text)
{
	char name[UDP_NAME_BYTES];

	udp_timeout_name(image, name);
	render_timeout(when, name, text);
}

void
render_tproxy(uint16_t port4, uint16_t port6, const char *protocols,
    const char *verdict, struct text *text)
{
	if (port4 != 0)
		text_printf(text,
		    "\t\tmeta nfproto ipv4 meta l4proto { %s } "
		    "tproxy ip to 127.0.0.1:%u %s\n",
		    protocols, port4, verdict);
	if (port6 != 0)
		text_printf(text,
		    "\t\tmeta nfproto ipv6 meta l4proto { %s } "
		    "tproxy ip6 to [::1]:%u %s\n",
		    protocols, port6, verdict);
}

/*
 * UDP from an address that is not where it came from would be answered to
 * somebody who asked for nothing.  Nobody forwards for a link-local one (RFC
 * 4291, 2.5.6), and no answer would find its link.
 */
static void
render_relayed_udp(const struct image *image, struct text *text)
{
	text_puts(text, "\tchain relayed_udp {\n"
			"\t\tip6 saddr fe80::/10 counter drop\n"
			"\t\tfib saddr . iif oif missing counter drop\n\t\t");
	term_mark_set(image, "ct mark", MARK_RELAYED, text);
	text_puts(text, "\n");
	render_udp_timeout(image, "ct state new", text);
	text_puts(text, "\t\tgoto relay_udp\n\t}\n");
}

/* Where flows end up: ours, relayed, passed, refused. */
static void
render_ends(const struct image *image, const struct render_local *local,
    struct text *text)
{
	static const struct {
		const char *chain;
		const char *protocol;
	} relays[] = { { "relay_tcp", "6" }, { "relay_udp", "17" } };
	int open = image_settings(image)->on_failure == ON_FAILURE_OPEN;
	size_t i;

	text_printf(text,
	    "\tchain ours {\n\t\tmeta mark set meta mark & 0x%08" PRIx32
	    " | 0x%08" PRIx32 " notrack accept\n\t}\n",
	    ~mask_of(image), mark_of(image, MARK_OURS));
	text_printf(text,
	    "\tchain pass {\n\t\tmeta mark set meta mark | 0x%08" PRIx32
	    " accept\n\t}\n",
	    mark_of(image, MARK_PASS));
	for (i = 0; i < sizeof(relays) / sizeof(relays[0]); i++) {
		text_printf(text, "\tchain %s {\n", relays[i].chain);
		render_tproxy(local->port4, local->port6, relays[i].protocol,
		    "goto ours", text);
		/* tproxy(4) without a listener goes on with the next rule. */
		text_printf(
		    text, "\t\tcounter %s\n\t}\n", open ? "accept" : "drop");
	}
	render_relayed_udp(image, text);
}

/*
 * What servers send to relays that came to them with a client's address.  Where
 * clients are, it is looked for with what they send: a socket is asked for
 * once.
 */
static void
render_servers(const struct image *image, struct text *text)
{
	text_puts(text, "\t\tiifname != ");
	term_interfaces(image, text);
	text_puts(
	    text, " tcp flags & (syn | ack) != syn socket transparent 1 ");
	term_mark_is(image, "socket mark", MARK_AS_CLIENT, text);
	text_puts(text, "goto ours\n");
}

static void
render_first(
    const struct image *image, enum render_lease lease, struct text *text)
{
	text_puts(text, "\tchain first {\n"
			"\t\ttype filter hook prerouting priority raw; "
			"policy accept;\n");
	render_servers(image, text);
	text_puts(text, "\t\tiifname != ");
	term_interfaces(image, text);
	text_printf(text,
	    " accept\n"
	    "\t\tmeta mark & 0x%08" PRIx32 " != 0x00000000 "
	    "meta mark set meta mark & 0x%08" PRIx32 "\n"
	    "\t\t" TERM_UNSPECIFIED " counter drop\n"
	    "\t\t" TERM_MAPPED
	    " meta l4proto @lease counter drop\n" TERM_SOURCE_ROUTES
	    "\t\ttcp flags & (syn | ack) != syn socket transparent 1 "
	    "goto ours\n",
	    mask_of(image), ~mask_of(image));
	render_exclusions(
	    image, FLOW_CAPTURE_FORWARDED, "goto excluded", "", text);
	if (render_dns_is_on(image, lease))
		render_dns_first(text);
	text_puts(text, "\t\tmeta l4proto != 6 accept\n"
			"\t\ttcp flags & (syn | ack) == syn "
			"fib daddr type != " TERM_LOCAL_TYPES " "
			"meta l4proto @lease goto verdict_tcp\n\t}\n");
}

/*
 * What a relay sends to its client would else be picked up half-way; what it
 * sends in its client's name is of no connection that this host has, and nobody
 * is to change its address on the way.
 */
static void
render_answers(const struct image *image, const struct render_local *local,
    struct text *text)
{
	text_puts(text, "\tchain answers {\n"
			"\t\ttype filter hook output priority raw; "
			"policy accept;\n\t\tmeta l4proto 6 ");
	term_mark_is(image, "meta mark", MARK_AS_CLIENT, text);
	text_printf(text, "meta skuid %" PRIu32 " notrack accept\n\t\toifname ",
	    local->uid);
	term_interfaces(image, text);
	text_puts(text, " meta l4proto 6 socket transparent 1 "
			"notrack accept\n\t}\n");
}

/* What a relay sends only to have its client told. */
static void
render_icmp(const struct image *image, struct text *text)
{
	static const struct {
		uint32_t mark;
		const char *code;
	} errors[] = {
		{ MARK_NO_PORT, "port-unreachable" },
		{ MARK_NO_HOST, "host-unreachable" },
	};
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		text_puts(text, "\t\tmeta l4proto 17 ");
		term_mark_is(image, "meta mark", errors[i].mark, text);
		text_printf(text, "reject with icmpx %s\n", errors[i].code);
	}
}

/*
 * UDP that relays send with a client's address.  From the client's own port it
 * is part of the client's flow, which must be one that is relayed; from another
 * it is a flow of its own.
 */
static void
render_as_client(const struct image *image, struct text *text)
{
	text_printf(text,
	    "\tchain as_client {\n"
	    "\t\tct mark & 0x%08" PRIx32 " == 0x00000000 ",
	    mask_of(image));
	term_mark_set(image, "ct mark", MARK_KEPT, text);
	text_puts(text, "\n\t\t");
	term_answered(image, "!=", text);
	text_puts(text, "counter drop\n");
	render_udp_timeout(image, "ct state new", text);
	text_puts(text, "\t\taccept\n\t}\n");
}

/* The relays' own connections to servers. */
static void
render_upstream(const struct image *image, const struct render_local *local,
    struct text *text)
{
	render_as_client(image, text);
	text_printf(text,
	    "\tchain upstream {\n"
	    "\t\ttype filter hook output priority mangle; policy accept;\n"
	    "\t\tmeta skuid != %" PRIu32 " accept\n",
	    local->uid);
	render_icmp(image, text);
	text_puts(text, "\t\tmeta l4proto 17 ");
	term_mark_is(image, "meta mark", MARK_AS_CLIENT, text);
	text_puts(text, "goto as_client\n");
	/* What was accepted keeps its address when it is disconnected. */
	text_puts(text, "\t\ttcp flags & (syn | ack) == syn "
			"socket transparent 1 ");
	term_mark_is_not(image, "meta mark", MARK_AS_CLIENT, text);
	text_puts(text, "counter drop\n");
	/* With an address of others only as part of a flow that was taken. */
	text_puts(text, "\t\tmeta l4proto 17 socket transparent 1 ");
	term_mark_is_not(image, "ct mark", MARK_RELAYED, text);
	text_puts(text, "fib saddr type != local counter drop\n"
			"\t\tct state != new accept\n");
	/* Their rows come from relays: the kernel need tell nobody of them, as
	 * no label of theirs ever changes. */
	text_puts(text, "\t\tct event set label\n");
	render_timeout("meta l4proto 6", "relayed_tcp", text);
	/* What a relay waits for, a firewall of this host has to know; but of
	 * name servers there are many questions, and each has one answer. */
	render_udp_timeout(image, "udp dport != 53", text);
	text_puts(text, "\t}\n");
}

/* The flow's conntrack entry remembers that it passed. */
static void
render_passed(const struct image *image, struct text *text)
{
	/* A source that is not there would turn a later flow into its answer.
	 */
	text_puts(text, "\tchain passed {\n");
	text_printf(text,
	    "\t\tfib saddr . iif oif missing counter drop\n"
	    "\t\tct mark set ct mark | 0x%08" PRIx32 "\n",
	    mark_of(image, MARK_PASS));
	render_timeout("meta l4proto 6", "passed_tcp", text);
	text_puts(text, "\t\tgoto pass\n\t}\n");
}

/*
 * Flows that others begin toward captured interfaces are known by their
 * conntrack mark, so that answers to them may leave.  Nothing that a captured
 * interface or this host begins gets it, whatever its addresses say.
 */
static void
render_elsewhere(const struct image *image, struct text *text)
{
	text_printf(text,
	    "\tchain elsewhere {\n"
	    "\t\tct state new ct mark set ct mark | 0x%08" PRIx32 "\n"
	    "\t\taccept\n\t}\n",
	    mark_of(image, MARK_OURS));
}

/*
 * What is neither TCP nor UDP.  Blocked, errors about what passes still do:
 * path MTU discovery needs them.
 */
static const char *
others(const struct image *image, enum render_lease lease)
{
	if (!term_blocks_others(image))
		return "\t\tmeta l4proto != { 6, 17 } accept\n";
	if (lease == RENDER_PAUSE)
		return "\t\tmeta l4proto != { 6, 17 } "
		       "meta l4proto @lease goto pass\n";
	return "\t\tmeta l4proto { 1, 58 } ct state related goto pass\n"
	       "\t\tmeta l4proto != { 6, 17 } "
	       "meta l4proto @lease counter drop\n";
}

/* Packets of flows that are excluded, and the answers. */
static void
render_excluded(const struct image *image, struct text *text)
{
	text_puts(text, "\t\t");
	term_mark_is(image, "meta mark", MARK_EXCLUDED, text);
	text_puts(text, "goto excluded_flow\n\t\tct direction reply ");
	term_mark_is(image, "ct mark", MARK_EXCLUDED, text);
	text_puts(text, "goto excluded\n");
}

/*
 * What answers UDP that relays sent with a client's address, and errors about
 * it.  When there is no such relay any more, it is not for the client either,
 * who was promised that its server speaks to it through one.
 */
static void
render_answered(const struct image *image, struct text *text)
{
	text_puts(text, "\t\tmeta l4proto { 1, 17, 58 } ct direction reply ");
	term_answered(image, "==", text);
	text_puts(text, "socket transparent 1 ");
	term_mark_is(image, "socket mark", MARK_AS_CLIENT, text);
	text_puts(text, "goto ours\n");
	if (!image_lends_udp(image))
		return;
	text_puts(text, "\t\tiifname != ");
	term_interfaces(image, text);
	text_puts(text, " meta l4proto { 1, 17, 58 } ct direction reply ");
	term_answered(image, "==", text);
	text_puts(text, "fib daddr type != local counter drop\n");
}

static void
render_rest_forwarded(
    const struct image *image, enum render_lease lease, struct text *text)
{
	uint32_t mask = mask_of(image);
	uint32_t pass = mark_of(image, MARK_PASS);

	render_answered(image, text);
	text_puts(text, "\t\tiifname != ");
	term_interfaces(image, text);
	text_puts(text, " goto elsewhere\n");
	/* An error about an answer would tell the server who its client is. */
	text_puts(text, "\t\tct state related ");
	term_mark_is(image, "ct mark", MARK_RELAYED, text);
	text_puts(text, "counter drop\n");
	if (render_dns_is_on(image, lease))
		render_dns_rest(image, text);
	/* What has been relayed asks for no lease, and no exclusion of today
	 * is for it. */
	text_puts(text, "\t\tmeta l4proto 17 ct direction original ");
	term_mark_is(image, "ct mark", MARK_RELAYED, text);
	text_puts(text, "goto relay_udp\n");
	if (image_exclusion_count(image) > 0)
		render_excluded(image, text);
	text_printf(text,
	    "\t\tmeta mark & 0x%08" PRIx32 " == 0x%08" PRIx32 " accept\n"
	    "\t\tmeta mark & 0x%08" PRIx32 " == 0x%08" PRIx32
	    " ct state new goto passed\n"
	    "\t\tmeta mark & 0x%08" PRIx32 " == 0x%08" PRIx32 " accept\n"
	    "\t\tfib daddr type " TERM_LOCAL_TYPES " accept\n"
	    "%s"
	    "\t\tmeta l4proto != @lease accept\n"
	    "\t\tct direction reply ct mark & 0x%08" PRIx32 " == 0x%08" PRIx32
	    " goto pass\n"
	    "\t\tct mark & 0x%08" PRIx32 " == 0x%08" PRIx32 " goto pass\n",
	    mask, mark_of(image, MARK_OURS), mask, pass, mask, pass,
	    others(image, lease), mask, mark_of(image, MARK_OURS), mask, pass);
	/* It began while nothing was captured, and is not cut. */
	if (image_settings(image)->on_failure == ON_FAILURE_OPEN)
		text_puts(text, "\t\tct state established accept\n");
	/* What belongs to no flow is answered by the listener: a reset. */
	text_printf(text,
	    "\t\tmeta l4proto 6 goto %s\n"
	    "\t\tgoto verdict_udp\n",
	    lease == RENDER_PAUSE ? "pass" : "relay_tcp");
}

/* What is decided behind conntrack, and this host's own on its way round. */
static void
render_rest(
    const struct image *image, enum render_lease lease, struct text *text)
{
	text_puts(text, "\tchain rest {\n"
			"\t\ttype filter hook prerouting priority mangle; "
			"policy accept;\n");
	if (image_settings(image)->local != LOCAL_NONE)
		text_puts(text, "\t\tiifname \"lo\" goto looped\n");
	if (image_interface_count(image) > 0)
		render_rest_forwarded(image, lease, text);
	text_puts(text, "\t}\n");
}

static void
render_forwarded(const struct image *image, const struct render_local *local,
    enum render_lease lease, struct text *text)
{
	render_ends(image, local, text);
	render_passed(image, text);
	render_verdicts(image, FLOW_CAPTURE_FORWARDED, lease, text);
	render_first(image, lease, text);
	render_elsewhere(image, text);
	render_answers(image, local, text);
}

/* Where what is excluded goes. */
static void
render_exclusion_ends(const struct image *image, struct text *text)
{
	text_puts(text, "\tchain excluded {\n\t\t");
	term_mark_set(image, "meta mark", MARK_EXCLUDED, text);
	text_puts(text, "accept\n\t}\n\tchain excluded_flow {\n");
	term_excluded_begin(image, text);
	text_puts(text, "\t\taccept\n\t}\n\tchain excluded_own {\n\t\t");
	term_mark_set(image, "ct mark", MARK_EXCLUDED, text);
	text_puts(text, "goto excluded\n\t}\n");
}

void
render_capture(const struct image *image, const struct render_local *local,
    enum render_lease lease, struct text *text)
{
	text_puts(text, "table inet " RENDER_TABLE " {\n\tflags owner\n");
	render_timeouts(image, text);
	render_sets(image, text);
	render_refusals(text);
	render_kept_limits(image, text);
	if (lease != RENDER_PAUSE) {
		render_told_sets(image, text);
		render_blocks(image, text);
		render_limits(image, text);
	}
	if (image_exclusion_count(image) > 0)
		render_exclusion_ends(image, text);
	if (render_dns_is_on(image, lease))
		render_dns(image, local, text);
	render_dot(image, local, text);
	if (image_interface_count(image) > 0)
		render_forwarded(image, local, lease, text);
	if (image_settings(image)->local != LOCAL_NONE) {
		render_local_looped(image, local, lease, text);
		render_local(image, local, lease, text);
	}
	render_rest(image, lease, text);
	render_upstream(image, local, text);
	text_puts(text, "}\n");
	render_elements(image, text);
}

void
render_remove_capture(struct text *text)
{
	term_removal(RENDER_TABLE, " { flags owner; }", text);
}

void
render_renew(const struct image *image, struct text *text)
{
	/* An element keeps its time when it is added again; and it can be
	 * deleted only while it is there. */
	render_lapse(image, text);
	text_puts(text, "add element inet " RENDER_TABLE " lease ");
	render_lease(image, text);
	text_puts(text, "\n");
}

/* Adding first: what has timed out already cannot be deleted. */
void
render_lapse(const struct image *image, struct text *text)
{
	static const char *const commands[] = { "add", "delete" };
	unsigned int protocol;
	size_t i;

	for (i = 0; i < 2; i++) {
		text_printf(text, "%s element inet " RENDER_TABLE " lease { 6",
		    commands[i]);
		for (protocol = 0; protocol < PROTOCOLS; protocol++)
			if (protocol != IPPROTO_TCP &&
			    is_leased(image, protocol))
				text_printf(text, ", %u", protocol);
		text_puts(text, " }\n");
	}
}
