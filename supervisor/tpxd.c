/* SPDX-License-Identifier: ISC */
/*
 * The supervisor's life: start, heartbeat, deaths of children, end.  The order
 * in tpxd_new() is the privilege separation; see there.
 */
#include "supervisor/tpxd.h"

#include <sys/wait.h>

#include <errno.h>
#include <event2/event.h>
#include <libgen.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/privilege.h"
#include "ipc/loop.h"
#include "supervisor/apply.h"
#include "supervisor/control.h"
#include "supervisor/dns.h"
#include "supervisor/event.h"
#include "supervisor/flowlog.h"
#include "supervisor/netctl.h"
#include "supervisor/notify.h"
#include "supervisor/sandbox.h"
#include "supervisor/upstream.h"

#define CALLBACKS_PER_LOOP 4 /* tpxctl's; then heartbeats have their turn */
#define STEP_LIMIT_S 6	     /* that one step of the end may take */

int64_t
tpxd_lease_us(const struct tpxd *tpxd)
{
	const struct image *image = apply_in_force(tpxd)->image;

	return (int64_t)image_settings(image)->lease_ms * 1000;
}

int64_t
tpxd_patience_us(const struct tpxd *tpxd)
{
	return LEASE_PATIENCE(tpxd_lease_us(tpxd));
}

void
tpxd_change(struct tpxd *tpxd, enum state_input input, const char *why)
{
	const struct image *image = apply_in_force(tpxd)->image;
	enum ipc_state state =
	    state_next(tpxd->state, input, image_settings(image)->on_failure);
	char message[128];

	if (tpxd->state == state)
		return;
	(void)snprintf(message, sizeof(message), "%s to %s: %s",
	    ipc_state_word(tpxd->state), ipc_state_word(state), why);
	if (tpxd->state == IPC_STATE_STARTING && state != IPC_STATE_STOPPING)
		notify("READY=1");
	tpxd->state = state;
	notify_status(ipc_state_word(state));
	event_record(tpxd, SEVERITY_INFO, NULL, "state", message);
	control_tell(tpxd->control);
}

void
tpxd_each_child(struct tpxd *tpxd, dns_fn *call, void *ctx)
{
	uint32_t i;

	call(ctx, &tpxd->netctl);
	for (i = 0; i < tpxd->nrelays; i++)
		call(ctx, &tpxd->relays[i].child);
	call(ctx, &tpxd->flowlog);
	dns_each(tpxd, call, ctx);
}

static int
workers_left(struct tpxd *tpxd)
{
	uint32_t i;

	if (dns_left(tpxd))
		return 1;
	for (i = 0; i < tpxd->nrelays; i++)
		if (tpxd->relays[i].child.pid != 0)
			return 1;
	return 0;
}

/* First the rules, so that new flows go as on-failure says. */
static int
rules_stop(struct tpxd *tpxd)
{
	if (!netctl_left(tpxd))
		return 0;
	child_stop(&tpxd->netctl);
	return 1;
}

/* Then those whose last rows the flow log still writes. */
static int
writers_stop(struct tpxd *tpxd)
{
	if (!workers_left(tpxd))
		return 0;
	relays_stop(tpxd);
	dns_stop(tpxd);
	return 1;
}

static int
log_stop(struct tpxd *tpxd)
{
	if (flowlog_finish(tpxd))
		return 1;
	child_stop(&tpxd->flowlog);
	return tpxd->flowlog.pid != 0;
}

static void
kill_late(void *ctx, struct child *child)
{
	(void)ctx;
	child_late(child);
}

static void
writers_late(struct tpxd *tpxd)
{
	uint32_t i;

	for (i = 0; i < tpxd->nrelays; i++)
		child_late(&tpxd->relays[i].child);
	dns_each(tpxd, kill_late, NULL);
}

/*
 * The steps of the end.  Whoever is left of one is asked to leave, and made to
 * when its time is over; only then the next begins.
 */
