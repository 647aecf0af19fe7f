/* SPDX-License-Identifier: ISC */
/* Who says that others break rules.  Their processes only wait to be killed. */
#include "supervisor/child.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/event.h"
#include "supervisor/process.h"
#include "supervisor/tpxd.h"

static struct child accuser, accused;
static const struct child *killed;
static char why[96];

void
event_record(struct tpxd *tpxd, enum event_severity severity,
    const struct child *child, const char *kind, const char *message)
{
	(void)tpxd;
	(void)severity;
	assert_string_equal(kind, "contract");
	killed = child;
	(void)strncpy(why, message, sizeof(why) - 1);
}

void
event_pass(struct tpxd *tpxd, const struct msg_event *event)
{
	(void)tpxd;
	(void)event;
}

int
process_is_runnable(pid_t pid)
{
	(void)pid;
	return 0;
}

int64_t
tpxd_patience_us(const struct tpxd *tpxd)
{
	(void)tpxd;
	return 0;
}

int64_t
tpxd_lease_us(const struct tpxd *tpxd)
{
	(void)tpxd;
	return 0;
}

static void
live(struct child *child)
{
	child->pid = fork();
	assert_true(child->pid != -1);
	if (child->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	child->state = CHILD_RUNNING;
}

static void
await_death(struct child *child)
{
	int status;

	assert_int_equal(child->state, CHILD_KILLED);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_true(WIFSIGNALED(status));
	child->pid = 0;
}

static int
set_up(void **state)
{
	(void)state;
	memset(&accuser, 0, sizeof(accuser));
	memset(&accused, 0, sizeof(accused));
	live(&accuser);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	if (accuser.pid != 0 && accuser.state != CHILD_KILLED)
		(void)kill(accuser.pid, SIGKILL);
	if (accuser.pid != 0)
		(void)waitpid(accuser.pid, NULL, 0);
	return 0;
}

static void
test_who_is_accused_is_killed(void **state)
{
	(void)state;
	accuser.role = IPC_FLOWLOG;
	live(&accused);
	child_accuse(&accuser, &accused, "a wrong length");
	await_death(&accused);
	assert_ptr_equal(killed, &accused);
	assert_string_equal(why, "a wrong length");
	assert_int_equal(accuser.state, CHILD_RUNNING);
}

static void
test_who_accuses_again_and_again_is_killed_itself(void **state)
{
	unsigned int i;

	(void)state;
	accuser.role = IPC_RESOLVER;
	for (i = 0; i < CHILD_ACCUSATIONS_MOST; i++) {
		live(&accused);
		child_accuse(&accuser, &accused, "a wrong length");
		await_death(&accused);
	}
	live(&accused);
	child_accuse(&accuser, &accused, "a wrong length");
	await_death(&accuser);
	assert_ptr_equal(killed, &accuser);
	assert_int_equal(accused.state, CHILD_RUNNING);
	(void)kill(accused.pid, SIGKILL);
	(void)waitpid(accused.pid, NULL, 0);
}

/* Without it tpxd ends; and no byte of the network comes to it. */
static void
test_netctl_may_accuse_as_often_as_it_likes(void **state)
{
	unsigned int i;

	(void)state;
	accuser.role = IPC_NETCTL;
	for (i = 0; i < 2 * CHILD_ACCUSATIONS_MOST; i++) {
		live(&accused);
		child_accuse(&accuser, &accused, "a wrong length");
		await_death(&accused);
	}
	assert_int_equal(accuser.state, CHILD_RUNNING);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_who_is_accused_is_killed),
		TEST(test_who_accuses_again_and_again_is_killed_itself),
		TEST(test_netctl_may_accuse_as_often_as_it_likes),
	};

	return cmocka_run_group_tests_name("accuse", tests, NULL, NULL);
}
