/* SPDX-License-Identifier: ISC */
/*
 * Enters a sandbox: limits, capabilities, seccomp.  Reads nothing from
 * outside; must never leave a step undone and go on.
 */
#include "common/sandbox.h"

#include <sys/capability.h>

#include <errno.h>
#include <linux/close_range.h>
#include <seccomp.h>
#include <string.h>
#include <unistd.h>

#include "common/landlock.h"
#include "common/log.h"
#include "common/privilege.h"

/* What entering the second stage needs, in the filter of the first. */
static const struct sandbox_syscall entering[] = {
	{ SYS_prctl, "no_new_privs and its check", { 0 }, { 0 } },
	{ SYS_seccomp, "the second filter", { 0 }, { 0 } },
	{ LANDLOCK_SYS_CREATE, "Landlock", { 0 }, { 0 } },
	{ LANDLOCK_SYS_ADD_RULE, "Landlock", { 0 }, { 0 } },
	{ LANDLOCK_SYS_RESTRICT, "Landlock", { 0 }, { 0 } },
	{ SYS_openat, "paths for Landlock", { 0 }, { 0 } },
	{ SYS_fstat, "paths for Landlock", { 0 }, { 0 } },
	{ SYS_newfstatat, "paths for Landlock", { 0 }, { 0 } },
	SANDBOX_SYSCALLS_END,
};

/* The address sanitizer's own needs, in sanitizer builds alone. */
static const struct sandbox_syscall sanitizer[] = {
#ifdef __SANITIZE_ADDRESS__
	{ SYS_mmap, "shadow memory", { 0 }, { 0 } },
	{ SYS_mprotect, "shadow memory", { 0 }, { 0 } },
	{ SYS_sigaltstack, "reports", { 0 }, { 0 } },
	{ SYS_open, "reports", { 0 }, { 0 } },
	{ SYS_openat, "reports", { 0 }, { 0 } },
	{ SYS_readlink, "reports", { 0 }, { 0 } },
	{ SYS_newfstatat, "reports", { 0 }, { 0 } },
	{ SYS_sched_yield, "locks", { 0 }, { 0 } },
	{ SYS_getuid, "reports", { 0 }, { 0 } },
	{ SYS_ioctl, "reports", { 0 }, { 0 } },
	{ SYS_prlimit64, "stack bounds", { 0 }, { 0 } },
	{ SYS_sched_getaffinity, "stack bounds", { 0 }, { 0 } },
	{ SYS_lseek, "reports", { 0 }, { 0 } },
	{ SYS_stat, "reports", { 0 }, { 0 } },
	{ SYS_prctl, "reports", { 0 }, { 0 } },
	{ SYS_pipe2, "pointer checks", { 0 }, { 0 } },
#endif
	SANDBOX_SYSCALLS_END,
};

static void
limits_set(const struct sandbox_limit *limit)
{
	struct rlimit now;

	for (; limit->value != RLIM_INFINITY; limit++) {
		if (getrlimit(limit->resource, &now) == -1)
			fatal("sandbox: getrlimit %d", limit->resource);
		if (now.rlim_max > limit->value)
			now.rlim_max = limit->value;
		now.rlim_cur = now.rlim_max;
		if (setrlimit(limit->resource, &now) == -1)
			fatal("sandbox: setrlimit %d", limit->resource);
	}
}

void
sandbox_raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		fatal("sandbox: descriptors");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		fatal("sandbox: descriptors");
}

static unsigned int
arguments_of(const struct sandbox_syscall *row, struct scmp_arg_cmp out[2])
{
	const struct sandbox_argument *arguments[] = { &row->first,
		&row->second };
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < 2; i++) {
		if (arguments[i]->number == 0)
			continue;
		out[n].arg = arguments[i]->number - 1;
		out[n].op = SCMP_CMP_MASKED_EQ;
		out[n].datum_a = arguments[i]->mask;
		out[n].datum_b = arguments[i]->value;
		if (arguments[i]->mask == 0) {
			out[n].datum_a = UINT64_MAX;
			out[n].datum_b = (uint64_t)getpid();
		}
		n++;
	}
	return n;
}

static void
filter_add(scmp_filter_ctx filter, const struct sandbox_syscall *row)
{
	struct scmp_arg_cmp arguments[2];
	unsigned int n;
	int error;

	for (; row->why != NULL; row++) {
		n = arguments_of(row, arguments);
		error = seccomp_rule_add_array(filter,
		    row->refusal == 0 ? SCMP_ACT_ALLOW
				      : SCMP_ACT_ERRNO((unsigned)row->refusal),
		    (int)row->number, n, arguments);
		if (error != 0 && error != -EEXIST)
			fatalx("sandbox: seccomp rule for call %ld: %s",
			    row->number, strerror(-error));
	}
}

static void
filter_load(const struct sandbox *sandbox, enum sandbox_stage stage)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int error;

	if (filter == NULL)
		fatalx("sandbox: no seccomp filter");
	filter_add(filter, sandbox->running);
	filter_add(filter, sanitizer);
	if (stage == SANDBOX_SETUP) {
		filter_add(filter, sandbox->setup);
		filter_add(filter, entering);
	}
	if ((error = seccomp_load(filter)) != 0)
		fatalx("sandbox: seccomp: %s", strerror(-error));
	seccomp_release(filter);
}

void
sandbox_setup(const struct sandbox *sandbox, int keep_fds)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal("sandbox: no_new_privs");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		fatal("sandbox: dumpable");
	if (close_range((unsigned int)keep_fds + 1, ~0U, 0) == -1)
		fatal("sandbox: close_range");
	limits_set(sandbox->limits);
	privilege_limit(sandbox->caps);
	filter_load(sandbox, SANDBOX_SETUP);
}

void
sandbox_run(const struct sandbox *sandbox, const struct sandbox_path *extra)
{
	static const uint16_t none[] = { 0 };

	landlock_enter(sandbox, extra, none);
	filter_load(sandbox, SANDBOX_RUNNING);
}

void
sandbox_run_toward(const struct sandbox *sandbox, const uint16_t *ports)
{
	landlock_enter(sandbox, NULL, ports);
	filter_load(sandbox, SANDBOX_RUNNING);
}
