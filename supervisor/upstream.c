/* SPDX-License-Identifier: ISC */
/*
 * Remembers which upstreams relays have called down.  A relay that lies can
 * raise an alarm, and end one after a minute; nothing else depends on it.
 */
#include "supervisor/upstream.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "supervisor/event.h"
#include "supervisor/tpxd.h"

/* An address may stay aside that long before a flow tries it again. */
#define QUIET_US 60000000LL
/* Of an upstream that is checked: relays tell with every answer. */
#define QUIET_CHECKED_US 3000000LL

static struct {
	uint32_t generation;		  /* that the rest is about */
	int64_t told_us[LIMIT_UPSTREAMS]; /* lately; 0: it is not down */
} watch;

static int
is_present(const struct image *image)
{
	return watch.generation == image_settings(image)->generation;
}

void
upstream_describe(
    const struct image *image, uint32_t i, char *text, size_t size)
{
	(void)snprintf(text, size, "upstream %s: no address of it can be used",
	    image_upstream(image, i)->name);
}

void
upstream_report(struct tpxd *tpxd, uint64_t down, uint64_t generation)
{
	const struct image *image = tpxd->config.image;
	int64_t now_us = clock_mono_us();
	char text[128];
	uint32_t i;

	if (generation != image_settings(image)->generation)
		return;
	if (!is_present(image)) {
		memset(&watch, 0, sizeof(watch));
		watch.generation = (uint32_t)generation;
	}
	for (i = 0; i < image_upstream_count(image); i++) {
		if ((down >> i & 1) == 0)
			continue;
		if (watch.told_us[i] == 0) {
			upstream_describe(image, i, text, sizeof(text));
			event_record(
			    tpxd, SEVERITY_WARNING, NULL, "upstream", text);
		}
		watch.told_us[i] = now_us;
	}
}

static int64_t
quiet_us(const struct image *image, uint32_t i)
{
	const struct image_settings *settings = image_settings(image);

	if (image_upstream(image, i)->check_ms == 0)
		return QUIET_US;
	return settings->lease_ms * 1000LL + QUIET_CHECKED_US;
}

void
upstream_judge(struct tpxd *tpxd, int64_t now_us)
{
	const struct image *image = tpxd->config.image;
	char text[128];
	uint32_t i;

	if (!is_present(image))
		return;
	for (i = 0; i < image_upstream_count(image); i++) {
		if (watch.told_us[i] == 0 ||
		    now_us - watch.told_us[i] <= quiet_us(image, i))
			continue;
		watch.told_us[i] = 0;
		(void)snprintf(text, sizeof(text), "upstream %s: %s",
		    image_upstream(image, i)->name,
		    image_upstream(image, i)->check_ms != 0
			? "it can be used again"
			: "nothing has failed for a minute");
		event_record(tpxd, SEVERITY_INFO, NULL, "upstream", text);
	}
}

int
upstream_is_down(const struct image *image, uint32_t i)
{
	return is_present(image) && watch.told_us[i] != 0;
}
