/* SPDX-License-Identifier: ISC */
/* Starts, ends and counts processes; reads nothing of what they say. */
#include "supervisor/child.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/event.h"
#include "supervisor/process.h"
#include "supervisor/tpxd.h"

#define CHANNEL_FD 3 /* where every child finds its channel */
#define DELAY_FIRST_US 100000
#define DELAY_MOST_US 30000000
#define DELAY_DYING_US 800000 /* after three deaths soon after a start */
#define STARVING 8	      /* times the usual patience */
#define LIFE_GOOD_US 10000000 /* who lived that long starts over at once */

static const char *const state_words[] = {
	[CHILD_DOWN] = "down",
	[CHILD_STARTING] = "starting",
	[CHILD_RUNNING] = "running",
	[CHILD_STOPPING] = "stopping",
	[CHILD_KILLED] = "killed",
};

const char *
child_state_word(enum child_state state)
{
	return state_words[state];
}

/* Between fork and exec; only what signal-safety(7) allows. */
static void
child_exec(const char *path, char *const argv[], int end)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* One that was stopped shall see, too, that its channel has closed. */
	(void)prctl(PR_SET_PDEATHSIG, SIGCONT, 0, 0, 0);
	if (end == CHANNEL_FD)
		(void)fcntl(end, F_SETFD, 0);
	else if (dup2(end, CHANNEL_FD) == -1)
		_exit(1);
	execv(path, argv);
	log_warn("%s", path);
	_exit(1);
}

/*
 * It forks by itself, and all of it is one group.  Which is not in the
 * foreground of a terminal, but may write to it.
 */
static void
group_begin(void)
{
	(void)signal(SIGTTOU, SIG_IGN);
	(void)setpgid(0, 0);
}

void
child_init(struct child *child, struct tpxd *tpxd, const char *program,
    enum ipc_role role, int index)
{
	child->program = program;
	child->role = role;
	child->index = index;
	child->tpxd = tpxd;
}

int
child_spawn(struct child *child, const char *libexecdir, int verbose)
{
	char path[4096], index[16], flag[] = "-v";
	char *argv[4] = { path };
	int ends[2], n = 1;

	(void)snprintf(path, sizeof(path), "%s/%s", libexecdir, child->program);
	(void)snprintf(index, sizeof(index), "%d", child->index);
	if (verbose)
		argv[n++] = flag;
	if (child->index >= 0)
		argv[n++] = index;
	if (ipc_socketpair(ends) == -1)
		return -1;
	child->pid = fork();
	if (child->pid == 0) {
		if (child->role == IPC_NETCTL)
			group_begin();
		child_exec(path, argv, ends[1]);
	}
	close(ends[1]);
	if (child->pid == -1) {
		child->pid = 0;
		close(ends[0]);
		return -1;
	}
	child->state = CHILD_STARTING;
	child->started_us = clock_mono_us();
	child->answered_us = 0;
	child->asked_us = 0;
	child->answered = 0;
	child->work = 0;
	child->stalled_us = 0;
	child->accusations = 0;
	return ends[0];
}

static void
on_end(void *ctx, const char *why)
{
	/* Who closes its channel leaves; who breaks a rule is made to. */
	if (why != NULL)
		child_kill(ctx, "contract", why);
}

void
child_attach(struct child *child, const struct ipc_handler *handlers, int fd)
{
	child->channel = ipc_channel_new(child->tpxd->base, fd, IPC_SUPERVISOR,
	    child->role, handlers, on_end, child);
	if (child->channel == NULL)
		fatal("%s: channel", child->program);
}

int
child_open(struct child *child, const struct ipc_handler *handlers)
{
	const struct tpxd *tpxd = child->tpxd;
	int fd = child_spawn(child, tpxd->libexecdir, tpxd->verbose);

	if (fd == -1) {
		log_warn("%s: cannot be started", child->program);
		child_schedule(child);
		return -1;
	}
	child_attach(child, handlers, fd);
	return 0;
}

