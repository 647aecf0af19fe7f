/* SPDX-License-Identifier: ISC */
#include "netctl/pace.h"

#define RING (PACE_REPAIRS + 1)

static int
within(int64_t then_us, int64_t now_us)
{
	return then_us != 0 && now_us - then_us < PACE_WINDOW_US;
}

/* More than PACE_REPAIRS have been made: the oldest of the ring is young. */
static int
is_fight(const struct pace *pace, int64_t now_us)
{
	return within(pace->repairs_us[pace->next], now_us);
}

int64_t
pace_delay_us(const struct pace *pace, int64_t now_us)
{
	int64_t last_us = pace->repairs_us[(pace->next + PACE_REPAIRS) % RING];
	int64_t fifth_us = pace->repairs_us[(pace->next + 1) % RING];

	if (!within(fifth_us, now_us) || now_us - last_us >= PACE_SLOW_US)
		return 0;
	return is_fight(pace, now_us) ? last_us + PACE_SLOW_US - now_us : 0;
}

int
pace_repaired(struct pace *pace, int64_t now_us)
{
	pace->repairs_us[pace->next] = now_us;
	pace->next = (pace->next + 1) % RING;
	if (!is_fight(pace, now_us) || within(pace->alarm_us, now_us))
		return 0;
	pace->alarm_us = now_us;
	return 1;
}
