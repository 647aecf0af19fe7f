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

/* A file that is no socket refuses as one that nobody answers does. */
static void
left_over_remove(const char *path)
{
	struct stat status;

	if (lstat(path, &status) == -1)
		fatal("%s", path);
	if (!S_ISSOCK(status.st_mode))
		fatalx("control socket %s: there is something else", path);
	if (unlink(path) == -1)
		fatal("%s", path);
}

/* A socket that nobody answers is a predecessor's left-over. */
static void
path_clear(const struct sockaddr_un *name)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd == -1)
		fatal("control socket");
	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0)
		fatalx("another tpxd answers on %s", name->sun_path);
	if (errno == ECONNREFUSED)
		left_over_remove(name->sun_path);
	close(fd);
}

static void
bind_failed(const char *path)
{
	if (errno == ENOENT || errno == EACCES)
		log_warnx("its directory has to be there, and writable for "
			  "user tpx: create it, see README.md");
	fatal("control socket %s", path);
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
		bind_failed(path);
	umask(0027);
	return fd;
}
