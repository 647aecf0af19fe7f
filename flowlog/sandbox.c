/* SPDX-License-Identifier: ISC */
/*
 * The flow log reads records that hostile bytes may have shaped, and writes
 * one directory.  It keeps no capability, cannot open a socket, run a program
 * or see a file outside that directory, which the configuration names and
 * flowlog_paths() adds.
 */
#include "flowlog/sandbox.h"

static const struct sandbox_path paths[] = { { NULL, 0 } };

static const struct sandbox_limit limits[] = {
	{ RLIMIT_CORE, 0 },
	{ RLIMIT_NPROC, 0 },
	{ RLIMIT_MEMLOCK, 0 },
	/* A channel for each relay, the sources and sqlite's three files. */
	{ RLIMIT_NOFILE, 256 },
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
	{ SYS_openat, "database, WAL, index; Landlock says where", { 0 },
	    { 0 } },
	{ SYS_lstat, "database path", { 0 }, { 0 } },
	{ SYS_stat, "database path", { 0 }, { 0 } },
	{ SYS_readlink, "database path", { 0 }, { 0 } },
	{ SYS_access, "whether a journal is there", { 0 }, { 0 } },
	{ SYS_getcwd, "database path", { 0 }, { 0 } },
	{ SYS_pread64, "database", { 0 }, { 0 } },
	{ SYS_pwrite64, "database", { 0 }, { 0 } },
	{ SYS_lseek, "database", { 0 }, { 0 } },
	{ SYS_ftruncate, "WAL and index", { 0 }, { 0 } },
	{ SYS_fallocate, "index", { 0 }, { 0 } },
	{ SYS_fsync, "commit", { 0 }, { 0 } },
	{ SYS_fdatasync, "commit", { 0 }, { 0 } },
	{ SYS_unlink, "journal", { 0 }, { 0 } },
	{ SYS_rename, "setting a damaged database aside", { 0 }, { 0 } },
	{ SYS_fchmod, "WAL as readable as the database", { 0 }, { 0 } },
	{ SYS_fchown, "WAL, if started as root", { 0 }, { 0 } },
	{ SYS_clock_nanosleep, "readers that hold the WAL", { 0 }, { 0 } },
	{ SYS_geteuid, "whether started as root", { 0 }, { 0 } },
	SANDBOX_SYSCALLS_END,
};

const struct sandbox flowlog_sandbox = {
	.caps = "=",
	.paths = paths,
	.limits = limits,
	.setup = setup,
	.running = running,
};
