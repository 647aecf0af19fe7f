/* SPDX-License-Identifier: ISC */
#include "relay/reset.h"

#include <sys/socket.h>

#include <unistd.h>

void
reset_and_close(int fd)
{
	static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	(void)connect(fd, &nobody, sizeof(nobody));
	close(fd);
}
