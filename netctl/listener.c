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
#include "schema/limits.h"

#define RECEIVE_BYTES (4 << 20) /* datagrams that may wait */

static const struct option {
	int level;
	int option;
	int family; /* 0: both, as for proto */
	int proto;
	int value;
} options[] = {
	{ SOL_SOCKET, SO_REUSEADDR, 0, 0, 1 },
	{ SOL_SOCKET, SO_REUSEPORT, 0, 0, 1 },
	/* Accepted sockets inherit it, which saves a call for each. */
	{ IPPROTO_TCP, TCP_NODELAY, 0, IPPROTO_TCP, 1 },
	{ IPPROTO_IP, IP_TRANSPARENT, AF_INET, 0, 1 },
	{ IPPROTO_IPV6, IPV6_TRANSPARENT, AF_INET6, 0, 1 },
	{ IPPROTO_IPV6, IPV6_V6ONLY, AF_INET6, 0, 1 },
	/* A datagram says where it was sent to. */
	{ IPPROTO_IP, IP_RECVORIGDSTADDR, AF_INET, IPPROTO_UDP, 1 },
	{ IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, AF_INET6, IPPROTO_UDP, 1 },
	{ SOL_SOCKET, SO_RCVBUFFORCE, 0, IPPROTO_UDP, RECEIVE_BYTES },
	/* Nothing leaves in fragments, whatever routers are said to want. */
	{ IPPROTO_IP, IP_MTU_DISCOVER, AF_INET, IPPROTO_UDP,
	    IP_PMTUDISC_PROBE },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, AF_INET6, IPPROTO_UDP,
	    IPV6_PMTUDISC_PROBE },
};

static int
is_for(const struct option *option, int family, int proto)
{
	return (option->family == 0 || option->family == family) &&
	       (option->proto == 0 || option->proto == proto);
}

static int
options_set(int fd, int family, int proto)
{
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (is_for(&options[i], family, proto) &&
		    setsockopt(fd, options[i].level, options[i].option,
			&options[i].value, sizeof(options[i].value)) == -1)
			return -1;
	return 0;
}

static int
listener_bind(int fd, int family, int proto, uint16_t *port)
{
	struct prefix loopback;
	struct sockaddr_storage name;
	struct addr addr;
	socklen_t len;

	if (prefix_parse(family == AF_INET ? "127.0.0.1" : "::1", &loopback) ==
	    -1)
		return -1;
	len = addr_to_sockaddr(&loopback.addr, *port, &name);
	if (bind(fd, (struct sockaddr *)&name, len) == -1 ||
	    getsockname(fd, (struct sockaddr *)&name, &len) == -1 ||
	    addr_from_sockaddr((struct sockaddr *)&name, &addr, port) == -1)
		return -1;
	return proto == IPPROTO_TCP ? listen(fd, LIMIT_BACKLOG) : 0;
}

static int
open_with(int family, int proto, int plain, uint16_t *port)
{
	int type = proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	int fd, saved;

	fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if ((plain || options_set(fd, family, proto) == 0) &&
	    listener_bind(fd, family, proto, port) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
listener_open(int family, int proto, uint16_t *port)
{
	return open_with(family, proto, 0, port);
}

int
listener_open_marked(int family, int proto, uint16_t *port, uint32_t mark)
{
	int fd = listener_open(family, proto, port);

	if (fd == -1 || mark == 0 || proto != IPPROTO_UDP ||
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0)
		return fd;
	close(fd);
	return -1;
}

int
listener_open_plain(int proto, uint16_t *port)
{
	return open_with(AF_INET, proto, 1, port);
}

/*
 * A port that is free for both protocols; the socket of TCP, which holds it, or
 * -1 with errno.
 */
static int
port_choose(int family, uint16_t *port)
{
	unsigned int tries;
	int tcp, udp;

	for (tries = 0; tries < LISTENER_TRIES; tries++) {
		*port = 0;
		if ((tcp = listener_open(family, IPPROTO_TCP, port)) == -1)
			return -1;
		if ((udp = listener_open(family, IPPROTO_UDP, port)) != -1) {
			close(udp);
			return tcp;
		}
		close(tcp);
	}
	errno = EADDRINUSE;
	return -1;
}

/* Each is held until all are chosen. */
int
listener_ports(uint16_t *const ports[LISTENER_PORTS])
{
	int held[LISTENER_PORTS], result = 0;
	unsigned int i, n;

	for (n = 0; n < LISTENER_PORTS && result == 0; n++) {
		held[n] =
		    port_choose(n % 2 == 0 ? AF_INET : AF_INET6, ports[n]);
		if (held[n] == -1)
			result = -1;
	}
	for (i = 0; i < n; i++)
		if (held[i] != -1)
			close(held[i]);
	return result;
}
