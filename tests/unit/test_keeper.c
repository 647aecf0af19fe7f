/* SPDX-License-Identifier: ISC */
/* Who started it dies while it, or its worker, is stopped. */
#include "netctl/keeper.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "supervisor/process.h"

#define LIMIT_US 5000000

static struct family {
	pid_t tpxd, keeper, worker;
} family;

static void __attribute__((noreturn)) stay(void)
{
	for (;;)
		(void)pause();
}

static void __attribute__((noreturn)) keep(int fd)
{
	struct family of = { 0 };

	(void)keeper_run();
	of.keeper = getppid();
	of.worker = getpid();
	(void)!write(fd, &of, sizeof(of));
	stay();
}

static int
family_start(void **state)
{
	int fds[2];
	pid_t tpxd;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	assert_int_equal(pipe(fds), 0);
	if ((tpxd = fork()) == 0) {
		if (fork() == 0)
			keep(fds[1]);
		stay();
	}
	assert_int_equal(read(fds[0], &family, sizeof(family)), sizeof(family));
	family.tpxd = tpxd;
	close(fds[0]);
	close(fds[1]);
	return 0;
}

/* The keeper first, so that it starts nobody. */
static int
family_end(void **state)
{
	(void)state;
	(void)kill(family.tpxd, SIGKILL);
	(void)kill(family.keeper, SIGKILL);
	(void)kill(family.worker, SIGKILL);
	while (wait(NULL) > 0)
		continue;
	return 0;
}

static void
await_stopped(pid_t pid, int stopped)
{
	int64_t until_us = clock_mono_us() + LIMIT_US;

	while (process_is_stopped(pid) != stopped) {
		assert_true(clock_mono_us() < until_us);
		(void)sched_yield();
	}
}

static void
stop(pid_t pid)
{
	assert_int_equal(kill(pid, SIGSTOP), 0);
	await_stopped(pid, 1);
}

static void
test_stopped_worker_goes_on_when_tpxd_dies(void **state)
{
	(void)state;
	stop(family.worker);
	assert_int_equal(kill(family.tpxd, SIGKILL), 0);
	await_stopped(family.worker, 0);
	assert_int_equal(kill(family.worker, 0), 0);
}

static void
test_both_go_on_when_tpxd_dies(void **state)
{
	(void)state;
	stop(family.keeper);
	stop(family.worker);
	assert_int_equal(kill(family.tpxd, SIGKILL), 0);
	await_stopped(family.keeper, 0);
	await_stopped(family.worker, 0);
	assert_int_equal(kill(family.worker, 0), 0);
}

static void
test_stopped_worker_goes_on_when_its_keeper_dies(void **state)
{
	(void)state;
	stop(family.worker);
	assert_int_equal(kill(family.keeper, SIGKILL), 0);
	await_stopped(family.worker, 0);
	assert_int_equal(kill(family.worker, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_stopped_worker_goes_on_when_tpxd_dies, family_start,
		    family_end),
		cmocka_unit_test_setup_teardown(
		    test_both_go_on_when_tpxd_dies, family_start, family_end),
		cmocka_unit_test_setup_teardown(
		    test_stopped_worker_goes_on_when_its_keeper_dies,
		    family_start, family_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
