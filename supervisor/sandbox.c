/* SPDX-License-Identifier: ISC */
/*
 * The supervisor reads the configuration and what local users ask on the
 * control socket, and starts programs.  Filters and Landlock are inherited by
 * what it executes, so the second half of the table is for its children: each
 * of them keeps only its own part of that.  netctl is none of them; it was
 * started before.
 */
#include "supervisor/sandbox.h"

#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "common/landlock.h"

/* Besides these: the configured paths, see tpxd.c. */
static const struct sandbox_path paths[] = {
	{ "/usr/lib", SANDBOX_READ },
	{ "/lib", SANDBOX_READ },
	{ "/lib64", SANDBOX_READ },
	/* the dynamic linker, by the names of Debian's architectures */
	{ "/lib64/ld-linux-x86-64.so.2", SANDBOX_EXECUTE },
	{ "/lib/ld-linux-aarch64.so.1", SANDBOX_EXECUTE },
	{ "/lib/ld-linux-armhf.so.3", SANDBOX_EXECUTE },
	{ "/lib/ld-linux-riscv64-lp64d.so.1", SANDBOX_EXECUTE },
	{ "/lib64/ld64.so.2", SANDBOX_EXECUTE },
	{ "/lib/ld64.so.1", SANDBOX_EXECUTE },
	{ "/etc/ld.so.cache", SANDBOX_READ },
	{ "/proc", SANDBOX_READ },
	/* passwd(5) and group(5), which are replaced when they change */
	{ "/etc", SANDBOX_READ },
	/* for tpx-dot: certificate authorities */
	{ "/etc/ssl/certs", SANDBOX_READ },
	{ "/usr/share/ca-certificates", SANDBOX_READ },
	{ NULL, 0 },
};

static const struct sandbox_limit limits[] = {
	{ RLIMIT_CORE, 0 },
	SANDBOX_LIMIT_END,
};

static const struct sandbox_syscall setup[] = {
	{ SYS_sched_getaffinity, "number of cores", { 0 }, { 0 } },
	{ SYS_umask, "mode of the control socket", { 0 }, { 0 } },
	SANDBOX_SYSCALLS_END,
};

