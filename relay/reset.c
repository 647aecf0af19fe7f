/* SPDX-License-Identifier: ISC */
#include "relay/reset.h"

#include <sys/socket.h>

#include <unistd.h>

void
reset_on_close(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void
reset_and_close(int fd)
{
	reset_on_close(fd);
	close(fd);
}
