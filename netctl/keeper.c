/* SPDX-License-Identifier: ISC */
/* Reads nothing, not even its message socket. */
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

static int
wait_for(pid_t worker)
{
	int status;

	while (waitpid(worker, &status, 0) == -1)
		if (errno != EINTR)
			fatal("keeper: waitpid");
	return status;
}

/* The worker shall not outlive its keeper: then nobody would replace it. */
static void
bind_to_keeper(pid_t keeper)
{
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) == -1)
		fatal("keeper: pdeathsig");
	if (getppid() != keeper)
		exit(1);
}

unsigned int
keeper_run(void)
{
	unsigned int restarts, deaths = 0;
	pid_t keeper = getpid();
	int64_t started_us;
	pid_t worker;
	int status;

	for (restarts = 0; deaths < DEATHS_MOST; restarts++) {
		started_us = clock_mono_us();
		if ((worker = fork()) == -1)
			fatal("keeper: fork");
		if (worker == 0) {
			bind_to_keeper(keeper);
			return restarts;
		}
		status = wait_for(worker);
		if (WIFEXITED(status))
			exit(WEXITSTATUS(status));
		log_warnx("worker %ld died of signal %d", (long)worker,
		    WTERMSIG(status));
		deaths = clock_mono_us() - started_us < SHORT_LIFE_US
			     ? deaths + 1
			     : 0;
	}
	fatalx("keeper: workers keep dying");
}
