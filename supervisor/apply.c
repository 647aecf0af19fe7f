/* SPDX-License-Identifier: ISC */
/*
 * Owns the configuration that is on its way, and the one before it.  Reads no
 * message itself: what comes here has passed config_adopt().
 */
#include "supervisor/apply.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "supervisor/control.h"
#include "supervisor/event.h"
#include "supervisor/tpxd.h"

enum stage {
	STAGE_NONE,
	STAGE_RELAYS, /* they have it, and have not all answered since */
	STAGE_KERNEL, /* netctl has it, and has not answered */
	STAGE_AGAIN,  /* the kernel refused to return: netctl gets it again */
	STAGE_TRIAL,  /* it is in force, and waits to be confirmed */
};

static struct {
	enum stage stage;
	int returning;	 /* to the configuration before */
	const char *why; /* it returns, for who had asked for the other one */
	struct config before;
	uint64_t sequence; /* of the question that proves it */
	uint64_t refused;  /* at which heartbeat the kernel did; 0: never */
	int64_t began_us;
	uint32_t confirm_s;
	int64_t trial_ends_us;
	struct event *trial;
} apply;

int
apply_under_way(void)
{
	return apply.stage != STAGE_NONE && apply.stage != STAGE_TRIAL;
}

const char *
apply_refusal(void)
{
	return apply_under_way() ? apply.why : NULL;
}

int
apply_trial_s(void)
{
	if (apply.stage != STAGE_TRIAL)
		return -1;
	return (
	    int)((apply.trial_ends_us - clock_mono_us() + 999999) / 1000000);
}

static uint32_t
generation(const struct tpxd *tpxd)
{
	return image_settings(tpxd->config.image)->generation;
}

const struct config *
apply_in_force(const struct tpxd *tpxd)
{
	if (apply_under_way() &&
	    image_settings(apply.before.image)->generation == tpxd->in_force)
		return &apply.before;
	/* On its return it has another number, and is the same else. */
	return &tpxd->config;
}

static void
record(struct tpxd *tpxd, enum event_severity severity, const char *what)
{
	char message[128];

	(void)snprintf(message, sizeof(message), "generation %u %s",
	    generation(tpxd), what);
	event_record(tpxd, severity, NULL, "config", message);
}

static void
give(struct child *child)
{
	if (child->channel != NULL && child_send_config(child) == -1)
		child_kill(child, "stuck", "does not read its messages");
}

static void
settle(void)
{
	apply.stage = STAGE_NONE;
	config_free(&apply.before);
}

/* From now on this is the configuration, also of processes that start. */
static void
distribute(struct tpxd *tpxd, const struct config *config)
{
	uint32_t i;

	apply.before = tpxd->config;
	tpxd->config = *config;
	for (i = 0; i < tpxd->nrelays; i++)
		give(&tpxd->relays[i].child);
	give(&tpxd->flowlog);
	for (i = 0; i < tpxd->dns.count; i++)
		give(&tpxd->dns.dnsds[i].child);
	dns_begin(tpxd, apply.before.image);
	apply.stage = STAGE_RELAYS;
	apply.refused = 0;
	apply.began_us = clock_mono_us();
	apply.sequence = tpxd->beat + 1;
	tpxd_ask(tpxd);
}

/* What only a start reads, and what differs in it. */
static const char *
fixed_difference(const struct tpxd *tpxd, const struct image *next)
{
	const struct image *now = tpxd->config.image;

	if (strcmp(image_control_socket(now), image_control_socket(next)) != 0)
		return "control socket";
	if (strcmp(image_log_dir(now), image_log_dir(next)) != 0)
		return "log dir";
	if (image_settings(now)->mark_mask != image_settings(next)->mark_mask)
		return "mark mask";
	if (image_settings(now)->workers != image_settings(next)->workers)
		return "workers";
	return NULL;
}

static const char *
obstacle(const struct tpxd *tpxd)
{
	if (tpxd->state == IPC_STATE_STARTING)
		return "tpxd is starting";
	if (tpxd->state == IPC_STATE_STOPPING)
		return "tpxd is stopping";
	if (apply.stage == STAGE_TRIAL)
		return "a configuration waits to be confirmed: "
		       "`tpxctl confirm' keeps it";
	/* What the kernel does not take keeps nobody from another one. */
	if (apply.stage != STAGE_NONE && apply.stage != STAGE_AGAIN)
		return "another configuration is on its way";
	return NULL;
}

int
apply_begin(struct tpxd *tpxd, int fd, size_t size_bytes,
    const struct config_domains *domains, uint32_t confirm_s, char *why,
    size_t size)
{
	const char *reason = obstacle(tpxd);
	struct config next;

	if (reason != NULL) {
		(void)snprintf(why, size, "%s", reason);
		return -1;
	}
	if (config_adopt(fd, size_bytes, domains, generation(tpxd) + 1, &next,
		why, size) == -1)
		return -1;
	reason = fixed_difference(tpxd, next.image);
	if (reason == NULL) {
		if (apply.stage == STAGE_AGAIN)
			settle();
		apply.confirm_s = confirm_s;
		apply.returning = 0;
		apply.why = NULL;
		distribute(tpxd, &next);
		return 0;
	}
	config_free(&next);
	(void)snprintf(
	    why, size, "'%s' cannot change without a restart", reason);
	return -1;
}

