/* SPDX-License-Identifier: ISC */
/*
 * The guard of on-failure closed: without the mark that the capture table
 * gives there is no way out.  It holds by itself, so whatever may leave at all
 * times, be tpx there or not, is told from the rest here: what is excluded,
 * other protocols, and of this host's own sockets the relays' and answers to
 * what others began.
 */
#include <inttypes.h>

#include "policy/render.h"
#include "policy/render_addr.h"
#include "policy/render_owner.h"
#include "policy/render_rule.h"
#include "policy/render_term.h"

static void
guard_begin(const char *table, struct text *text)
{
	term_removal(table, "", text);
	text_printf(text, "table inet %s {\n", table);
}

static int
is_captured(const struct image *image, uint32_t *interfaces)
{
	*interfaces = image_interface_count(image);
	return *interfaces > 0;
}

static void
guard_let(const struct image *image, struct text *text)
{
	text_puts(text, "\tchain let {\n\t\t");
	term_mark_set(image, "meta mark", MARK_PASS, text);
	text_puts(text, "accept\n\t}\n");
	if (image_exclusion_count(image) == 0)
		return;
	text_puts(text, "\tchain excluded {\n");
	term_excluded_begin(image, text);
	text_puts(text, "\t\tgoto let\n\t}\n");
}

static void
guard_excluded(const struct image *image, struct text *text)
{
	if (image_exclusion_count(image) == 0)
		return;
	text_puts(text, "\t\tct direction reply ");
	term_mark_is(image, "ct mark", MARK_EXCLUDED, text);
	text_puts(text, "goto let\n");
	render_exclusions(
	    image, FLOW_CAPTURE_FORWARDED, "goto excluded", "", text);
}

/*
 * Gives what may leave the mark before routing looks at it, which sends the
 * rest to a blackhole.  A protocol that cannot be read gets none: it is a
 * fragment of IPv6, or the headers end too early.  What asks for a header of
 * IPv6 matches no packet of IPv4.
 */
static void
guard_prerouting(const struct image *image, struct text *text)
{
	uint32_t count;

	if (!is_captured(image, &count))
		return;
	guard_let(image, text);
	text_puts(text, "\tchain prerouting {\n"
			"\t\ttype filter hook prerouting priority -140; "
			"policy accept;\n\t\tiifname != ");
	term_interfaces(image, text);
	/* What a relay takes is decided, and no exclusion of today is for it.
	 */
	text_printf(text,
	    " accept\n\t\tmeta mark & 0x%08" PRIx32 " != 0x00000000 accept\n"
	    "\t\t" TERM_MAPPED " counter drop\n" TERM_SOURCE_ROUTES,
	    image_settings(image)->mark_mask);
	guard_excluded(image, text);
	if (!term_blocks_others(image))
		text_puts(text,
		    "\t\tmeta nfproto ipv4 meta l4proto != { 6, 17 } goto let\n"
		    "\t\tmeta l4proto != { 6, 17 } exthdr frag missing "
		    "goto let\n");
	text_puts(text, "\t}\n");
}

static void
guard_forward(const struct image *image, struct text *text)
{
	uint32_t count;

	if (!is_captured(image, &count))
		return;
	text_puts(text, "\tchain forward {\n"
			"\t\ttype filter hook forward priority filter; "
			"policy accept;\n\t\tiifname != ");
	term_interfaces(image, text);
	text_puts(text, " accept\n\t\t");
	term_is_let(image, text);
	text_puts(text, "accept\n\t\tcounter drop\n\t}\n");
}

static void
guard_output_end(const struct image *image, struct text *text)
{
	text_puts(text, "\tchain guarded {\n"
			"\t\tmeta l4proto { 6, 17 } counter drop\n");
	if (term_blocks_others(image))
		text_puts(text, "\t\t" TERM_NEIGHBOURS " accept\n"
				"\t\tct state related accept\n"
				"\t\tcounter drop\n");
	text_puts(text, "\t}\n");
}

static void
guard_output(const struct image *image, const struct render_local *local,
    struct text *text)
{
	uint32_t count;

	guard_output_end(image, text);
	if (render_excludes_owners(image)) {
		text_puts(text, "\tchain excluded_own {\n\t\t");
		term_mark_set(image, "ct mark", MARK_EXCLUDED, text);
		text_puts(text, "accept\n\t}\n");
	}
	term_unmarked(image, local->uid, text);
	term_unowned(text);
	text_puts(text, "\tchain output {\n"
			"\t\ttype filter hook output priority 300; "
			"policy accept;\n");
	term_looped(image, text);
	text_puts(text, "\t\t");
	term_is_let(image, text);
	text_puts(text, "accept\n\t\t");
	term_mark_is(image, "meta mark", MARK_OURS, text);
	text_printf(text,
	    "accept\n\t\tmeta skuid %" PRIu32 " accept\n"
	    "\t\tct direction reply accept\n\t\t",
	    local->uid);
	term_mark_is(image, "ct mark", MARK_OURS, text);
	text_puts(text, "accept\n\t\t");
	term_mark_is(image, "ct mark", MARK_KEPT, text);
	text_puts(text,
	    "accept\n"
	    "\t\tfib daddr type " TERM_LOCAL_TYPES " accept\n" TERM_DHCP);
	if (is_captured(image, &count))
		term_answers(image, text);
	term_excluded_own(image, text);
	render_exclusions(
	    image, FLOW_CAPTURE_LOCAL, "accept", "goto excluded_own", text);
	term_users(image, "guarded", text);
	text_puts(text, "\t}\n");
}

static void
guard(const char *table, const struct image *image,
    const struct render_local *local, struct text *text)
{
	guard_begin(table, text);
	if (image_exclusion_count(image) > 0)
		render_tables(image, 0, text);
	guard_prerouting(image, text);
	guard_forward(image, text);
	if (image_settings(image)->local != LOCAL_NONE) {
		guard_output(image, local, text);
		term_strayed(image, text);
	}
	text_puts(text, "}\n");
}

void
render_guard(const struct image *image, const struct render_local *local,
    struct text *text)
{
	guard(RENDER_GUARD_TABLE, image, local, text);
}

void
render_guard_beside(const struct image *image, const struct render_local *local,
    struct text *text)
{
	guard(RENDER_GUARD_BESIDE, image, local, text);
}

void
render_guard_all(struct text *text)
{
	text_puts(text,
	    "add table inet " RENDER_GUARD_TABLE "\n"
	    "add chain inet " RENDER_GUARD_TABLE " all_forwarded { type filter "
	    "hook forward priority filter; policy drop; }\n");
}

void
render_remove_guard(struct text *text)
{
	term_removal(RENDER_GUARD_TABLE, "", text);
}

void
render_remove_guard_beside(struct text *text)
{
	term_removal(RENDER_GUARD_BESIDE, "", text);
}
