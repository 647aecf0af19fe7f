/* SPDX-License-Identifier: ISC */
/* Its socket is opened before the sandbox, which knows no such path. */
#include "supervisor/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

static int notify_fd = -1;
static int64_t alive_period_us; /* 0: nobody asked */
static int64_t alive_us;

/* How soon the manager misses a sign of life of this process; 0: never. */
static int64_t
watchdog_us(void)
{
	const char *pid = getenv("WATCHDOG_PID");
	const char *period = getenv("WATCHDOG_USEC");

	if (period == NULL || (pid != NULL && atoll(pid) != getpid()))
		return 0;
	return atoll(period);
}

int
notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	size_t len;

	if (path == NULL)
		return -1;
	/* Half of it would do; a beat may be late. */
	alive_period_us = watchdog_us() / 4;
	len = strlen(path);
	if (len < 2 || len >= sizeof(name.sun_path))
		return -1;
	memcpy(name.sun_path, path, len);
	if (name.sun_path[0] == '@')
		name.sun_path[0] = '\0';
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify_fd == -1 ||
	    connect(notify_fd, (struct sockaddr *)&name,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) ==
		-1)
		log_warn("NOTIFY_SOCKET");
	return notify_fd;
}

void
notify(const char *state)
{
	if (notify_fd != -1)
		(void)send(notify_fd, state, strlen(state),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
notify_status(const char *state)
{
	char line[64];

	(void)snprintf(line, sizeof(line), "STATUS=%s", state);
	notify(line);
}

void
notify_alive(void)
{
	int64_t now_us = clock_mono_us();

	if (alive_period_us <= 0 || now_us - alive_us < alive_period_us)
		return;
	alive_us = now_us;
	notify("WATCHDOG=1");
}
