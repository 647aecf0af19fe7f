/* SPDX-License-Identifier: ISC */
/*
 * tpx-dot reads what hostile servers send through TLS, so it keeps no
 * capability and no file: the certificate authorities are read before.  It can
 * connect by TCP, on kernels whose Landlock knows of it to the ports of its
 * servers alone, and answer on the two sockets of loopback that it was given;
 * it can neither bind nor listen, and make no socket of another kind.
 */
#include "dnsd/dot/sandbox.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

static const struct sandbox_path paths[] = { { NULL, 0 } };

static const struct sandbox_limit limits[] = {
	{ RLIMIT_CORE, 0 },
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_MEMLOCK, 0 },
	SANDBOX_LIMIT_END,
};

static const struct sandbox_syscall setup[] = {
	SANDBOX_EVENT_BASE,
	{ SYS_lseek, "certificate authorities", { 0 }, { 0 } },
	SANDBOX_SYSCALLS_END,
};

static const struct sandbox_syscall running[] = {
	SANDBOX_LIBC,
	SANDBOX_EVENT_LOOP,
	SANDBOX_MESSAGES,
	SANDBOX_MEMFD,
	{ SYS_socket, "to a server, v4", ARGUMENT_IS(1, AF_INET),
	    ARGUMENT_IS(2, SOCK_STREAM | SOCK_NONBLOCK) },
	{ SYS_socket, "to a server, v6", ARGUMENT_IS(1, AF_INET6),
	    ARGUMENT_IS(2, SOCK_STREAM | SOCK_NONBLOCK) },
	{ SYS_connect, "to a server", { 0 }, { 0 } },
	{ SYS_accept4, "questions by TCP", { 0 }, { 0 } },
	{ SYS_recvfrom, "questions by UDP", { 0 }, { 0 } },
	{ SYS_sendto, "answers by UDP", ARGUMENT_LACKS(4, MSG_FASTOPEN),
	    { 0 } },
	{ SYS_readv, "questions by TCP", { 0 }, { 0 } },
	{ SYS_sysinfo, "qsort(3) of OpenSSL's tables", { 0 }, { 0 } },
	{ SYS_ioctl, "questions that wait", ARGUMENT_IS(2, FIONREAD), { 0 } },
	{ SYS_setsockopt, "questions that do not wait",
	    ARGUMENT_IS(2, IPPROTO_TCP), ARGUMENT_IS(3, TCP_NODELAY) },
	{ SYS_getsockopt, "outcome of connect", ARGUMENT_IS(2, SOL_SOCKET),
	    ARGUMENT_IS(3, SO_ERROR) },
	SANDBOX_SYSCALLS_END,
};

const struct sandbox dot_sandbox = {
	.caps = "=",
	.paths = paths,
	.limits = limits,
	.setup = setup,
	.running = running,
};
