/* SPDX-License-Identifier: ISC */
/*
 * Sockets are bound to loopback: the kernel hands captured clients to them by
 * name, and nobody outside this host can reach them otherwise.
 */
#include "netctl/listener.h"

#include <linux/in6.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/addr.h"

#define BACKLOG 4096

static const struct {
	int level;
	int option;
	int families; /* 4, 6, or 46 for both */
} options[] = {
	{ SOL_SOCKET, SO_REUSEADDR, 46 },
	{ SOL_SOCKET, SO_REUSEPORT, 46 },
	/* Accepted sockets inherit it, which saves a call for each. */
	{ IPPROTO_TCP, TCP_NODELAY, 46 },
	{ IPPROTO_IP, IP_TRANSPARENT, 4 },
	{ IPPROTO_IPV6, IPV6_TRANSPARENT, 6 },
	{ IPPROTO_IPV6, IPV6_V6ONLY, 6 },
};

static int
options_set(int fd, int family)
{
	static const int on = 1;
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if ((options[i].families == 46 ||
			options[i].families == family) &&
		    setsockopt(fd, options[i].level, options[i].option, &on,
			sizeof(on)) == -1)
			return -1;
	return 0;
}

static int
listener_bind(int fd, int family, uint16_t *port)
{
	struct prefix loopback;
	struct sockaddr_storage name;
	struct addr addr;
	socklen_t len;

	if (prefix_parse(family == 4 ? "127.0.0.1" : "::1", &loopback) == -1)
		return -1;
	len = addr_to_sockaddr(&loopback.addr, *port, &name);
	if (bind(fd, (struct sockaddr *)&name, len) == -1 ||
	    getsockname(fd, (struct sockaddr *)&name, &len) == -1 ||
	    addr_from_sockaddr((struct sockaddr *)&name, &addr, port) == -1)
		return -1;
	return listen(fd, BACKLOG);
}

int
listener_open(int family, uint16_t *port)
{
	int fd, saved;

	fd = socket(family == 4 ? AF_INET : AF_INET6,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (options_set(fd, family) == 0 &&
	    listener_bind(fd, family, port) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}
