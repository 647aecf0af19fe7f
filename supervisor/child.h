/* SPDX-License-Identifier: ISC */
/*
 * The programs that tpxd starts.  Each has a message channel, by which it
 * notices the end of tpxd, and is started again, later each time, when it
 * ends; netctl is not, because nobody unprivileged could start it.
 */
#ifndef SUPERVISOR_CHILD_H
#define SUPERVISOR_CHILD_H

#include <sys/types.h>

#include <stdint.h>

#include "ipc/channel.h"

struct event;
struct event_base;
struct tpxd;

enum child_state {
	CHILD_DOWN,
	CHILD_STARTING,
	CHILD_RUNNING,
	CHILD_STOPPING,
	CHILD_KILLED, /* its end has not been seen yet */
};

struct child {
	const char *program; /* "tpx-relay" */
	enum ipc_role role;
	int index; /* of several, or -1 */
	struct tpxd *tpxd;
	pid_t pid;	/* 0: none */
	pid_t work_pid; /* who works for it, when that is a child of its own */
	enum child_state state;
	/* how often this process has accused others */
	uint32_t accusations;
	uint32_t restarts;
	int64_t started_us;  /* CLOCK_MONOTONIC, this one and the next two */
	int64_t answered_us; /* 0: has not answered yet */
	int64_t asked_us;    /* since when an answer is due; 0: none is */
	uint64_t answered;   /* the last sequence it answered */
	uint64_t work;	     /* its progress as of the last answer */
	int64_t stalled_us;  /* of the first answer without any; 0: none */
	int unproven; /* the one before was stuck so, and this has served none
		       */
	int64_t delay_us; /* before the next start */
	struct ipc_channel *channel;
	struct event *restart;
	int (*start)(struct child *); /* sets it up anew */
};

const char *child_state_word(enum child_state);

/*
 * Forks and executes libexecdir/program with its end of a new channel as fd 3.
 * Returns our end, or -1 with errno.
 */
int child_spawn(struct child *, const char *libexecdir, int verbose);

/* What it is, before anything else; index -1: there is one alone. */
void child_init(struct child *, struct tpxd *, const char *program,
    enum ipc_role, int index);

/* Spawns and attaches.  -1: a new try is scheduled. */
int child_open(struct child *, const struct ipc_handler *);

/* Opens the channel on our end of it.  Fatal without memory. */
void child_attach(struct child *, const struct ipc_handler *, int fd);

/* It has said that it is ready. */
void child_runs(struct child *);

/* Asks it to leave, if it is there. */
void child_stop(struct child *);

/* Asks for a sign of life, if it runs. */
void child_ask(struct child *, const struct msg_beat *);

/* It has answered; 0, or -1 when that was no answer to anything new. */
int child_answered(struct child *, const struct msg_answer *);

/*
 * Whether its answers prove work.  They do not when it has said for a while
 * that clients wait, and served none; nor do those of its successor until it
 * has.
 */
int child_serves(const struct child *);

/*
 * Kills it when an answer is due for longer than patience.  One that still
 * loads gets more time, and one that waits for a processor: killing it would
 * cut flows to no avail.
 */
void child_judge(struct child *, int64_t now_us, int64_t patience_us);

/* Kills it when it has answered for too long without serving anybody. */
void child_judge_work(struct child *);

/* Tells it the configuration, or the next one. */
int child_send_config(struct child *);

/*
 * Gives both of a pair an end of a new channel, by a message of that type each;
 * who is told first learns the number of the other as well.  Both have a
 * channel to here.  A failure is logged.
 */
void child_join(struct child *to, enum msg_type to_type, struct child *from,
    enum msg_type from_type);

/* A handler that children share; ctx is the struct child. */
void child_on_event(void *ctx, struct ipc_message *);

/* Its process has ended (waitpid(2) status): logs and records how. */
void child_gone(struct child *, int status);

/* Starts it again after a delay that doubles while it keeps dying early. */
void child_schedule(struct child *);

/*
 * It has died three times or more, each time soon after its start, and has not
 * lived long since.
 */
int child_keeps_dying(const struct child *);

/* child_schedule() without regard to how often it died. */
void child_schedule_soon(struct child *);

/* It broke a rule, or gives no sign of life: kills it, with an event. */
void child_kill(struct child *, const char *kind, const char *why);

/*
 * Another process says that it broke a rule: kills it.  Who says so again and
 * again is believed less than those, which are new each time, and is killed
 * instead; but not netctl, which no byte of the network comes to.
 */
#define CHILD_ACCUSATIONS_MOST 8
void child_accuse(struct child *accuser, struct child *, const char *why);

/* It was to leave, and has not in time: kills it, if it is there. */
void child_late(struct child *);

#endif
