/* SPDX-License-Identifier: ISC */
#include "ctl/netctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "ctl/ctl.h"

#define GIVEN_FD 3

static int
give(int fd)
{
	if (fd == GIVEN_FD)
		return fcntl(fd, F_SETFD, 0);
	return fd == -1 ? 0 : dup2(fd, GIVEN_FD);
}

int
netctl_exec(const char *dir, const char *mode, int fd)
{
	char path[PATH_MAX];
	char *argv[] = { path, (char *)(uintptr_t)mode, NULL };

	if (snprintf(path, sizeof(path), "%s/tpx-netctl", dir) >=
	    (int)sizeof(path))
		errno = ENAMETOOLONG;
	else if (give(fd) != -1)
		(void)execv(path, argv);
	log_warn("%s/tpx-netctl", dir);
	return CTL_FAILED;
}
