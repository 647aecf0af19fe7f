/* SPDX-License-Identifier: ISC */
/*
 * What a process keeps, stated as one constant struct and entered in two
 * stages.  Whatever is not stated is gone: system calls end in
 * SECCOMP_RET_KILL_PROCESS, files in Landlock's EACCES, capabilities are
 * dropped from every set and read back.  Every failing step is fatal, except
 * that Landlock uses what the running kernel has and says what it lacks.
 *
 * SETUP: no_new_privs, not dumpable, descriptors above 3 closed, limits,
 * capabilities, and a filter of the rows of both stages.
 * RUNNING: Landlock, and the filter of the running rows alone.
 */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum sandbox_stage { SANDBOX_SETUP = 1, SANDBOX_RUNNING = 2 };

/*
 * One argument of a system call: (value of arg & mask) must equal it; with mask
 * 0, arg must be the id of the process that enters.
 */
struct sandbox_argument {
	unsigned int number; /* from 1; 0: no condition */
	uint64_t mask;
	uint64_t value;
};

/* Several rows for one call allow any of them. */
struct sandbox_syscall {
	long number;
	const char *why;
	struct sandbox_argument first;
	struct sandbox_argument second;
	int refusal; /* this errno instead of the call; 0: the call is made */
};

#define ARGUMENT_IS(arg, is)                      \
	{                                         \
		(arg), UINT64_MAX, (uint64_t)(is) \
	}
#define ARGUMENT_HAS(arg, bit)                          \
	{                                               \
		(arg), (uint64_t)(bit), (uint64_t)(bit) \
	}
#define ARGUMENT_LACKS(arg, bits)          \
	{                                  \
		(arg), (uint64_t)(bits), 0 \
	}

#define ARGUMENT_IS_SELF(arg) \
	{                     \
		(arg), 0, 0   \
	}

enum sandbox_access {
	SANDBOX_READ = 1, /* files and directory listings */
	SANDBOX_EXECUTE =
	    2,		    /* and mapping as code, for a program's libraries */
	SANDBOX_WRITE = 4,  /* write to files that exist */
	SANDBOX_CREATE = 8, /* make, rename and remove files and sockets */
};

struct sandbox_path {
	const char *path; /* a file, or a directory with all beneath it */
	unsigned int access;
};

struct sandbox_limit {
	int resource;
	rlim_t value; /* both soft and hard, lowered to the present hard one */
};

struct sandbox {
	const char *caps; /* cap_from_text(3): permitted and effective */
	int may_signal;	  /* processes outside its own Landlock domain */
	int may_bind;	  /* TCP ports, on kernels whose Landlock knows of it */
	int may_connect;  /* by TCP, on kernels whose Landlock knows of it */
	const struct sandbox_path *paths;    /* ends with path NULL */
	const struct sandbox_limit *limits;  /* ends with SANDBOX_LIMIT_END */
	const struct sandbox_syscall *setup; /* end with SANDBOX_SYSCALLS_END */
	const struct sandbox_syscall *running;
};

#define SANDBOX_LIMIT_END        \
	{                        \
		0, RLIM_INFINITY \
	}

/*
 * Raises the soft limit of descriptors to the hard one; for the process that
 * starts the others, which inherit it.
 */
void sandbox_raise_descriptors(void);

/*
 * keep_fds: the highest descriptor that stays open.  Must be called while the
 * process has one thread.
 */
void sandbox_setup(const struct sandbox *, int keep_fds);

/* extra: further paths that only the configuration knows, or NULL. */
void sandbox_run(const struct sandbox *, const struct sandbox_path *extra);

/*
 * For one that may connect by TCP to some ports alone, on kernels whose
 * Landlock knows of it; ports ends with 0.
 */
void sandbox_run_toward(const struct sandbox *, const uint16_t *ports);

