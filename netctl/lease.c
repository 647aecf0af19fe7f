/* SPDX-License-Identifier: ISC */
#include "netctl/lease.h"

#include "schema/limits.h"

#define GOOD_BEATS 3

void
lease_init(struct lease *lease, uint32_t lease_ms, int live, int64_t now_us)
{
	lease->lease_us = (int64_t)lease_ms * 1000;
	lease->state = live ? LEASE_LIVE : LEASE_COLD;
	lease->ends_us = now_us + lease_element_us(lease);
	lease->last_us = 0;
	lease->good = 0;
}

void
lease_set(struct lease *lease, uint32_t lease_ms, int64_t now_us)
{
	lease->lease_us = (int64_t)lease_ms * 1000;
	lease->ends_us = now_us + lease_element_us(lease);
}

int64_t
lease_element_us(const struct lease *lease)
{
	return LEASE_ELEMENT(lease->lease_us);
}

static int
beat_is_good(struct lease *lease, int64_t sent_us, int64_t now_us)
{
	int64_t patience_us = LEASE_PROOF(lease->lease_us);

	if (sent_us > now_us || now_us - sent_us > patience_us) {
		lease->good = 0;
		return 0;
	}
	if (now_us - lease->last_us > patience_us)
		lease->good = 0;
	lease->last_us = now_us;
	lease->good++;
	return 1;
}

enum lease_action
lease_beat(struct lease *lease, int64_t sent_us, int64_t now_us)
{
	enum lease_state before = lease->state;

	if (!beat_is_good(lease, sent_us, now_us))
		return LEASE_NOTHING;
	if (before == LEASE_LAPSED && lease->good < GOOD_BEATS)
		return LEASE_NOTHING;
	lease->state = LEASE_LIVE;
	lease->ends_us = now_us + lease_element_us(lease);
	return before == LEASE_LIVE ? LEASE_RENEW : LEASE_ARM;
}

int
lease_delay(struct lease *lease, int64_t busy_us, int64_t now_us)
{
	if (lease->state != LEASE_LIVE || now_us >= lease->ends_us + busy_us)
		return 0;
	lease->ends_us += busy_us;
	lease->last_us += busy_us;
	return 1;
}

enum lease_action
lease_expire(struct lease *lease, int64_t now_us)
{
	if (lease->state != LEASE_LIVE || now_us < lease->ends_us)
		return LEASE_NOTHING;
	lease->state = LEASE_LAPSED;
	lease->good = 0;
	return LEASE_LAPSE;
}
