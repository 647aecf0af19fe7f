/* SPDX-License-Identifier: ISC */
/*
 * dnsd reads whatever clients send to port 53, so it can do nothing but answer
 * them: it has the sockets that it was given, and makes none; no capability, no
 * file, and no way to another process but its message sockets.
 */
#include "dnsd/sandbox.h"

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
	{ SYS_sched_yield, "more questions at a time", { 0 }, { 0 } },
	{ SYS_recvfrom, "questions over TCP", { 0 }, { 0 } },
	{ SYS_setsockopt, "TCP_NODELAY", ARGUMENT_IS(2, IPPROTO_TCP),
	    ARGUMENT_IS(3, TCP_NODELAY) },
	{ SYS_getsockopt, "backlog", ARGUMENT_IS(2, IPPROTO_TCP),
	    ARGUMENT_IS(3, TCP_INFO) },
	SANDBOX_SYSCALLS_END,
};

const struct sandbox dnsd_sandbox = {
	.caps = "=",
	.paths = paths,
	.limits = limits,
	.setup = setup,
	.running = running,
};
