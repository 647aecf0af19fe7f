/* SPDX-License-Identifier: ISC */
/*
 * When a heartbeat renews the kernel's lease, and when it does not.  Pure: the
 * caller does what it is told.  Times are CLOCK_MONOTONIC in microseconds.
 *
 *	cold	a good beat arms: the supervisor has seen every worker work
 *	live	a good beat renews; none in time lets it lapse
 *	lapsed	three good beats in a row arm again
 *
 * A beat is good when it is young: beats that piled up while this process was
 * stopped prove nothing.
 */
#ifndef NETCTL_LEASE_H
#define NETCTL_LEASE_H

#include <stdint.h>

enum lease_state { LEASE_COLD, LEASE_LIVE, LEASE_LAPSED };

enum lease_action {
	LEASE_NOTHING,
	LEASE_ARM, /* from cold or lapsed to live */
	LEASE_RENEW,
	LEASE_LAPSE, /* from live to lapsed */
};

struct lease {
	enum lease_state state;
	int64_t lease_us;  /* as configured: the worst time to a safe state */
	int64_t ends_us;   /* the kernel's elements are to last until then */
	int64_t last_us;   /* of the last good beat */
	unsigned int good; /* good beats in a row */
};

/* live: a predecessor had armed it and it may not have ended yet. */
void lease_init(struct lease *, uint32_t lease_ms, int live, int64_t now_us);

/*
 * Another configuration's length; a live lease has begun anew with it.  How
 * many beats were good stays.
 */
void lease_set(struct lease *, uint32_t lease_ms, int64_t now_us);

/*
 * A beat that was sent at sent_us has arrived.  When the lease had ended
 * meanwhile, lease_expire() must be asked first.
 */
enum lease_action lease_beat(struct lease *, int64_t sent_us, int64_t now_us);

/*
 * Nobody could read a beat for so long up to now: that counts against none, and
 * no further.  1 when the kernel's lease has to be renewed for that, 0 when it
 * had ended before or is not live.
 */
int lease_delay(struct lease *, int64_t busy_us, int64_t now_us);

/* LEASE_LAPSE when the live lease has ended, else LEASE_NOTHING. */
enum lease_action lease_expire(struct lease *, int64_t now_us);

/* An armed or renewed lease now ends this much later. */
int64_t lease_element_us(const struct lease *);

#endif
