/* SPDX-License-Identifier: ISC */
/*
 * netctl changes the kernel's rules, so it keeps two capabilities and netlink.
 * It reads no network payload, no configuration file and no client's byte; its
 * peers are the supervisor, the kernel, and relays and dnsds by the few
 * messages of netctl/broker.c and netctl/passes.c.
 *
 * The keeper stays in the set-up stage: filters are inherited, so a keeper
 * that could only fork and wait could only have workers that fork and wait.
 */
#include "netctl/sandbox.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <signal.h>

static const struct sandbox_path paths[] = {
	{ "/proc/sys/net", SANDBOX_READ | SANDBOX_WRITE },
	{ NULL, 0 },
};

static const struct sandbox_limit limits[] = {
	{ RLIMIT_CORE, 0 },
	{ RLIMIT_NOFILE, 1024 },
	SANDBOX_LIMIT_END,
};

static const struct sandbox_syscall setup[] = {
	SANDBOX_EVENT_BASE,
	{ SYS_clone, "the keeper forks workers", { 0 }, { 0 } },
	{ SYS_wait4, "the keeper waits", { 0 }, { 0 } },
	{ SYS_tgkill, "abort(3) of its workers", { 0 }, { 0 } },
	{ SYS_kill, "the keeper lets its worker go on", ARGUMENT_IS(2, SIGCONT),
	    { 0 } },
	{ SYS_set_robust_list, "fork(3)", { 0 }, { 0 } },
	{ SYS_rseq, "fork(3)", { 0 }, { 0 } },
	{ SYS_newfstatat, "libnftables reading its names", { 0 }, { 0 } },
	{ SYS_getdents64, "libnftables reading its names", { 0 }, { 0 } },
	{ SYS_lseek, "libnftables reading its names", { 0 }, { 0 } },
	SANDBOX_SYSCALLS_END,
};

static const struct sandbox_syscall running[] = {
	SANDBOX_LIBC,
	SANDBOX_EVENT_LOOP,
	SANDBOX_MESSAGES,
	SANDBOX_MEMFD,
	{ SYS_socket, "rtnetlink, nfnetlink", ARGUMENT_IS(1, AF_NETLINK),
	    { 0 } },
	{ SYS_socket, "listeners, v4", ARGUMENT_IS(1, AF_INET), { 0 } },
	{ SYS_socket, "listeners, v6", ARGUMENT_IS(1, AF_INET6), { 0 } },
	{ SYS_socket, "nscd: libnftables tries a uid as a user's name",
	    ARGUMENT_IS(1, AF_UNIX), { 0 }, EACCES },
	{ SYS_bind, "listeners, netlink", { 0 }, { 0 } },
	{ SYS_listen, "listeners", { 0 }, { 0 } },
	{ SYS_getsockname, "listeners, netlink", { 0 }, { 0 } },
	{ SYS_setsockopt, "listeners, netlink buffers", { 0 }, { 0 } },
	{ SYS_getsockopt, "netlink buffers", { 0 }, { 0 } },
	{ SYS_sendto, "netlink", { 0 }, { 0 } },
	{ SYS_recvfrom, "netlink", { 0 }, { 0 } },
	{ SYS_membarrier, "no packet is inside old rules",
	    ARGUMENT_IS(1, MEMBARRIER_CMD_GLOBAL), { 0 } },
	{ SYS_select, "libnftables awaiting answers", { 0 }, { 0 } },
	{ SYS_pselect6, "libnftables awaiting answers", { 0 }, { 0 } },
	{ SYS_openat, "sysctls, which Landlock alone allows", { 0 }, { 0 } },
	{ SYS_getppid, "a worker without its keeper", { 0 }, { 0 } },
	{ SYS_uname, "libnftables probing the kernel", { 0 }, { 0 } },
	{ SYS_sysinfo, "qsort(3) of large sets", { 0 }, { 0 } },
	SANDBOX_SYSCALLS_END,
};

const struct sandbox netctl_sandbox = {
	.caps = "cap_net_admin,cap_net_bind_service=ep",
	.may_bind = 1,
	.paths = paths,
	.limits = limits,
	.setup = setup,
	.running = running,
};
