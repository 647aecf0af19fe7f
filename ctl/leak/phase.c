/* SPDX-License-Identifier: ISC */
#include "ctl/leak/phase.h"

#include <signal.h>

#include "common/clock.h"
#include "common/log.h"

#define GRACE_US 500000 /* beyond the lease */
#define PATIENCE_US 20000000
#define PACE(lease_us) ((lease_us) / 12)
#define ROUNDS 2      /* that have to be alike */
#define ROUNDS_SAME 4 /* and who has not arrived by then will not */

/* What comes of it: tpx goes on, waits until it is continued, or ends. */
enum outcome { SURVIVES, LAPSES, ENDS };

struct phase {
	const char *name;
	unsigned int set;
	int signal;
	enum outcome outcome;
	int flush; /* all nftables rules, too */
	int quick;
};

#define SUPERVISOR INSTANCE_SUPERVISOR
#define NETCTL INSTANCE_NETCTL
#define KEEPER INSTANCE_KEEPER
#define RELAY INSTANCE_RELAY
#define FLOWLOG INSTANCE_FLOWLOG
#define DNSD INSTANCE_DNSD
#define RESOLVER INSTANCE_RESOLVER
#define DOT INSTANCE_DOT

static const struct phase phases[] = {
	{ "tpxd killed", SUPERVISOR, SIGKILL, ENDS, 0, 1 },
	{ "tpxd stopped", SUPERVISOR, SIGSTOP, LAPSES, 0, 1 },
	{ "netctl's worker killed", NETCTL, SIGKILL, SURVIVES, 0, 0 },
	{ "netctl's worker stopped", NETCTL, SIGSTOP, LAPSES, 0, 0 },
	{ "netctl killed", KEEPER | NETCTL, SIGKILL, ENDS, 0, 0 },
	{ "netctl stopped", KEEPER | NETCTL, SIGSTOP, LAPSES, 0, 0 },
	{ "relays killed", RELAY, SIGKILL, SURVIVES, 0, 0 },
	{ "relays stopped", RELAY, SIGSTOP, SURVIVES, 0, 0 },
	{ "flowlog killed", FLOWLOG, SIGKILL, SURVIVES, 0, 0 },
	{ "flowlog stopped", FLOWLOG, SIGSTOP, SURVIVES, 0, 0 },
	{ "dnsds killed", DNSD, SIGKILL, SURVIVES, 0, 0 },
	{ "dnsds stopped", DNSD, SIGSTOP, SURVIVES, 0, 0 },
	{ "resolver killed", RESOLVER, SIGKILL, SURVIVES, 0, 0 },
	{ "resolver stopped", RESOLVER, SIGSTOP, SURVIVES, 0, 0 },
	{ "tpx-dot killed", DOT, SIGKILL, SURVIVES, 0, 0 },
	{ "tpx-dot stopped", DOT, SIGSTOP, SURVIVES, 0, 0 },
	{ "everything stopped", INSTANCE_ALL, SIGSTOP, LAPSES, 0, 0 },
	{ "everything killed", INSTANCE_ALL, SIGKILL, ENDS, 0, 1 },
	{ "everything killed, rules flushed", INSTANCE_ALL, SIGKILL, ENDS, 1,
	    1 },
};

struct run {
	struct trial *trial;
	struct instance *instance;
	int64_t lease_us;
	phase_fn *on_result;
	void *ctx;
	uint64_t leaked; /* before this phase */
	int failed;	 /* not by a leak */
};

static void
begin(struct run *run, const char *name)
{
	run->trial->phase = name;
	run->trial->sent = 0;
	run->leaked = run->trial->leaked;
}

/* 0, or -1 when it proves nothing. */
static int
result(struct run *run)
{
	struct phase_result phase = { .name = run->trial->phase,
		.sent = run->trial->sent,
		.own_silent =
		    run->trial->own_silent &&
		    image_settings(run->trial->image)->local != LOCAL_NONE,
		.count = trial_count(run->trial),
		.leaked = run->trial->leaked - run->leaked };

	run->on_result(run->ctx, &phase);
	return trial_check(run->trial);
}

/* Until everything that may arrive has, or no more of it does. */
static struct trial_count
rounds(struct trial *trial)
{
	struct trial_count count = trial_count(trial);
	uint32_t seen;
	int i = 0, same = 0;

	do {
		seen = count.seen;
		trial_round(trial);
		count = trial_count(trial);
		same = count.seen == seen ? same + 1 : 0;
	} while (++i < ROUNDS ||
		 (count.seen < count.expected && same < ROUNDS_SAME));
	return count;
}