static const struct {
	int (*stop)(struct tpxd *); /* 0: nobody is left */
	void (*late)(struct tpxd *);
} steps[] = {
	{ rules_stop, netctl_late },
	{ writers_stop, writers_late },
	{ log_stop, flowlog_late },
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void
step_limit(const struct tpxd *tpxd)
{
	static const struct timeval limit = { .tv_sec = STEP_LIMIT_S };

	event_add(tpxd->stop_timer, &limit);
}

void
tpxd_stop_next(struct tpxd *tpxd)
{
	for (; tpxd->stop_step < STEPS; tpxd->stop_step++) {
		if (steps[tpxd->stop_step].stop(tpxd))
			return;
		step_limit(tpxd);
	}
	event_base_loopbreak(tpxd->base);
}

static void
stop(struct tpxd *tpxd, int exit_code)
{
	if (tpxd->state == IPC_STATE_STOPPING)
		return;
	tpxd->exit_code = exit_code;
	tpxd_change(tpxd, STATE_STOPS,
	    exit_code == 0 ? "asked to" : "a process it needs is gone");
	notify("STOPPING=1");
	step_limit(tpxd);
	tpxd_stop_next(tpxd);
}

static void
on_step_limit(int fd, short what, void *arg)
{
	struct tpxd *tpxd = arg;

	(void)fd;
	(void)what;
	tpxd->exit_code = 1;
	steps[tpxd->stop_step].late(tpxd);
	step_limit(tpxd);
	tpxd_stop_next(tpxd);
}

static void
on_terminate(int signal, short what, void *arg)
{
	(void)signal;
	(void)what;
	stop(arg, 0);
}

struct search {
	pid_t pid;
	struct child *found;
};

static void
compare(void *ctx, struct child *child)
{
	struct search *search = ctx;

	if (child->pid == search->pid)
		search->found = child;
}

static struct child *
child_of(struct tpxd *tpxd, pid_t pid)
{
	struct search search = { .pid = pid };

	tpxd_each_child(tpxd, compare, &search);
	return search.found;
}

static void
child_ended(struct tpxd *tpxd, struct child *child, int status)
{
	int asked = child->state == CHILD_STOPPING;

	child_gone(child, status);
	if (child->role == IPC_RELAY)
		relay_gone((struct relay *)(void *)child);
	if (child->role == IPC_DNSD)
		dnsd_gone((struct dnsd *)(void *)child);
	if (child->role == IPC_FLOWLOG)
		flowlog_ended(tpxd, asked, status);
	if (tpxd->state == IPC_STATE_STOPPING)
		return;
	if (child->role == IPC_NETCTL)
		stop(tpxd, 1);
	else if (child->role == IPC_DNSD || child->role == IPC_RESOLVER ||
		 child->role == IPC_DOT)
		dns_ended(child, asked);
	else
		child_schedule(child);
}

static void
on_child(int signal, short what, void *arg)
{
	struct tpxd *tpxd = arg;
	struct child *child;
	int status;
	pid_t pid;

	(void)signal;
	(void)what;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if ((child = child_of(tpxd, pid)) != NULL)
			child_ended(tpxd, child, status);
	if (tpxd->state == IPC_STATE_STOPPING)
		tpxd_stop_next(tpxd);
}

void
tpxd_ask(struct tpxd *tpxd)
{
	struct msg_beat ask;

	if (tpxd->state == IPC_STATE_STOPPING)
		return;
	ask.sequence = ++tpxd->beat;
	ask.sent_us = clock_mono_us();
	relays_ask(tpxd, &ask);
	upstream_judge(tpxd, ask.sent_us);
	dns_ask(tpxd, &ask);
	flowlog_ask(tpxd, &ask);
	netctl_beat(tpxd);
	netctl_judge(tpxd, ask.sent_us);
	apply_step(tpxd);
}

static void
on_beat_timer(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	notify_alive();
	tpxd_ask(arg);
}

static struct event *
signal_watch(struct tpxd *tpxd, int signal, event_callback_fn handler)
{
	struct event *event = evsignal_new(tpxd->base, signal, handler, tpxd);

	if (event == NULL || event_add(event, NULL) == -1)
		fatal("signal %d", signal);
	return event;
}

void
tpxd_retime(struct tpxd *tpxd)
{
	int64_t period_us = LEASE_BEAT(tpxd_lease_us(tpxd));
	struct timeval period = { .tv_sec = period_us / 1000000,
		.tv_usec = period_us % 1000000 };

	if (event_add(tpxd->beat_timer, &period) == -1)
		fatal("timers");
}

static void
timers_start(struct tpxd *tpxd)
{
	tpxd->beat_timer =
	    event_new(tpxd->base, -1, EV_PERSIST, on_beat_timer, tpxd);
	tpxd->stop_timer = event_new(tpxd->base, -1, 0, on_step_limit, tpxd);
	if (tpxd->beat_timer == NULL || tpxd->stop_timer == NULL ||
	    event_priority_set(tpxd->beat_timer, LOOP_MESSAGES) == -1)
		fatal("timers");
	tpxd_retime(tpxd);
}

static uint32_t
worker_count(const struct image *image)
{
	uint32_t count = image_settings(image)->workers;
	cpu_set_t cpus;

	if (count == 0 && sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		count = (uint32_t)CPU_COUNT(&cpus);
	if (count == 0)
		count = 1;
	return count < LIMIT_WORKERS ? count : LIMIT_WORKERS;
}

/* The directories, because a file there may be another one at a reload. */
static void
passwords_allow(const struct image *image, struct sandbox_path *paths)
{
	uint32_t i;
	char *path;

	for (i = 0; i < image_upstream_count(image); i++) {
		path = strdup(image_upstream_password_file(
		    image, image_upstream(image, i)));
		if (path == NULL)
			fatal("memory");
		if (path[0] == '\0')
			continue;
		paths->path = dirname(path);
		paths->access = SANDBOX_READ;
		paths++;
	}
}

/* The places that this configuration names. */
static void
sandbox_enter(const struct tpxd *tpxd)
{
	const struct image *image = tpxd->config.image;
	char socket_dir[LIMIT_SOCKET_PATH_BYTES];
	char config_dir[CONF_PATH_BYTES];
	struct sandbox_path extra[5 + LIMIT_UPSTREAMS] = { 0 };

	(void)snprintf(
	    socket_dir, sizeof(socket_dir), "%s", image_control_socket(image));
	extra[0].path = tpxd->libexecdir;
	extra[0].access = SANDBOX_EXECUTE;
	/* With the passwords beside it, which a reload reads again. */
	(void)snprintf(config_dir, sizeof(config_dir), "%s", tpxd->config_path);
	extra[1].path = dirname(config_dir);
	extra[1].access = SANDBOX_READ;
	extra[2].path = dirname(socket_dir);
	extra[2].access = SANDBOX_READ | SANDBOX_CREATE;
	extra[3].path = image_log_dir(image);
	extra[3].access = SANDBOX_READ | SANDBOX_WRITE | SANDBOX_CREATE;
	passwords_allow(image, extra + 4);
	sandbox_run(&supervisor_sandbox, extra);
}

static struct tpxd *
tpxd_alloc(const struct tpxd_options *options)
{
	struct tpxd *tpxd = calloc(1, sizeof(*tpxd));
	int i;

	if (tpxd == NULL)
		fatal("memory");
	/* What tpxctl reloads, from whatever directory. */
	tpxd->config_path = realpath(options->config_path, NULL);
	if (tpxd->config_path == NULL)
		tpxd->config_path = options->config_path;
	tpxd->libexecdir = options->libexecdir;
	tpxd->verbose = options->verbose;
	tpxd->started_us = clock_mono_us();
	for (i = 0; i < IPC_SOURCE_COUNT; i++)
		tpxd->sources[i] = -1;
	return tpxd;
}

static void
tpxd_begin(struct tpxd *tpxd, int netctl_fd)
{
	const struct image *image = tpxd->config.image;

	if ((tpxd->base = ipc_loop_new(CALLBACKS_PER_LOOP)) == NULL)
		fatal("event base");
	/* netctl may have ended before, which no signal tells any more. */
	event_active(signal_watch(tpxd, SIGCHLD, on_child), EV_SIGNAL, 1);
	(void)signal_watch(tpxd, SIGTERM, on_terminate);
	(void)signal_watch(tpxd, SIGINT, on_terminate);
	signal(SIGHUP, SIG_IGN);
	timers_start(tpxd);
	relays_init(tpxd, worker_count(image));
	dns_init(tpxd, tpxd->nrelays);
	tpxd->control = control_new(tpxd, image_control_socket(image));
	netctl_open(tpxd, netctl_fd);
}

struct tpxd *
tpxd_new(const struct tpxd_options *options)
{
	struct tpxd *tpxd = tpxd_alloc(options);
	int netctl_fd, highest_fd;

	/* Whatever its starter left open is not for any of us. */
	if (close_range(STDERR_FILENO + 1, ~0U, 0) == -1)
		fatal("close_range");
	sandbox_raise_descriptors();
	if (!privilege_has_net_admin())
		fatalx(
		    "CAP_NET_ADMIN is needed: start it as root, or with "
		    "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BIND_SERVICE");
	/* Who changes rules is started first: nobody can start it later. */
	netctl_fd = netctl_spawn(tpxd);
	highest_fd = notify_open();
	if (highest_fd < netctl_fd)
		highest_fd = netctl_fd;
	/* Then everything is given up, and only then a file is opened. */
	privilege_drop_user();
	sandbox_setup(&supervisor_sandbox, highest_fd);
	if (config_load(tpxd->config_path, 1, &tpxd->config) == -1)
		exit(1);
	tpxd->in_force = 1;
	tpxd_begin(tpxd, netctl_fd);
	sandbox_enter(tpxd);
	return tpxd;
}

int
tpxd_check(const char *config_path)
{
	const char *path = realpath(config_path, NULL);

	privilege_drop_user();
	sandbox_setup(&supervisor_sandbox, STDERR_FILENO);
	return config_print(path != NULL ? path : config_path) == -1;
}

int
tpxd_loop(struct tpxd *tpxd)
{
	event_base_dispatch(tpxd->base);
	control_free(tpxd->control);
	return tpxd->exit_code;
}
