/* SPDX-License-Identifier: ISC */
#include "common/haste.h"

#include <sys/time.h>

#include <signal.h>
#include <stddef.h>

#define EVERY_US 1000

static void
on_alarm(int signal)
{
	(void)signal;
}

void
haste_begin(void)
{
	/* Again and again: the first may come before the wait has begun. */
	static const struct itimerval every = {
		.it_interval = { .tv_usec = EVERY_US },
		.it_value = { .tv_usec = EVERY_US },
	};
	struct sigaction action = { .sa_handler = on_alarm };

	(void)sigaction(SIGALRM, &action, NULL);
	(void)setitimer(ITIMER_REAL, &every, NULL);
}

void
haste_end(void)
{
	static const struct itimerval never = { { 0 }, { 0 } };

	(void)setitimer(ITIMER_REAL, &never, NULL);
}