/* The configuration before, as a new one: generations only grow. */
static void
go_back(struct tpxd *tpxd)
{
	struct config again;

	apply.returning = 1;
	apply.confirm_s = 0;
	if (config_copy(&apply.before, generation(tpxd) + 1, &again) == -1) {
		record(tpxd, SEVERITY_ALARM, "stays: no memory to go back");
		apply.stage = STAGE_NONE;
		config_free(&apply.before);
		control_applied(tpxd->control, apply.why);
		return;
	}
	config_free(&apply.before);
	distribute(tpxd, &again);
}

static void
on_trial_over(int fd, short what, void *arg)
{
	struct tpxd *tpxd = arg;

	(void)fd;
	(void)what;
	if (tpxd->state == IPC_STATE_STOPPING)
		return;
	record(tpxd, SEVERITY_WARNING, "was not confirmed in time");
	go_back(tpxd);
}

static void
trial_begin(struct tpxd *tpxd)
{
	struct timeval limit = { .tv_sec = apply.confirm_s };

	if (apply.trial == NULL)
		apply.trial = evtimer_new(tpxd->base, on_trial_over, tpxd);
	if (apply.trial == NULL || event_add(apply.trial, &limit) == -1) {
		record(tpxd, SEVERITY_ALARM, "could not be put on trial");
		go_back(tpxd);
		return;
	}
	apply.stage = STAGE_TRIAL;
	apply.trial_ends_us =
	    clock_mono_us() + (int64_t)apply.confirm_s * 1000000;
}

int
apply_confirm(struct tpxd *tpxd)
{
	if (apply.stage != STAGE_TRIAL)
		return -1;
	event_del(apply.trial);
	settle();
	record(tpxd, SEVERITY_INFO, "was confirmed");
	return 0;
}

static void
fail(struct tpxd *tpxd, const char *why)
{
	record(tpxd, SEVERITY_ALARM, why);
	apply.why = why;
	go_back(tpxd);
}

/* What is in the kernel must not stay: so it is asked until it does. */
static void
insist(struct tpxd *tpxd)
{
	if (apply.refused == 0) {
		record(tpxd, SEVERITY_ALARM,
		    "was refused by the kernel, which is asked again");
		control_applied(tpxd->control, apply.why);
	}
	apply.refused = tpxd->beat;
	apply.stage = STAGE_AGAIN;
}

/* A relay that is not running takes the configuration when it starts. */
static int
relays_have_it(const struct tpxd *tpxd)
{
	const struct child *child;
	uint32_t i;

	for (i = 0; i < tpxd->nrelays; i++) {
		child = &tpxd->relays[i].child;
		if (child->state == CHILD_RUNNING &&
		    child->answered < apply.sequence)
			return 0;
	}
	return 1;
}

static int
has_arrived(const struct tpxd *tpxd)
{
	return relays_have_it(tpxd) && dns_has_answered(tpxd, apply.sequence);
}

/* It may go on to the kernel, or has to go back. */
static int
relays_are_done(struct tpxd *tpxd)
{
	if (has_arrived(tpxd))
		return 1;
	if (clock_mono_us() - apply.began_us <= tpxd_lease_us(tpxd))
		return 0;
	/* On the way back there is no other: who is silent is replaced. */
	if (apply.returning)
		return 1;
	fail(tpxd, "was not taken by every relay in time");
	return 0;
}

static int
kernel_is_next(struct tpxd *tpxd)
{
	if (apply.stage == STAGE_AGAIN)
		return tpxd->beat > apply.refused;
	return apply.stage == STAGE_RELAYS && relays_are_done(tpxd);
}

void
apply_step(struct tpxd *tpxd)
{
	if (!kernel_is_next(tpxd))
		return;
	/* One that is starting may have begun with the one before. */
	if (tpxd->netctl.state != CHILD_RUNNING)
		return;
	apply.stage = STAGE_KERNEL;
	give(&tpxd->netctl);
}

void
apply_netctl(struct tpxd *tpxd, int done)
{
	if (done)
		tpxd->in_force = generation(tpxd);
	if (apply.stage != STAGE_KERNEL)
		return;
	if (!done && apply.returning) {
		insist(tpxd);
		return;
	}
	if (!done) {
		fail(tpxd, "was refused by the kernel");
		return;
	}
	dns_settle(tpxd);
	tpxd_retime(tpxd);
	record(tpxd, SEVERITY_INFO, "is in force");
	if (apply.confirm_s != 0)
		trial_begin(tpxd);
	else
		settle();
	control_applied(tpxd->control, apply.why);
}
