/* SPDX-License-Identifier: ISC */
/*
 * The relay reads hostile bytes from both sides, so it keeps no capability, no
 * file and no way to another process but its message sockets.  It can open
 * TCP connections and send UDP: that is its task.  It cannot bind, listen, or
 * make a socket of any other kind.
 */
#include "relay/sandbox.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

static const struct sandbox_path paths[] = { { NULL, 0 } };

static const struct sandbox_limit limits[] = {
	{ RLIMIT_CORE, 0 },
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_MEMLOCK, 0 },
	SANDBOX_LIMIT_END,
};

static const struct sandbox_syscall setup[] = {
	SANDBOX_EVENT_BASE,
	{ SYS_prlimit64, "descriptor budget", { 0 }, { 0 } },
	SANDBOX_SYSCALLS_END,
};

static const struct sandbox_syscall running[] = {
	SANDBOX_LIBC,
	SANDBOX_EVENT_LOOP,
	SANDBOX_MESSAGES,
	SANDBOX_MEMFD,
	{ SYS_accept4, "clients", { 0 }, { 0 } },
	{ SYS_getsockname, "the original destination", { 0 }, { 0 } },
	{ SYS_socket, "to a server, v4", ARGUMENT_IS(1, AF_INET),
	    ARGUMENT_IS(2, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC) },
	{ SYS_socket, "to a server, v6", ARGUMENT_IS(1, AF_INET6),
	    ARGUMENT_IS(2, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC) },
	{ SYS_socket, "to a server, v4, UDP", ARGUMENT_IS(1, AF_INET),
	    ARGUMENT_IS(2, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC) },
	{ SYS_socket, "to a server, v6, UDP", ARGUMENT_IS(1, AF_INET6),
	    ARGUMENT_IS(2, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC) },
	{ SYS_connect, "to a server, resets", { 0 }, { 0 } },
	{ SYS_recvmmsg, "datagrams", { 0 }, { 0 } },
	{ SYS_sendmmsg, "datagrams", { 0 }, { 0 } },
	{ SYS_recvfrom, "flows", { 0 }, { 0 } },
	{ SYS_sendto, "flows", { 0 }, { 0 } },
	{ SYS_splice, "big flows", { 0 }, { 0 } },
	{ SYS_pipe2, "big flows", { 0 }, { 0 } },
	/* of no listener: it would be none for its next owner either */
	{ SYS_shutdown, "half-close", ARGUMENT_IS(2, SHUT_WR), { 0 } },
	{ SYS_setsockopt, "TCP_NODELAY", ARGUMENT_IS(2, IPPROTO_TCP),
	    ARGUMENT_IS(3, TCP_NODELAY) },
	{ SYS_setsockopt, "urgent bytes in their place",
	    ARGUMENT_IS(2, SOL_SOCKET), ARGUMENT_IS(3, SO_OOBINLINE) },
	{ SYS_setsockopt, "datagrams gathered", ARGUMENT_IS(2, IPPROTO_UDP),
	    ARGUMENT_IS(3, UDP_GRO) },
	{ SYS_setsockopt, "ICMP errors, v4", ARGUMENT_IS(2, IPPROTO_IP),
	    ARGUMENT_IS(3, IP_RECVERR) },
	{ SYS_setsockopt, "ICMP errors, v6", ARGUMENT_IS(2, IPPROTO_IPV6),
	    ARGUMENT_IS(3, IPV6_RECVERR) },
	{ SYS_setsockopt, "whose flows of this host are",
	    ARGUMENT_IS(2, IPPROTO_TCP), ARGUMENT_IS(3, TCP_SAVE_SYN) },
	{ SYS_getsockopt, "whose flows of this host are",
	    ARGUMENT_IS(2, IPPROTO_TCP), ARGUMENT_IS(3, TCP_SAVED_SYN) },
	{ SYS_setsockopt, "whose datagrams are, v4", ARGUMENT_IS(2, IPPROTO_IP),
	    ARGUMENT_IS(3, IP_RECVTTL) },
	{ SYS_setsockopt, "whose datagrams are, v6",
	    ARGUMENT_IS(2, IPPROTO_IPV6), ARGUMENT_IS(3, IPV6_RECVHOPLIMIT) },
	{ SYS_getsockopt, "outcome of connect", ARGUMENT_IS(2, SOL_SOCKET),
	    ARGUMENT_IS(3, SO_ERROR) },
	{ SYS_getsockopt, "round-trip time, backlog",
	    ARGUMENT_IS(2, IPPROTO_TCP), ARGUMENT_IS(3, TCP_INFO) },
	SANDBOX_SYSCALLS_END,
};

const struct sandbox relay_sandbox = {
	.caps = "=",
	.may_connect = 1,
	.paths = paths,
	.limits = limits,
	.setup = setup,
	.running = running,
};
