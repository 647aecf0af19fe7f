/* SPDX-License-Identifier: ISC */
/*
 * Questions over UDP are decided before conntrack and never tracked: an entry
 * for each would fill its table.  From port 53 they look like answers of a
 * server, which only conntrack tells apart; those few are decided behind it.
 * TCP is taken as a relay takes it.
 *
 * An answer over UDP leaves the listener of dnsd with the address that was
 * asked, but with the listener's port, which becomes 53 here: so no process
 * holds port 53, and none needs a socket for each server.  netctl has marked
 * the listeners, and nothing else gets that mark.
 */
#include "policy/render_dns.h"

#include <inttypes.h>

#include "policy/render_local.h"
#include "policy/render_rule.h"
#include "policy/render_term.h"

#define NOT_HERE "fib daddr type != " TERM_LOCAL_TYPES " "

int
render_dns_is_on(const struct image *image, enum render_lease lease)
{
	return image_dns(image)->mode != DNS_OFF && lease != RENDER_PAUSE;
}

void
render_dns_first(struct text *text)
{
	text_puts(text,
	    "\t\tudp sport != 53 udp dport 53 " NOT_HERE
	    "meta l4proto @lease goto dns_udp\n"
	    "\t\ttcp dport 53 tcp flags & (syn | ack) == syn " NOT_HERE
	    "meta l4proto @lease goto dns_tcp\n");
}

void
render_dns_rest(const struct image *image, struct text *text)
{
	text_printf(text,
	    "\t\tudp dport 53 meta mark & 0x%08" PRIx32 " == 0x00000000 "
	    "ct direction original " NOT_HERE "meta l4proto @lease "
	    "goto dns_udp\n",
	    image_settings(image)->mark_mask);
}

void
render_dns_local(struct text *text)
{
	text_puts(text, "\t\tmeta l4proto { 6, 17 } th dport 53 "
			"goto dns_local_flow\n");
}

void
render_dns_looped(struct text *text)
{
	text_puts(text, "\t\tmeta l4proto { 6, 17 } th dport 53 "
			"goto dns_looped\n");
}

/* Who says to be somebody else would have the answers sent there. */
static void
dns_forwarded(const struct image *image, const struct render_local *local,
    struct text *text)
{
	int open = image_settings(image)->on_failure == ON_FAILURE_OPEN;

	text_puts(text, "\tchain dns {\n");
	render_tproxy(local->dns4, local->dns6, "6, 17", "goto ours", text);
	text_printf(text, "\t\tcounter %s\n\t}\n", open ? "accept" : "drop");
	text_puts(text, "\tchain dns_udp {\n"
			"\t\tip6 saddr fe80::/10 counter drop\n"
			"\t\tfib saddr . iif oif missing counter drop\n"
			"\t\tgoto dns\n\t}\n"
			"\tchain dns_tcp {\n\t\tgoto dns\n\t}\n");
}

static void
dns_taken(const struct image *image, int flow, struct text *text)
{
	text_puts(text, "\t\t");
	term_mark_set(image, "meta mark", MARK_OURS, text);
	if (flow)
		term_mark_set(image, "ct mark", MARK_RELAYED, text);
	text_printf(text, "%saccept\n\t}\n", flow ? "" : "notrack ");
}

/* The same choice as in the chain "local", but before conntrack. */
static void
dns_local(const struct image *image, const struct render_local *local,
    struct text *text)
{
	text_puts(text, "\tchain dns_looped {\n");
	render_tproxy(
	    local->dns_local4, local->dns_local6, "6, 17", "accept", text);
	text_puts(text, "\t\tcounter drop\n\t}\n"
			"\tchain dns_local_flow {\n");
	dns_taken(image, 1, text);
	text_puts(text, "\tchain dns_local {\n" TERM_SOURCE_ROUTES);
	render_local_spoofed(text);
	dns_taken(image, 0, text);
	text_printf(text,
	    "\tchain dns_output {\n"
	    "\t\ttype route hook output priority -290; policy accept;\n"
	    "\t\tmeta l4proto != 17 accept\n"
	    "\t\tudp dport != 53 accept\n\t\tudp sport 53 accept\n"
	    "\t\toifname \"lo\" accept\n\t\tmeta skuid %" PRIu32 " accept\n"
	    "\t\tfib daddr type " TERM_LOCAL_TYPES " accept\n"
	    "\t\t" TERM_MAPPED " accept\n",
	    local->uid);
	render_exclusions(image, FLOW_CAPTURE_LOCAL, "accept", "accept", text);
	text_puts(text, "\t\tmeta l4proto != @lease accept\n");
	term_users(image, "dns_local", text);
	text_puts(text, "\t}\n");
}

/* Each listener answers where its questions came from, and nowhere else. */
static void
dns_answer(const struct image *image, int looped, const char *family,
    uint16_t port, struct text *text)
{
	if (port == 0)
		return;
	text_puts(text, "\t\toifname ");
	if (looped)
		text_puts(text, "\"lo\"");
	else
		term_interfaces(image, text);
	text_printf(text,
	    " meta nfproto %s udp sport %u udp sport set 53 "
	    "meta mark set meta mark & 0x%08" PRIx32 " notrack accept\n",
	    family, port, ~image_settings(image)->mark_mask);
}

static void
dns_answers(const struct image *image, const struct render_local *local,
    struct text *text)
{
	text_puts(text, "\tchain dns_answers {\n"
			"\t\ttype filter hook output priority raw; "
			"policy accept;\n\t\t");
	term_mark_is_not(image, "meta mark", MARK_DNS, text);
	text_printf(text,
	    "accept\n\t\tmeta skuid != %" PRIu32 " accept\n"
	    "\t\tmeta l4proto != 17 accept\n",
	    local->uid);
	if (image_interface_count(image) > 0) {
		dns_answer(image, 0, "ipv4", local->dns4, text);
		dns_answer(image, 0, "ipv6", local->dns6, text);
	}
	dns_answer(image, 1, "ipv4", local->dns_local4, text);
	dns_answer(image, 1, "ipv6", local->dns_local6, text);
	text_puts(text, "\t\tcounter drop\n\t}\n");
}

void
render_dns(const struct image *image, const struct render_local *local,
    struct text *text)
{
	if (image_interface_count(image) > 0)
		dns_forwarded(image, local, text);
	if (image_settings(image)->local != LOCAL_NONE)
		dns_local(image, local, text);
	dns_answers(image, local, text);
}

void
render_dot(const struct image *image, const struct render_local *local,
    struct text *text)
{
	if (image_dns(image)->mode != DNS_FORWARD_TLS || local->dot == 0)
		return;
	text_printf(text,
	    "\tchain dot {\n"
	    "\t\ttype filter hook output priority raw; policy accept;\n"
	    "\t\toifname \"lo\" meta nfproto ipv4 meta l4proto { 6, 17 } "
	    "th dport %u meta skuid != %" PRIu32 " counter drop\n\t}\n",
	    local->dot, local->uid);
}
