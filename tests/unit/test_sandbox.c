/* SPDX-License-Identifier: ISC */
/*
 * What a sandboxed child can no longer do, in a sandbox of the test and in
 * those of the processes.  Each test forks one.
 */
#include <sys/wait.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/sandbox.h"
#include "dnsd/dot/sandbox.h"
#include "dnsd/resolver/sandbox.h"
#include "dnsd/sandbox.h"
#include "flowlog/sandbox.h"
#include "netctl/sandbox.h"
#include "relay/sandbox.h"

#ifdef __SANITIZE_ADDRESS__
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static const struct sandbox_path paths[] = {
	{ "/proc/version", SANDBOX_READ },
	{ NULL, 0 },
};

static const struct sandbox_limit limits[] = {
	{ RLIMIT_NOFILE, 64 },
	SANDBOX_LIMIT_END,
};

static const struct sandbox_syscall setup[] = {
	{ SYS_getppid, "the test", { 0 }, { 0 } },
	SANDBOX_SYSCALLS_END,
};

static const struct sandbox_syscall running[] = {
	SANDBOX_LIBC,
	SANDBOX_MESSAGES,
	{ SYS_openat, "the test", { 0 }, { 0 } },
	{ SYS_prlimit64, "the test", { 0 }, { 0 } },
	{ SYS_prctl, "the test", { 0 }, { 0 } },
	{ SYS_socket, "the test", ARGUMENT_IS(1, AF_INET),
	    ARGUMENT_IS(2, SOCK_STREAM) },
	SANDBOX_SYSCALLS_END,
};

static const struct sandbox sandbox = {
	.caps = "=",
	.paths = paths,
	.limits = limits,
	.setup = setup,
	.running = running,
};

static pid_t parent;