/* Relays alone may know passwords. */
static int
send_secrets(struct child *child)
{
	const struct config *config = &child->tpxd->config;
	struct msg_secrets body = {
		.generation = image_settings(config->image)->generation,
		.size_bytes = (uint32_t)config->secrets.size_bytes,
	};

	if (child->role != IPC_RELAY || config->secrets.fd == -1)
		return 0;
	return IPC_SEND(
	    child->channel, MSG_SECRETS, 0, &body, config->secrets.fd);
}

/* Who decides by names has the lists of them. */
static int
send_domains(struct child *child)
{
	const struct config *config = &child->tpxd->config;
	struct msg_domains body = {
		.generation = image_settings(config->image)->generation,
		.size_bytes = (uint32_t)config->domains.size_bytes,
	};

	if ((child->role != IPC_RELAY && child->role != IPC_DNSD) ||
	    config->domains.fd == -1)
		return 0;
	return IPC_SEND(
	    child->channel, MSG_DOMAINS, 0, &body, config->domains.fd);
}

int
child_send_config(struct child *child)
{
	const struct config *config = &child->tpxd->config;
	struct msg_config body = {
		.generation = image_settings(config->image)->generation,
		.size_bytes = (uint32_t)config->size_bytes,
	};

	if (send_secrets(child) == -1 || send_domains(child) == -1)
		return -1;
	return IPC_SEND(child->channel, MSG_CONFIG, 0, &body, config->fd);
}

void
child_join(struct child *to, enum msg_type to_type, struct child *from,
    enum msg_type from_type)
{
	struct msg_worker body = { .worker = (uint32_t)from->index };
	int ends[2];

	if (ipc_socketpair(ends) == -1) {
		log_warn("%s: no way for %s", to->program, from->program);
		return;
	}
	if (IPC_SEND(to->channel, to_type, 0, &body, ends[0]) == -1 ||
	    ipc_send_empty(from->channel, from_type, ends[1]) == -1)
		log_warn("%s: no way for %s", to->program, from->program);
	close(ends[0]);
	close(ends[1]);
}

void
child_on_event(void *ctx, struct ipc_message *message)
{
	struct child *child = ctx;

	event_pass(child->tpxd, message->body);
}

static void
describe_end(int status, char *text, size_t size)
{
	if (WIFEXITED(status))
		(void)snprintf(
		    text, size, "exited with %d", WEXITSTATUS(status));
	else if (WTERMSIG(status) == SIGSYS)
		(void)snprintf(text, size, "made a system call it may not");
	else
		(void)snprintf(
		    text, size, "died of signal %d", WTERMSIG(status));
}

