/* SPDX-License-Identifier: ISC */
#include "ctl/plan_dns.h"

#include <inttypes.h>
#include <stdio.h>

#include "policy/image.h"
#include "policy/way.h"

#define TEXT_BYTES 128

struct plan {
	plan_dns_fn *call;
	void *ctx;
};

static void
in_dnsd(const struct plan *plan, const char *statement, const char *why)
{
	plan->call(plan->ctx, statement, "dnsd", why);
}

static void
each_way(const struct plan *plan, const struct image *image)
{
	enum dns_way way;

	for (way = 0; way < WAY_COUNT; way++) {
		if (!image_way_is_closed(image, way))
			continue;
		if (way == WAY_ENCRYPTED)
			plan->call(plan->ctx, way_text(way, 1), "kernel",
			    "before every rule, by the port; refused, and "
			    "logged by nflog");
		else
			in_dnsd(plan, way_text(way, 1),
			    "before every list, by the name that is asked for "
			    "or that an answer goes by");
	}
}

static void
each_block(const struct plan *plan, const struct image *image)
{
	uint32_t i;

	for (i = 0; i < image_block_count(image); i++)
		in_dnsd(plan, image_block_text(image, i),
		    "by the name that is asked for or that an answer goes by");
}

static void
log_of(const struct plan *plan, const char *about, uint32_t one_in)
{
	char text[TEXT_BYTES];

	if (one_in > 1)
		(void)snprintf(text, sizeof(text), "dns log %ssample %" PRIu32,
		    about, one_in);
	else
		(void)snprintf(text, sizeof(text), "dns log %s%s", about,
		    one_in == 0 ? "no" : "all");
	in_dnsd(plan, text, "when it is answered, by the name asked for");
}

static void
each_log(const struct plan *plan, const struct image *image)
{
	const struct image_dns *dns = image_dns(image);
	char about[LIMIT_NAME_BYTES + sizeof("<> ")];
	uint32_t i;

	for (i = 0; i < image_dns_log_count(image); i++) {
		const struct image_dns_log *log = image_dns_log(image, i);

		(void)snprintf(about, sizeof(about), "<%s> ",
		    image_domains(image, log->domains));
		log_of(plan, about, log->one_in);
	}
	if (dns->log_rest != 1)
		log_of(plan, "", dns->log_rest);
	if (dns->log_blocked != 1)
		log_of(plan, "blocked ", dns->log_blocked);
}

void
plan_dns_each(const struct image *image, plan_dns_fn *call, void *ctx)
{
	const struct plan plan = { call, ctx };
	uint32_t rate = image_dns(image)->max_rate;
	char text[TEXT_BYTES];

	if (image_dns(image)->mode == DNS_OFF)
		return;
	(void)snprintf(text, sizeof(text), "dns max-rate %" PRIu32, rate);
	if (rate != 0)
		in_dnsd(&plan, text, "before everything else, by the client");
	each_way(&plan, image);
	each_block(&plan, image);
	each_log(&plan, image);
}
