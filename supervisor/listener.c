/* SPDX-License-Identifier: ISC */
/*
 * All who hold a socket share its state, and filters look at no state: who
 * needs connect(2) can use it on a listener, too.  Only shutdown(2) of a socket
 * of UDP cannot be undone, and no one who has such a listener may call it so.
 */
#include "supervisor/listener.h"

#include <sys/socket.h>

#include <event2/util.h>

#include "common/log.h"
#include "schema/limits.h"

static int
option_of(int fd, int option)
{
	int value = 0;
	socklen_t len = sizeof(value);

	(void)getsockopt(fd, SOL_SOCKET, option, &value, &len);
	return value;
}

void
listener_mend(int fd)
{
	static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	int is_stream;

	if (fd == -1)
		return;
	(void)evutil_make_socket_nonblocking(fd);
	is_stream = option_of(fd, SO_TYPE) == SOCK_STREAM;
	if (is_stream && option_of(fd, SO_ACCEPTCONN))
		return;
	/* Its address and port were asked for, and stay. */
	if (connect(fd, &nobody, sizeof(nobody)) == -1 ||
	    (is_stream && listen(fd, LIMIT_BACKLOG) == -1))
		log_warn("listener");
}
