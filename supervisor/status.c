/* SPDX-License-Identifier: ISC */
/*
 * Puts the answer together.  Counts that others have told are shown as they
 * are: nothing is decided by them.
 */
#include "supervisor/status.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "ipc/channel.h"
#include "schema/flowlog.sql.h"
#include "supervisor/apply.h"
#include "supervisor/process.h"
#include "supervisor/tpxd.h"
#include "supervisor/upstream.h"

#define ALARM_SHOWN_US 90000000 /* a fight raises its alarm once a minute */

/* Who asked. */
struct reader {
	struct tpxd *tpxd;
	struct ipc_channel *channel;
	uint32_t id;
};

static void
status_send(const struct reader *to)
{
	const struct tpxd *tpxd = to->tpxd;
	const struct config *config = apply_in_force(tpxd);
	const struct image_settings *settings = image_settings(config->image);
	struct msg_log_stats log = tpxd->log_stats;
	struct relay_totals totals = relays_totals(tpxd);
	struct msg_dns_stats dns = dns_stats(tpxd);
	struct msg_ctl_status status = {
		.uptime_us = clock_mono_us() - tpxd->started_us,
		.loaded_at_us = config->loaded_at_us,
		.open = totals.open,
		.accepted = totals.accepted,
		.relayed = totals.relayed,
		.passed = log.passed,
		.blocked = totals.blocked + log.blocked,
		.refused = totals.refused,
		.long_hello = totals.long_hello,
		.unlogged = totals.unlogged + log.unlogged,
		.log_rows = log.rows,
		.log_dropped = log.dropped,
		.log_queued = log.queued,
		.log_bytes = log.size_bytes,
		.state = tpxd->state,
		.fail_open = settings->on_failure == ON_FAILURE_OPEN,
		.lease_ms = settings->lease_ms,
		.generation = tpxd->in_force,
	};

	dns_count(&dns, &status);
	log.count = LOSS_COUNT; /* also when the flow log has not told yet */
	(void)snprintf(status.version, sizeof(status.version), TPX_VERSION);
	(void)snprintf(status.config_path, sizeof(status.config_path), "%s",
	    tpxd->config_path);
	(void)snprintf(status.log_path, sizeof(status.log_path),
	    "%s/" FLOWLOG_FILE, image_log_dir(tpxd->config.image));
	(void)IPC_SEND(to->channel, MSG_CTL_STATUS, to->id, &status, -1);
	(void)IPC_SEND(to->channel, MSG_CTL_DNS, to->id, &dns, -1);
	(void)IPC_SEND(to->channel, MSG_CTL_LOG, to->id, &log, -1);
}

static void
process_send(const struct reader *to, const char *name, unsigned int index,
    pid_t pid, const struct child *child)
{
	struct process_usage usage = process_usage(pid);
	struct msg_ctl_process process = {
		.rss_kib = usage.rss_kib,
		.cpu_ms = usage.cpu_ms,
		.heartbeat_age_ms = -1,
		.index = index,
		.pid = (uint32_t)pid,
		.restarts = child != NULL ? child->restarts : 0,
	};

	if (child != NULL && child->answered_us != 0)
		process.heartbeat_age_ms =
		    (clock_mono_us() - child->answered_us) / 1000;
	(void)snprintf(process.name, sizeof(process.name), "%s", name);
	(void)snprintf(process.state, sizeof(process.state), "%s",
	    child != NULL ? child_state_word(child->state) : "running");
	(void)IPC_SEND(to->channel, MSG_CTL_PROCESS, to->id, &process, -1);
}

static void
child_send(void *ctx, struct child *child)
{
	process_send(ctx, ipc_role_word(child->role),
	    child->index > 0 ? (unsigned int)child->index : 0,
	    child->work_pid != 0 ? child->work_pid : child->pid, child);
}

static void
alarm_send(const struct reader *to, const struct child *child, const char *what)
{
	struct msg_ctl_text alarm = { 0 };

	(void)snprintf(alarm.text, sizeof(alarm.text),
	    "degraded: %s %d %s (%u restarts)", child->program,
	    child->index > 0 ? child->index : 0, what, child->restarts);
	(void)IPC_SEND(to->channel, MSG_CTL_ALARM, to->id, &alarm, -1);
}

/* An alarm of a process is an event: it is shown for a while. */
static void
event_alarm(const struct reader *to)
{
	const struct tpxd *tpxd = to->tpxd;
	struct msg_ctl_text alarm = { 0 };

	if (tpxd->alarm_us == 0 ||
	    clock_mono_us() - tpxd->alarm_us > ALARM_SHOWN_US)
		return;
	(void)snprintf(alarm.text, sizeof(alarm.text), "%s", tpxd->alarm);
	(void)IPC_SEND(to->channel, MSG_CTL_ALARM, to->id, &alarm, -1);
}

static void
upstream_alarms(const struct reader *to)
{
	const struct image *image = to->tpxd->config.image;
	struct msg_ctl_text alarm = { 0 };
	uint32_t i;

	for (i = 0; i < image_upstream_count(image); i++) {
		if (!upstream_is_down(image, i))
			continue;
		upstream_describe(image, i, alarm.text, sizeof(alarm.text));
		(void)IPC_SEND(to->channel, MSG_CTL_ALARM, to->id, &alarm, -1);
	}
}

static void
trial_alarm(const struct reader *to)
{
	struct msg_ctl_text alarm = { 0 };

	if (apply_trial_s() == -1)
		return;
	(void)snprintf(alarm.text, sizeof(alarm.text),
	    "the configuration waits to be confirmed: %d s left",
	    apply_trial_s());
	(void)IPC_SEND(to->channel, MSG_CTL_ALARM, to->id, &alarm, -1);
}

static void
relay_alarm(const struct reader *to, const struct relay *relay)
{
	struct msg_ctl_text alarm = { 0 };

	if (relay->overload == LACK_NONE || relay->lack == IPC_LACK_NOTHING ||
	    relay->arena == NULL)
		return;
	(void)snprintf(alarm.text, sizeof(alarm.text),
	    "overload: %s %d %s (%ju open)", relay->child.program,
	    relay->child.index, relay_lacks(relay),
	    (uintmax_t)atomic_load(&relay->arena->open));
	(void)IPC_SEND(to->channel, MSG_CTL_ALARM, to->id, &alarm, -1);
}

static void
child_alarm(void *ctx, struct child *child)
{
	const struct reader *to = ctx;
	const struct tpxd *tpxd = to->tpxd;

	if (child->state == CHILD_STOPPING)
		return;
	if (child_keeps_dying(child))
		alarm_send(to, child, "keeps dying");
	else if (tpxd->state == IPC_STATE_STARTING)
		return;
	else if (child->state != CHILD_RUNNING)
		alarm_send(to, child, child_state_word(child->state));
	else if (child->asked_us != 0 &&
		 clock_mono_us() - child->asked_us > tpxd_lease_us(tpxd))
		alarm_send(to, child, "gives no sign of life");
}

void
status_answer(struct tpxd *tpxd, struct ipc_channel *channel, uint32_t id)
{
	struct reader to = { tpxd, channel, id };
	uint32_t i;

	status_send(&to);
	process_send(&to, "supervisor", 0, getpid(), NULL);
	tpxd_each_child(tpxd, child_send, &to);
	tpxd_each_child(tpxd, child_alarm, &to);
	for (i = 0; i < tpxd->nrelays; i++)
		relay_alarm(&to, &tpxd->relays[i]);
	upstream_alarms(&to);
	trial_alarm(&to);
	event_alarm(&to);
}