/* What the C library and the heap need; no memory becomes executable. */
#define SANDBOX_LIBC                                                        \
	{ SYS_read, "descriptors it holds", { 0 }, { 0 } },                 \
	    { SYS_write, "descriptors it holds, log lines", { 0 }, { 0 } }, \
	    { SYS_close, "descriptors it holds", { 0 }, { 0 } },            \
	    { SYS_brk, "heap", { 0 }, { 0 } },                              \
	    { SYS_mmap, "heap and shared maps, never code",                 \
		    ARGUMENT_LACKS(3, PROT_EXEC), { 0 } },                  \
	    { SYS_munmap, "heap and shared maps", { 0 }, { 0 } },           \
	    { SYS_mremap, "heap", { 0 }, { 0 } },                           \
	    { SYS_madvise, "heap", { 0 }, { 0 } },                          \
	    { SYS_futex, "library locks", { 0 }, { 0 } },                   \
	    { SYS_getrandom, "heap and hash seeds", { 0 }, { 0 } },         \
	    { SYS_clock_gettime, "clocks without vDSO", { 0 }, { 0 } },     \
	    { SYS_gettimeofday, "clocks without vDSO", { 0 }, { 0 } },      \
	    { SYS_rt_sigreturn, "signals", { 0 }, { 0 } },                  \
	    { SYS_rt_sigprocmask, "signals, abort(3)", { 0 }, { 0 } },      \
	    { SYS_rt_sigaction, "abort(3)", { 0 }, { 0 } },                 \
	    { SYS_getpid, "abort(3)", { 0 }, { 0 } },                       \
	    { SYS_gettid, "abort(3)", { 0 }, { 0 } },                       \
	    { SYS_tgkill, "abort(3)", ARGUMENT_IS_SELF(1), { 0 } },         \
	    { SYS_writev, "last words of the C library", { 0 }, { 0 } },    \
	    { SYS_restart_syscall, "stop and continue", { 0 }, { 0 } },     \
	{                                                                   \
		SYS_exit_group, "the end", { 0 },                           \
		{                                                           \
			0                                                   \
		}                                                           \
	}

/* What libevent's loop needs once its base exists. */
#define SANDBOX_EVENT_LOOP                                   \
	{ SYS_epoll_wait, "event loop", { 0 }, { 0 } },      \
	    { SYS_epoll_pwait, "event loop", { 0 }, { 0 } }, \
	    { SYS_epoll_ctl, "event loop", { 0 }, { 0 } },   \
	{                                                    \
		SYS_timerfd_settime, "event loop", { 0 },    \
		{                                            \
			0                                    \
		}                                            \
	}

/* What making libevent's base needs, and watching signals with it. */
#define SANDBOX_EVENT_BASE                                      \
	{ SYS_epoll_create1, "event base", { 0 }, { 0 } },      \
	    { SYS_eventfd2, "event base", { 0 }, { 0 } },       \
	    { SYS_timerfd_create, "event base", { 0 }, { 0 } }, \
	    { SYS_pipe2, "signals", { 0 }, { 0 } },             \
	    { SYS_getuid, "whether set-uid", { 0 }, { 0 } },    \
	    { SYS_geteuid, "whether set-uid", { 0 }, { 0 } },   \
	    { SYS_getgid, "whether set-uid", { 0 }, { 0 } },    \
	{                                                       \
		SYS_getegid, "whether set-uid", { 0 },          \
		{                                               \
			0                                       \
		}                                               \
	}

/*
 * Commands of fcntl(2) up to F_SETLKW, and of Linux' own those up to
 * F_GET_SEALS: not F_SETOWN and F_SETSIG, by which the kernel sends any signal
 * to any process of the user.
 */
#define SANDBOX_FCNTL                                                       \
	{ SYS_fcntl, "flags of descriptors, locks",                         \
		ARGUMENT_LACKS(2, ~UINT64_C(7)), { 0 } },                   \
	{                                                                   \
		SYS_fcntl, "queued descriptors, pipes, seals",              \
		    { 2, ~UINT64_C(15), 1024 /* F_LINUX_SPECIFIC_BASE */ }, \
		{                                                           \
			0                                                   \
		}                                                           \
	}

/*
 * What ipc/channel.c needs.  Without TCP Fast Open, which connects and does not
 * ask Landlock.
 */
#define SANDBOX_MESSAGES                                                     \
	{ SYS_sendmsg, "messages", ARGUMENT_LACKS(3, MSG_FASTOPEN), { 0 } }, \
	    { SYS_recvmsg, "messages", { 0 }, { 0 } },                       \
	    { SYS_sendmmsg, "messages", ARGUMENT_LACKS(4, MSG_FASTOPEN),     \
		    { 0 } },                                                 \
	    { SYS_recvmmsg, "messages", { 0 }, { 0 } }, SANDBOX_FCNTL,       \
	{                                                                    \
		SYS_poll, "last messages before leaving", { 0 },             \
		{                                                            \
			0                                                    \
		}                                                            \
	}

/* What memfd_map_sealed() and memfd_map_shared() need besides. */
#define SANDBOX_MEMFD                                              \
	{ SYS_fstat, "size of a memfd received", { 0 }, { 0 } },   \
	{                                                          \
		SYS_newfstatat, "size of a memfd received", { 0 }, \
		{                                                  \
			0                                          \
		}                                                  \
	}

#define SANDBOX_SYSCALLS_END    \
	{                       \
		0, NULL, { 0 }, \
		{               \
			0       \
		}               \
	}

#endif
