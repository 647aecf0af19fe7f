/* SPDX-License-Identifier: ISC */
/* Numbers of one server each; reads nothing of it. */
#include "dnsd/resolver/standing.h"

/* Of its size: so the usual time moves up and down, nine times as far up. */
#define STEP 40

void
standing_asked(struct standing *standing, int64_t now_us)
{
	if (standing->aside_us == 0) {
		standing->try_us = now_us + STANDING_TRY_US;
		return;
	}
	standing->try_us = now_us + standing->aside_us;
	if (standing->aside_us < STANDING_ASIDE_MOST_US)
		standing->aside_us *= 2;
}

void
standing_answered(struct standing *standing, int64_t took_us)
{
	int64_t step = standing->usual_us / STEP + 1;

	standing->bad = 0;
	standing->aside_us = 0;
	if (standing->usual_us == 0)
		standing->usual_us = took_us * 2 + 1;
	else if (took_us > standing->usual_us)
		standing->usual_us += 9 * step;
	else if (standing->usual_us > step)
		standing->usual_us -= step;
}

void
standing_failed(struct standing *standing, int64_t now_us)
{
	if (++standing->bad < STANDING_BAD || standing->aside_us != 0)
		return;
	standing->aside_us = STANDING_ASIDE_US;
	standing->try_us = now_us + STANDING_ASIDE_US;
}

int64_t
standing_patience_us(const struct standing *standing)
{
	if (standing->usual_us == 0)
		return STANDING_UNKNOWN_US;
	if (standing->usual_us < STANDING_PATIENCE_LEAST_US)
		return STANDING_PATIENCE_LEAST_US;
	if (standing->usual_us > STANDING_PATIENCE_MOST_US)
		return STANDING_PATIENCE_MOST_US;
	return standing->usual_us;
}

int
standing_is_better(const struct standing *one, const struct standing *other)
{
	int aside = one->aside_us != 0, unknown = one->usual_us == 0;

	if (aside != (other->aside_us != 0))
		return !aside;
	if (unknown != (other->usual_us == 0))
		return !unknown;
	return one->usual_us < other->usual_us;
}

int
standing_is_due(const struct standing *standing, int64_t now_us)
{
	return standing->try_us <= now_us;
}