/* Whether one of those that this is the way of has arrived, if there are. */
static int
is_proven(const struct trial *trial, enum judge_class class, const char *action)
{
	const struct sentinel *item;
	uint32_t i, expected = 0;

	for (i = 0; i < trial->sentinels.count; i++) {
		item = &trial->sentinels.items[i];
		if (item->class != class || !item->can_arrive ||
		    !trial_expects(trial, item))
			continue;
		expected++;
		if (item->direct + item->relayed > 0)
			return 1;
	}
	if (expected > 0)
		log_warnx("tpx is armed, but what it should %s does not arrive",
		    action);
	return expected == 0;
}

/* Whether the users of this host that are not captured are not. */
static int
are_let_alone(const struct trial *trial)
{
	const struct sentinel *item;
	uint32_t i;

	for (i = 0; i < trial->sentinels.count; i++) {
		item = &trial->sentinels.items[i];
		if (!item->origin->is_own || item->user->account.is_captured ||
		    !item->can_arrive || !trial_expects(trial, item) ||
		    item->direct > 0)
			continue;
		log_warnx("uid %u is not captured, but its %s does not arrive",
		    item->user->account.uid, sentinel_name(item));
		return 0;
	}
	return 1;
}

/* Without tpx everything arrives that can, so that its absence says much. */
static int
run_bare(struct run *run)
{
	struct trial *trial = run->trial;
	struct trial_count count;
	uint32_t i;

	begin(run, "without tpx");
	for (i = 0; i < trial->sentinels.count; i++)
		trial->sentinels.items[i].can_arrive = 1;
	trial_enter(trial, JUDGE_BARE);
	count = rounds(trial);
	for (i = 0; i < trial->sentinels.count; i++)
		trial->sentinels.items[i].can_arrive =
		    trial->sentinels.items[i].direct > 0;
	if (result(run) == -1)
		return -1;
	if (count.seen == 0)
		log_warnx("without tpx nothing arrives: nothing is proven");
	return count.seen == 0 ? -1 : 0;
}

static int
is_closed(const struct run *run)
{
	return image_settings(run->trial->image)->on_failure ==
	       ON_FAILURE_CLOSED;
}

static int
run_guard(struct run *run, size_t image_len)
{
	begin(run, "guard, before tpxd starts");
	if (instance_guard(run->instance, run->trial->image, image_len) == -1)
		return -1;
	trial_enter(run->trial, JUDGE_LAPSED);
	(void)rounds(run->trial);
	return result(run);
}

/* Armed with all processes, in two rounds in a row. */
static int
wait_armed(struct run *run)
{
	int64_t limit_us = clock_mono_us() + PATIENCE_US + 3 * run->lease_us;
	size_t running;
	int good = 0;

	while (good < ROUNDS && clock_mono_us() < limit_us) {
		trial_round(run->trial);
		running = instance_count(run->instance, INSTANCE_ALL);
		good = running >= run->instance->healthy &&
			       instance_is_armed(run->instance)
			   ? good + 1
			   : 0;
	}
	if (good == ROUNDS) {
		run->instance->healthy =
		    instance_count(run->instance, INSTANCE_ALL);
		return 0;
	}
	log_warnx("tpxd is not armed; it says:");
	instance_show_log();
	return -1;
}

/*
 * A way past DNS is closed only when whoever asks for it is told so.  Once
 * something has leaked, nothing is waited for.
 */
static void
check_questions(struct run *run)
{
	int64_t limit_us = clock_mono_us() + PATIENCE_US / 4;
	struct trial *trial = run->trial;

	while (trial_answered(trial, 0) > 0 && trial->leaked == 0 &&
	       clock_mono_us() < limit_us)
		trial_round(trial);
	(void)trial_answered(trial, 1);
}

static int
run_armed(struct run *run, const char *name)
{
	begin(run, name);
	trial_enter(run->trial, JUDGE_FAILING);
	if (instance_start(run->instance) == -1 || wait_armed(run) == -1)
		return -1;
	run->trial->own_silent = 0;
	trial_enter(run->trial, JUDGE_ARMED);
	(void)rounds(run->trial);
	check_questions(run);
	if (result(run) == -1)
		return -1;
	return is_proven(run->trial, JUDGE_RELAY, "relay") &&
		       is_proven(run->trial, JUDGE_PASS, "pass") &&
		       are_let_alone(run->trial)
		   ? 0
		   : -1;
}

