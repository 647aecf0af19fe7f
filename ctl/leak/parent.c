/* SPDX-License-Identifier: ISC */
#include "ctl/leak/parent.h"

#include <sys/fsuid.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"

/* In a pid namespace of its own the child sees no parent: getppid() is 0. */
static int parent = -1;

int
parent_prepare(void)
{
	parent = pidfd_open(getpid(), 0);
	if (parent != -1 && fcntl(parent, F_SETFD, FD_CLOEXEC) != -1)
		return 0;
	log_warn("pidfd");
	return -1;
}

int
parent_follow(void)
{
	struct pollfd ended = { .fd = parent, .events = POLLIN };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 ||
	    poll(&ended, 1, 0) == -1) {
		log_warn("parent");
		return -1;
	}
	/* It ended before the kernel had been told. */
	if (ended.revents != 0)
		_exit(EXIT_FAILURE);
	return 0;
}

int
parent_follow_as(uint32_t uid)
{
	(void)setfsuid(uid);
	if ((uint32_t)setfsuid((uid_t)-1) != uid) {
		log_warnx("uid %u: it cannot be taken", uid);
		return -1;
	}
	return parent_follow();
}
