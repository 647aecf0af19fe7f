/* SPDX-License-Identifier: ISC */
/* Reads nothing of whoever connects. */
#include "supervisor/control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/log.h"

/* A socket that nobody answers is a predecessor's left-over. */
static void
path_clear(const struct sockaddr_un *name)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd == -1)
		fatal("control socket");
	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0)
		fatalx("another tpxd answers on %s", name->sun_path);
	if (errno == ECONNREFUSED && unlink(name->sun_path) == -1)
		fatal("%s", name->sun_path);
	close(fd);
}

int
control_socket(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd;

	(void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	path_clear(&name);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	umask(0117);
	if (fd == -1 ||
	    bind(fd, (struct sockaddr *)&name, sizeof(name)) == -1 ||
	    listen(fd, 16) == -1)
		fatal("control socket %s", path);
	umask(0027);
	return fd;
}
