/* SPDX-License-Identifier: ISC */
/*
 * Reads nothing, not even its message socket.  A worker that was stopped does
 * not see that tpxd is gone: the kernel lets its keeper go on then, and it the
 * worker.
 */
#include "netctl/keeper.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define DEATHS_MOST 10 /* in a row, each sooner than this after its start: */
#define SHORT_LIFE_US 1000000

static volatile sig_atomic_t worker; /* its pid, or 0 */

static void
on_continue(int signal)
{
	int saved = errno;

	(void)signal;
	if (worker > 0)
		(void)kill(worker, SIGCONT);
	errno = saved;
}

static void
continue_block(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	if (sigprocmask(how, &set, NULL) == -1)
		fatal("keeper: sigprocmask");
}

/* That it hears of the end of who started it, even if it was stopped. */
static void
bind_to(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGCONT, 0, 0, 0) == -1)
		fatal("keeper: pdeathsig");
	if (getppid() != parent)
		exit(1);
}

/* 0 in the worker. */
static pid_t
worker_fork(void)
{
	pid_t keeper = getpid(), pid;

	continue_block(SIG_BLOCK);
	if ((pid = fork()) == -1)
		fatal("keeper: fork");
	worker = pid;
	continue_block(SIG_UNBLOCK);
	/* It shall not outlive its keeper: then nobody would replace it. */
	if (pid == 0)
		bind_to(keeper);
	return pid;
}

static int
worker_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			fatal("keeper: waitpid");
	worker = 0;
	return status;
}

unsigned int
keeper_run(void)
{
	unsigned int restarts, deaths = 0;
	int64_t started_us;
	pid_t pid;
	int status;

	(void)signal(SIGCONT, on_continue);
	bind_to(getppid());
	for (restarts = 0; deaths < DEATHS_MOST; restarts++) {
		started_us = clock_mono_us();
		if ((pid = worker_fork()) == 0)
			return restarts;
		status = worker_wait(pid);
		if (WIFEXITED(status))
			exit(WEXITSTATUS(status));
		log_warnx("worker %ld died of signal %d", (long)pid,
		    WTERMSIG(status));
		deaths = clock_mono_us() - started_us < SHORT_LIFE_US
			     ? deaths + 1
			     : 0;
	}
	fatalx("keeper: workers keep dying");
}