static const struct sandbox_syscall running[] = {
	SANDBOX_LIBC,
	SANDBOX_EVENT_LOOP,
	SANDBOX_MESSAGES,
	SANDBOX_MEMFD,
	{ SYS_openat, "/proc, configuration", { 0 }, { 0 } },
	{ SYS_memfd_create, "configuration, arenas", { 0 }, { 0 } },
	{ SYS_ftruncate, "arenas", { 0 }, { 0 } },
	{ SYS_socketpair, "channels", ARGUMENT_IS(1, AF_UNIX), { 0 } },
	{ SYS_socket, "control socket", ARGUMENT_IS(1, AF_UNIX), { 0 } },
	{ SYS_connect, "the control socket, listeners", { 0 }, { 0 } },
	{ SYS_bind, "control socket", { 0 }, { 0 } },
	{ SYS_listen, "the control socket, listeners", { 0 }, { 0 } },
	{ SYS_accept4, "tpxctl", { 0 }, { 0 } },
	{ SYS_setitimer, "not waiting for what tpxctl sent", { 0 }, { 0 } },
	{ SYS_sendto, "service manager", { 0 }, { 0 } },
	{ SYS_recvfrom, "signals of the event base", { 0 }, { 0 } },
	{ SYS_unlink, "control socket", { 0 }, { 0 } },
	{ SYS_clone, "children", { 0 }, { 0 } },
	{ SYS_dup2, "a child's channel", { 0 }, { 0 } },
	{ SYS_execve, "children", { 0 }, { 0 } },
	{ SYS_wait4, "children", { 0 }, { 0 } },
	{ SYS_kill, "children that hang", { 0 }, { 0 } },

	/* for every child: the dynamic linker, and entering its sandbox */
	{ SYS_mmap, "code of libraries", { 0 }, { 0 } },
	{ SYS_mprotect, "relocation", { 0 }, { 0 } },
	{ SYS_pread64, "libraries, database", { 0 }, { 0 } },
	{ SYS_access, "ld.so.preload, database", { 0 }, { 0 } },
	{ SYS_arch_prctl, "thread pointer", { 0 }, { 0 } },
	{ SYS_set_tid_address, "start", { 0 }, { 0 } },
	{ SYS_set_robust_list, "start", { 0 }, { 0 } },
	{ SYS_rseq, "start", { 0 }, { 0 } },
	{ SYS_prlimit64, "limits", { 0 }, { 0 } },
	{ SYS_prctl, "sandbox", { 0 }, { 0 } },
	{ SYS_seccomp, "sandbox", { 0 }, { 0 } },
	{ SYS_close_range, "sandbox", { 0 }, { 0 } },
	{ SYS_capget, "sandbox", { 0 }, { 0 } },
	{ SYS_capset, "sandbox", { 0 }, { 0 } },
	{ LANDLOCK_SYS_CREATE, "sandbox", { 0 }, { 0 } },
	{ LANDLOCK_SYS_ADD_RULE, "sandbox", { 0 }, { 0 } },
	{ LANDLOCK_SYS_RESTRICT, "sandbox", { 0 }, { 0 } },
	{ SYS_tgkill, "abort(3)", { 0 }, { 0 } },
	SANDBOX_EVENT_BASE,

	/* for relays */
	{ SYS_getsockname, "original destination", { 0 }, { 0 } },
	{ SYS_socket, "to a server", ARGUMENT_IS(1, AF_INET), { 0 } },
	{ SYS_socket, "to a server", ARGUMENT_IS(1, AF_INET6), { 0 } },
	{ SYS_recvmmsg, "datagrams", { 0 }, { 0 } },
	{ SYS_sendmmsg, "datagrams", { 0 }, { 0 } },
	{ SYS_splice, "big flows", { 0 }, { 0 } },
	{ SYS_pipe2, "big flows", { 0 }, { 0 } },
	{ SYS_shutdown, "half-close", { 0 }, { 0 } },
	{ SYS_setsockopt, "flows", { 0 }, { 0 } },
	{ SYS_getsockopt, "flows", { 0 }, { 0 } },

	/* for dnsd, the resolver and the flow log */
	{ SYS_sched_yield, "more questions at a time", { 0 }, { 0 } },
	{ SYS_sched_setscheduler, "they give way", ARGUMENT_IS(1, 0),
	    ARGUMENT_IS(2, SCHED_BATCH) },

	/* for the resolver, which is refused it */
	{ SYS_sendmsg, "TCP Fast Open", ARGUMENT_HAS(3, MSG_FASTOPEN), { 0 } },

	/* for tpx-dot */
	{ SYS_readv, "questions by TCP", { 0 }, { 0 } },
	{ SYS_ioctl, "questions that wait", ARGUMENT_IS(2, FIONREAD), { 0 } },

	/* for the flow log */
	{ SYS_pwrite64, "database", { 0 }, { 0 } },
	{ SYS_lseek, "database", { 0 }, { 0 } },
	{ SYS_fsync, "database", { 0 }, { 0 } },
	{ SYS_fdatasync, "database", { 0 }, { 0 } },
	{ SYS_fallocate, "database", { 0 }, { 0 } },
	{ SYS_rename, "setting a broken database aside", { 0 }, { 0 } },
	{ SYS_stat, "database", { 0 }, { 0 } },
	{ SYS_lstat, "database", { 0 }, { 0 } },
	{ SYS_readlink, "database", { 0 }, { 0 } },
	{ SYS_getcwd, "database", { 0 }, { 0 } },
	{ SYS_fchmod, "database", { 0 }, { 0 } },
	{ SYS_fchown, "database", { 0 }, { 0 } },
	{ SYS_umask, "database", { 0 }, { 0 } },
	{ SYS_fstatfs, "database", { 0 }, { 0 } },
	{ SYS_statfs, "database", { 0 }, { 0 } },
	{ SYS_clock_nanosleep, "database", { 0 }, { 0 } },
	{ SYS_utimensat, "database", { 0 }, { 0 } },
	{ SYS_sysinfo, "sorting", { 0 }, { 0 } },
	SANDBOX_SYSCALLS_END,
};

const struct sandbox supervisor_sandbox = {
	.caps = "=",
	.may_signal = 1,
	.may_connect = 1, /* for relays */
	.paths = paths,
	.limits = limits,
	.setup = setup,
	.running = running,
};
