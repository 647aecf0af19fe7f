/* SPDX-License-Identifier: ISC */
/* What a sandboxed child can no longer do.  Each test forks one. */
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
	{ SYS_openat, "the test", { 0 }, { 0 } },
	{ SYS_prlimit64, "the test", { 0 }, { 0 } },
	{ SYS_prctl, "the test", { 0 }, { 0 } },
	{ SYS_fcntl, "the test", { 0 }, { 0 } },
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

/* The wait status of a child that enters the stage and then does this. */
static int
status_of(enum sandbox_stage stage, int (*act)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		sandbox_setup(&sandbox, 10);
		if (stage == SANDBOX_RUNNING)
			sandbox_run(&sandbox, NULL);
		_exit(act());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
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
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