/* Those that are killed leave at once, and the others by themselves. */
static int
wait_ended(struct run *run)
{
	int64_t limit_us = clock_mono_us() + PATIENCE_US;

	while (instance_count(run->instance, INSTANCE_ALL) > 0 &&
	       clock_mono_us() < limit_us)
		trial_round(run->trial);
	if (instance_count(run->instance, INSTANCE_ALL) == 0)
		return 0;
	log_warnx("%s: not all processes end", run->trial->phase);
	return -1;
}

/* On-failure decides now: closed nothing that is captured passes, open all. */
static int
run_lapsed(struct run *run)
{
	struct trial_count count;

	trial_enter(run->trial, JUDGE_LAPSED);
	count = rounds(run->trial);
	if (result(run) == -1)
		return -1;
	if (is_closed(run) || count.seen == count.expected)
		return 0;
	run->failed = 1;
	log_warnx("%s: %u of %u sentinels still do not go direct, %.1f s "
		  "after the lease",
	    run->trial->phase, count.expected - count.seen, count.expected,
	    GRACE_US / 1e6);
	return 0;
}

static int
heal(struct run *run, const struct phase *phase)
{
	if (phase->signal == SIGSTOP)
		(void)instance_signal(run->instance, phase->set, SIGCONT);
	return wait_armed(run);
}

static int
fault(struct run *run, const struct phase *phase)
{
	int64_t lapse_us = clock_mono_us() + run->lease_us + GRACE_US;
	int64_t next_us;

	if (instance_signal(run->instance, phase->set, phase->signal) == 0) {
		log_warnx("%s: there is no such process", phase->name);
		return -1;
	}
	if (phase->outcome == ENDS && wait_ended(run) == -1)
		return -1;
	run->trial->own_silent = phase->flush && is_closed(run);
	if (phase->flush && net_flush_rules(&run->trial->site.gateway) == -1)
		return -1;
	if (phase->outcome == SURVIVES && phase->signal == SIGKILL)
		return 0;
	for (next_us = clock_mono_us(); clock_mono_us() < lapse_us;
	     next_us += PACE(run->lease_us)) {
		trial_round(run->trial);
		trial_wait(run->trial, next_us);
	}
	trial_wait(run->trial, lapse_us);
	return 0;
}

static int
run_phase(struct run *run, const struct phase *phase)
{
	begin(run, phase->name);
	trial_enter(run->trial, JUDGE_FAILING);
	if (fault(run, phase) == -1)
		return -1;
	if (phase->outcome == SURVIVES) {
		if (heal(run, phase) == -1)
			return -1;
		trial_enter(run->trial, JUDGE_ARMED);
		(void)rounds(run->trial);
		return result(run);
	}
	if (run_lapsed(run) == -1)
		return -1;
	if (phase->outcome == ENDS)
		return run_armed(run, "started again");
	begin(run, "continued");
	trial_enter(run->trial, JUDGE_FAILING);
	if (heal(run, phase) == -1)
		return -1;
	trial_enter(run->trial, JUDGE_ARMED);
	(void)rounds(run->trial);
	return result(run);
}

/* Whether the configuration has those processes at all. */
static int
is_had(const struct run *run, unsigned int set)
{
	unsigned int mode = image_dns(run->trial->image)->mode, none = 0;

	if (mode == DNS_OFF)
		none |= DNSD | RESOLVER;
	if (mode != DNS_FORWARD_TLS)
		none |= DOT;
	return set == INSTANCE_ALL || (set & none) == 0;
}

/* An end in order leaves the guard, or nothing. */
static int
run_end(struct run *run)
{
	begin(run, "ended");
	trial_enter(run->trial, JUDGE_FAILING);
	(void)instance_signal(run->instance, INSTANCE_SUPERVISOR, SIGTERM);
	if (wait_ended(run) == -1)
		return -1;
	return run_lapsed(run);
}

int
phase_run_all(struct trial *trial, struct instance *instance, size_t image_len,
    int quick, phase_fn *on_result, void *ctx)
{
	struct run run = { .trial = trial,
		.instance = instance,
		.lease_us =
		    (int64_t)image_settings(trial->image)->lease_ms * 1000,
		.on_result = on_result,
		.ctx = ctx };
	size_t i;

	if (run_bare(&run) == -1 ||
	    (is_closed(&run) && run_guard(&run, image_len) == -1) ||
	    run_armed(&run, "armed") == -1)
		return -1;
	for (i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		if ((phases[i].quick || !quick) &&
		    is_had(&run, phases[i].set) &&
		    run_phase(&run, &phases[i]) == -1)
			return -1;
	return run_end(&run) == -1 || run.failed ? -1 : 0;
}