/* The wait status of a child that enters the stage and then does this. */
static int
status_in(
    const struct sandbox *entered, enum sandbox_stage stage, int (*act)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		sandbox_setup(entered, 10);
		if (stage == SANDBOX_RUNNING)
			sandbox_run(entered, NULL);
		_exit(act());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static int
status_of(enum sandbox_stage stage, int (*act)(void))
{
	return status_in(&sandbox, stage, act);
}

static void
assert_exits(int status, int code)
{
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
}

static void
assert_killed(int status)
{
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static int
do_nothing(void)
{
	free(malloc(1 << 20));
	return 0;
}

static int
call_getppid(void)
{
	return syscall(SYS_getppid) == -1;
}

static int
call_ptrace(void)
{
	return syscall(SYS_ptrace, 0, 0, 0, 0) == -1;
}

static int
open_allowed(void)
{
	return open("/proc/version", O_RDONLY) == -1;
}

static int
open_other(void)
{
	return open("/etc/passwd", O_RDONLY) == -1 ? errno : 0;
}

static int
open_to_write(void)
{
	return open("/proc/version", O_WRONLY) == -1 ? errno : 0;
}

static int
socket_allowed(void)
{
	return (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0) == -1;
}

static int
socket_of_another_family(void)
{
	return (int)syscall(SYS_socket, AF_NETLINK, SOCK_STREAM, 0) == -1;
}

static int
socket_of_another_type(void)
{
	return (int)syscall(SYS_socket, AF_INET, SOCK_RAW, 0) == -1;
}

static int
map_code(void)
{
	return syscall(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == -1;
}

static int
limit_is_set(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur != 64 || limit.rlim_max != 64;
}

static int
flags_are_set(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||
	       prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	       prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2;
}

/* Signal 0 only asks whether there is such a process. */
static int
signal_another(void)
{
	return syscall(SYS_tgkill, parent, parent, 0) == -1;
}

static int
abort_itself(void)
{
	abort();
}

/* Who owns a descriptor gets a signal for it, and F_SETSIG says which. */
static int
own_for_another(void)
{
	return fcntl(STDERR_FILENO, F_SETOWN, parent) == -1;
}

static int
choose_signal(void)
{
	return fcntl(STDERR_FILENO, F_SETSIG, SIGKILL) == -1;
}

static int
use_fcntl(void)
{
	int flags = fcntl(STDERR_FILENO, F_GETFL);
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	return flags == -1 || fcntl(STDERR_FILENO, F_SETFL, flags) == -1 ||
	       fd == -1 || fcntl(fd, F_SETFD, 0) == -1;
}

/* No such descriptor: the filter looks first. */
static int
send_message(void)
{
	return syscall(SYS_sendmsg, -1, NULL, 0) == -1 ? errno : 0;
}

static int
send_to_fast_open(void)
{
	return syscall(SYS_sendto, -1, NULL, 0, MSG_FASTOPEN, NULL, 0) == -1
		   ? errno
		   : 0;
}

static int
send_message_fast_open(void)
{
	return syscall(SYS_sendmsg, -1, NULL, MSG_FASTOPEN) == -1 ? errno : 0;
}

static int
send_messages_fast_open(void)
{
	return syscall(SYS_sendmmsg, -1, NULL, 0, MSG_FASTOPEN) == -1 ? errno
								      : 0;
}

static int
high_fd_is_open(void)
{
	return fcntl(11, F_GETFD) != -1;
}

static void
test_what_is_stated_works(void **state)
{
	(void)state;
	assert_exits(status_of(SANDBOX_RUNNING, do_nothing), 0);
	assert_exits(status_of(SANDBOX_RUNNING, open_allowed), 0);
	assert_exits(status_of(SANDBOX_RUNNING, socket_allowed), 0);
}

static void
test_call_that_is_not_stated_kills(void **state)
{
	(void)state;
	assert_killed(status_of(SANDBOX_RUNNING, call_ptrace));
	assert_killed(status_of(SANDBOX_SETUP, call_ptrace));
}

static void
test_call_of_set_up_is_gone_when_running(void **state)
{
	(void)state;
	assert_exits(status_of(SANDBOX_SETUP, call_getppid), 0);
	assert_killed(status_of(SANDBOX_RUNNING, call_getppid));
}

static void
test_argument_that_is_not_stated_kills(void **state)
{
	(void)state;
	assert_killed(status_of(SANDBOX_RUNNING, socket_of_another_family));
	assert_killed(status_of(SANDBOX_RUNNING, socket_of_another_type));
}

static void
test_no_memory_becomes_executable(void **state)
{
	int status = status_of(SANDBOX_RUNNING, map_code);

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	assert_exits(status, 0); /* the sanitizer maps as it likes */
#else
	assert_killed(status);
#endif
}

static void
test_file_that_is_not_stated_cannot_be_opened(void **state)
{
	(void)state;
	assert_exits(status_of(SANDBOX_RUNNING, open_other), EACCES);
	assert_exits(status_of(SANDBOX_RUNNING, open_to_write), EACCES);
}

static void
test_limits_flags_and_descriptors(void **state)
{
	(void)state;
	dup2(STDIN_FILENO, 11);
	assert_exits(status_of(SANDBOX_SETUP, limit_is_set), 0);
	assert_exits(status_of(SANDBOX_RUNNING, flags_are_set), 0);
	assert_exits(status_of(SANDBOX_SETUP, high_fd_is_open), 0);
	close(11);
}

/* On kernels whose Landlock knows no scopes, the filter alone stands there. */
static void
test_nobody_signals_another_process(void **state)
{
	static const struct sandbox *const all[] = { &sandbox, &relay_sandbox,
		&flowlog_sandbox, &dnsd_sandbox, &resolver_sandbox,
		&dot_sandbox, &netctl_sandbox };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_killed(
		    status_in(all[i], SANDBOX_RUNNING, signal_another));
		assert_killed(
		    status_in(all[i], SANDBOX_RUNNING, own_for_another));
		assert_killed(
		    status_in(all[i], SANDBOX_RUNNING, choose_signal));
		assert_exits(status_in(all[i], SANDBOX_RUNNING, use_fcntl), 0);
	}
}

static void
test_abort_is_told_from_a_forbidden_call(void **state)
{
	int status = status_of(SANDBOX_RUNNING, abort_itself);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* To connect by sending is no connect(2), and no business of Landlock's. */
static void
test_who_may_not_connect_cannot_by_fast_open(void **state)
{
	static const struct sandbox *const all[] = { &dnsd_sandbox,
		&resolver_sandbox, &dot_sandbox };
	size_t i;
	int status;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_exits(
		    status_in(all[i], SANDBOX_RUNNING, send_message), EBADF);
		assert_killed(
		    status_in(all[i], SANDBOX_RUNNING, send_to_fast_open));
		assert_killed(status_in(
		    all[i], SANDBOX_RUNNING, send_messages_fast_open));
		status =
		    status_in(all[i], SANDBOX_RUNNING, send_message_fast_open);
		/* libunbound tries, and goes without */
		if (all[i] == &resolver_sandbox)
			assert_exits(status, EOPNOTSUPP);
		else
			assert_killed(status);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_stated_works),
		cmocka_unit_test(test_call_that_is_not_stated_kills),
		cmocka_unit_test(test_call_of_set_up_is_gone_when_running),
		cmocka_unit_test(test_argument_that_is_not_stated_kills),
		cmocka_unit_test(test_no_memory_becomes_executable),
		cmocka_unit_test(test_file_that_is_not_stated_cannot_be_opened),
		cmocka_unit_test(test_limits_flags_and_descriptors),
		cmocka_unit_test(test_nobody_signals_another_process),
		cmocka_unit_test(test_abort_is_told_from_a_forbidden_call),
		cmocka_unit_test(test_who_may_not_connect_cannot_by_fast_open),
	};

	parent = getpid();
	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
