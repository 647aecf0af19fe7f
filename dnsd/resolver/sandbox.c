/* SPDX-License-Identifier: ISC */
/*
 * The resolver reads what hostile servers answer, so it keeps no capability, no
 * file and no way to another process but its message sockets.  It can send UDP,
 * which no sandbox ties to a port, and connect by TCP, on kernels whose
 * Landlock knows of it to the ports of its servers alone.  It binds to ports
 * that it chooses at random, never to one below 1024, and cannot listen.
 */
#include "dnsd/resolver/sandbox.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

static const struct sandbox_path paths[] = { { NULL, 0 } };

static const struct sandbox_limit limits[] = {
	{ RLIMIT_CORE, 0 },
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_MEMLOCK, 0 },
	SANDBOX_LIMIT_END,
};

static const struct sandbox_syscall setup[] = {
	SANDBOX_EVENT_BASE,
	SANDBOX_SYSCALLS_END,
};

static const struct sandbox_syscall running[] = {
	SANDBOX_LIBC,
	SANDBOX_EVENT_LOOP,
	SANDBOX_MESSAGES,
	SANDBOX_MEMFD,
	{ SYS_sendmsg, "TCP Fast Open: libunbound then goes without",
	    ARGUMENT_HAS(3, MSG_FASTOPEN), { 0 }, EOPNOTSUPP },
	{ SYS_socket, "to a server, v4, UDP", ARGUMENT_IS(1, AF_INET),
	    ARGUMENT_IS(2, SOCK_DGRAM) },
	{ SYS_socket, "to a server, v6, UDP", ARGUMENT_IS(1, AF_INET6),
	    ARGUMENT_IS(2, SOCK_DGRAM) },
	{ SYS_socket, "to a server, v4, TCP", ARGUMENT_IS(1, AF_INET),
	    ARGUMENT_IS(2, SOCK_STREAM) },
	{ SYS_socket, "to a server, v6, TCP", ARGUMENT_IS(1, AF_INET6),
	    ARGUMENT_IS(2, SOCK_STREAM) },
	{ SYS_bind, "a port that nobody guesses", { 0 }, { 0 } },
	{ SYS_connect, "to a server", { 0 }, { 0 } },
	{ SYS_recvfrom, "answers", { 0 }, { 0 } },
	{ SYS_sendto, "questions", ARGUMENT_LACKS(4, MSG_FASTOPEN), { 0 } },
	{ SYS_shutdown, "the end of a connection", { 0 }, { 0 } },
	{ SYS_setsockopt, "path MTU, v4", ARGUMENT_IS(2, IPPROTO_IP),
	    ARGUMENT_IS(3, IP_MTU_DISCOVER) },
	{ SYS_setsockopt, "path MTU, v6", ARGUMENT_IS(2, IPPROTO_IPV6),
	    ARGUMENT_IS(3, IPV6_MTU_DISCOVER) },
	{ SYS_setsockopt, "path MTU, v6", ARGUMENT_IS(2, IPPROTO_IPV6),
	    ARGUMENT_IS(3, IPV6_MTU) },
	{ SYS_setsockopt, "a port when it connects", ARGUMENT_IS(2, IPPROTO_IP),
	    ARGUMENT_IS(3, IP_BIND_ADDRESS_NO_PORT) },
	{ SYS_setsockopt, "IPv6 alone", ARGUMENT_IS(2, IPPROTO_IPV6),
	    ARGUMENT_IS(3, IPV6_V6ONLY) },
	{ SYS_setsockopt, "of outgoing sockets", ARGUMENT_IS(2, SOL_SOCKET),
	    ARGUMENT_IS(3, SO_REUSEADDR) },
	{ SYS_setsockopt, "segments", ARGUMENT_IS(2, IPPROTO_TCP),
	    ARGUMENT_IS(3, TCP_MAXSEG) },
	{ SYS_getsockopt, "outcome of connect", ARGUMENT_IS(2, SOL_SOCKET),
	    ARGUMENT_IS(3, SO_ERROR) },
	SANDBOX_SYSCALLS_END,
};

const struct sandbox resolver_sandbox = {
	.caps = "=",
	.paths = paths,
	.limits = limits,
	.setup = setup,
	.running = running,
};