void
child_gone(struct child *child, int status)
{
	int expected = child->state == CHILD_STOPPING;
	char text[64];

	ipc_channel_free(child->channel);
	child->channel = NULL;
	child->pid = 0;
	child->state = CHILD_DOWN;
	if (expected && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	describe_end(status, text, sizeof(text));
	event_record(child->tpxd, SEVERITY_WARNING, child, "exit", text);
}

static void
on_restart(int fd, short what, void *arg)
{
	struct child *child = arg;

	(void)fd;
	(void)what;
	/* At the end only the flow log may still have something to do. */
	if (child->tpxd->state == IPC_STATE_STOPPING &&
	    child->role != IPC_FLOWLOG)
		return;
	child->restarts++;
	(void)child->start(child);
}

void
child_schedule(struct child *child)
{
	struct timeval delay;

	if (clock_mono_us() - child->started_us > LIFE_GOOD_US ||
	    child->delay_us == 0)
		child->delay_us = DELAY_FIRST_US;
	delay.tv_sec = child->delay_us / 1000000;
	delay.tv_usec = child->delay_us % 1000000;
	child->delay_us *= 2;
	if (child->delay_us > DELAY_MOST_US)
		child->delay_us = DELAY_MOST_US;
	if (child->restart == NULL)
		child->restart =
		    event_new(child->tpxd->base, -1, 0, on_restart, child);
	if (child->restart == NULL || event_add(child->restart, &delay) == -1)
		fatal("%s: restart", child->program);
}

int
child_keeps_dying(const struct child *child)
{
	return child->delay_us >= DELAY_DYING_US &&
	       (child->state != CHILD_RUNNING ||
		   clock_mono_us() - child->started_us <= LIFE_GOOD_US);
}

void
child_schedule_soon(struct child *child)
{
	child->delay_us = 0;
	child_schedule(child);
}

void
child_runs(struct child *child)
{
	child->state = CHILD_RUNNING;
	ipc_channel_set_phase(child->channel, IPC_PHASE_RUN);
}

void
child_stop(struct child *child)
{
	if (child->channel == NULL)
		return;
	child->state = CHILD_STOPPING;
	(void)ipc_send_empty(child->channel, MSG_STOP, -1);
}

void
child_ask(struct child *child, const struct msg_beat *ask)
{
	if (child->state != CHILD_RUNNING)
		return;
	if (child->asked_us == 0)
		child->asked_us = ask->sent_us;
	(void)IPC_SEND(child->channel, MSG_ASK, 0, ask, -1);
}

/*
 * It proves work by having served clients since the last answer or by having
 * none that wait.
 */
static void
note_work(struct child *child, const struct msg_answer *answer)
{
	if (answer->waiting == 0 || answer->work != child->work) {
		child->stalled_us = 0;
		child->unproven = 0;
	} else if (child->stalled_us == 0) {
		child->stalled_us = child->answered_us;
	}
	child->work = answer->work;
}

int
child_answered(struct child *child, const struct msg_answer *answer)
{
	uint64_t sequence = answer->sequence;

	if (sequence <= child->answered || sequence > child->tpxd->beat)
		return -1;
	child->answered = sequence;
	child->answered_us = clock_mono_us();
	child->asked_us =
	    sequence == child->tpxd->beat ? 0 : child->answered_us;
	note_work(child, answer);
	return 0;
}

static int
stalls_longer_than(const struct child *child, int64_t limit_us)
{
	return child->stalled_us != 0 &&
	       child->answered_us - child->stalled_us > limit_us;
}

int
child_serves(const struct child *child)
{
	return !child->unproven && !stalls_longer_than(child,
				       LEASE_DOUBT(tpxd_lease_us(child->tpxd)));
}

void
child_judge(struct child *child, int64_t now_us, int64_t patience_us)
{
	int64_t since_us = child->asked_us;

	if (child->state == CHILD_STARTING)
		since_us = child->started_us;
	else if (child->state != CHILD_RUNNING)
		return;
	if (since_us == 0 || now_us - since_us <= patience_us)
		return;
	if ((child->state == CHILD_STARTING ||
		process_is_runnable(child->pid)) &&
	    now_us - since_us <= patience_us * STARVING)
		return;
	child_kill(child, "stuck", "gave no sign of life");
}

void
child_judge_work(struct child *child)
{
	if (child->state != CHILD_RUNNING ||
	    !stalls_longer_than(child, tpxd_patience_us(child->tpxd)))
		return;
	child->unproven = 1;
	child_kill(child, "stuck", "answered but accepted nobody");
}

void
child_kill(struct child *child, const char *kind, const char *why)
{
	if (child->pid == 0 || child->state == CHILD_KILLED)
		return;
	child->state = CHILD_KILLED;
	event_record(child->tpxd, SEVERITY_WARNING, child, kind, why);
	if (kill(child->pid, SIGKILL) == -1)
		log_warn("%s: kill", child->program);
}

void
child_accuse(struct child *accuser, struct child *accused, const char *why)
{
	if (accuser->role != IPC_NETCTL &&
	    ++accuser->accusations > CHILD_ACCUSATIONS_MOST)
		child_kill(accuser, "contract", "accuses others all the time");
	else
		child_kill(accused, "contract", why);
}

void
child_late(struct child *child)
{
	child_kill(child, "stuck", "did not stop in time");
}
