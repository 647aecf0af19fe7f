/* SPDX-License-Identifier: ISC */
/* What proves that a process works, and who is killed for not doing so. */
#include "supervisor/child.h"

#include <sys/wait.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "supervisor/event.h"
#include "supervisor/process.h"
#include "supervisor/tpxd.h"

#define PID 4711
#define LEASE_US 9000000
#define BEAT_US LEASE_BEAT(LEASE_US)
#define STARVING 8 /* times the patience, for who is not to blame */

static struct tpxd tpxd;
static struct child child;
static int64_t now_us;
static int runnable;
static unsigned int kills;
static const char *said;

int64_t
clock_mono_us(void)
{
	return now_us;
}

int64_t
clock_real_us(void)
{
	return now_us;
}

int64_t
tpxd_lease_us(const struct tpxd *of)
{
	(void)of;
	return LEASE_US;
}

int64_t
tpxd_patience_us(const struct tpxd *of)
{
	(void)of;
	return LEASE_PATIENCE(LEASE_US);
}

int
process_is_runnable(pid_t pid)
{
	assert_int_equal(pid, PID);
	return runnable;
}

void
event_record(struct tpxd *of, enum event_severity severity,
    const struct child *about, const char *kind, const char *message)
{
	assert_ptr_equal(of, &tpxd);
	assert_ptr_equal(about, &child);
	assert_int_equal(severity, SEVERITY_WARNING);
	assert_string_equal(kind, "stuck");
	said = message;
}

void
event_pass(struct tpxd *of, const struct msg_event *event)
{
	(void)of;
	(void)event;
}

int
kill(pid_t pid, int number)
{
	assert_int_equal(pid, PID);
	assert_int_equal(number, SIGKILL);
	kills++;
	return 0;
}

static int
set_up(void **state)
{
	(void)state;
	memset(&tpxd, 0, sizeof(tpxd));
	memset(&child, 0, sizeof(child));
	child_init(&child, &tpxd, "true", IPC_RELAY, -1);
	child.state = CHILD_RUNNING;
	child.pid = PID;
	now_us = child.started_us = 1000000000;
	runnable = 0;
	kills = 0;
	said = NULL;
	return 0;
}

/* A heartbeat later it is asked; without a channel nothing is sent. */
static void
ask(void)
{
	now_us += BEAT_US;
	tpxd.beat++;
	if (child.asked_us == 0)
		child.asked_us = now_us;
}

static int
answer(uint64_t sequence, uint64_t work, uint64_t waiting)
{
	struct msg_answer body = {
		.sequence = sequence, .work = work, .waiting = waiting
	};

	return child_answered(&child, &body);
}

/* As many heartbeats, each answered at once. */
static void
beats(unsigned int count, uint64_t work, uint64_t waiting)
{
	for (; count > 0; count--) {
		ask();
		assert_int_equal(answer(tpxd.beat, work, waiting), 0);
	}
}

static void
judge_at(int64_t at_us)
{
	child_judge(&child, at_us, LEASE_PATIENCE(LEASE_US));
}

static void
test_answer_must_be_to_a_question_and_new(void **state)
{
	(void)state;
	ask();
	assert_int_equal(answer(2, 0, 0), -1);
	assert_int_equal(answer(0, 0, 0), -1);
	assert_int_equal(answer(1, 0, 0), 0);
	assert_int_equal(answer(1, 0, 0), -1);
	assert_int_equal(child.answered, 1);
}

static void
test_answer_to_an_older_question_leaves_one_due(void **state)
{
	(void)state;
	ask();
	ask();
	assert_int_equal(answer(1, 0, 0), 0);
	assert_int_equal(child.asked_us, now_us);
	assert_int_equal(answer(2, 0, 0), 0);
	assert_int_equal(child.asked_us, 0);
}

static void
test_silence_is_judged_by_patience(void **state)
{
	int64_t asked_us;

	(void)state;
	beats(1, 0, 0);
	judge_at(now_us + 100 * LEASE_US); /* nobody has asked */
	assert_int_equal(kills, 0);
	ask();
	asked_us = now_us;
	ask();
	judge_at(asked_us + LEASE_PATIENCE(LEASE_US));
	assert_int_equal(kills, 0);
	judge_at(asked_us + LEASE_PATIENCE(LEASE_US) + 1);
	assert_int_equal(kills, 1);
	assert_string_equal(said, "gave no sign of life");
	assert_int_equal(child.state, CHILD_KILLED);
	judge_at(asked_us + 100 * LEASE_US);
	assert_int_equal(kills, 1);
}

static void
test_who_waits_for_a_processor_has_more_time_and_not_all(void **state)
{
	(void)state;
	runnable = 1;
	ask();
	judge_at(now_us + STARVING * LEASE_PATIENCE(LEASE_US));
	assert_int_equal(kills, 0);
	judge_at(now_us + STARVING * LEASE_PATIENCE(LEASE_US) + 1);
	assert_int_equal(kills, 1);
}

static void
test_who_starts_has_more_time_and_not_all(void **state)
{
	(void)state;
	child.state = CHILD_STARTING;
	judge_at(now_us + STARVING * LEASE_PATIENCE(LEASE_US));
	assert_int_equal(kills, 0);
	judge_at(now_us + STARVING * LEASE_PATIENCE(LEASE_US) + 1);
	assert_int_equal(kills, 1);
}

static void
test_who_leaves_is_not_judged(void **state)
{
	(void)state;
	beats(9, 0, 1);
	ask();
	child.state = CHILD_STOPPING;
	judge_at(now_us + 100 * LEASE_US);
	child_judge_work(&child);
	assert_int_equal(kills, 0);
}

static void
test_who_serves_nobody_gets_no_beat_then_is_killed(void **state)
{
	(void)state;
	beats(3, 7, 1); /* the first has served one; two beats are no more */
	assert_true(child_serves(&child));
	beats(1, 7, 1);
	assert_true(child_serves(&child));
	beats(1, 7, 1);
	assert_false(child_serves(&child));
	child_judge_work(&child);
	assert_int_equal(kills, 0);
	beats(1, 7, 1);
	child_judge_work(&child);
	assert_int_equal(kills, 0);
	beats(1, 7, 1);
	child_judge_work(&child);
	assert_int_equal(kills, 1);
	assert_string_equal(said, "answered but accepted nobody");
}

static void
test_who_serves_or_has_nobody_to_serve_works(void **state)
{
	uint64_t work;

	(void)state;
	for (work = 1; work < 20; work++)
		beats(1, work, 100);
	assert_true(child_serves(&child));
	beats(20, work, 0);
	assert_true(child_serves(&child));
	beats(6, work, 1);
	assert_false(child_serves(&child));
	beats(1, work + 1, 1);
	assert_true(child_serves(&child));
	child_judge_work(&child);
	assert_int_equal(kills, 0);
}

/* With a process of its own, that leaves at once. */
static void
replace(void)
{
	int fd = child_spawn(&child, "/bin", 0);

	assert_true(fd >= 0);
	assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
	close(fd);
	child.pid = PID;
	child.state = CHILD_RUNNING;
}

static void
test_successor_of_who_served_nobody_serves_first(void **state)
{
	(void)state;
	beats(9, 0, 1);
	child_judge_work(&child);
	assert_int_equal(kills, 1);
	replace();
	assert_false(child_serves(&child));
	beats(1, 0, 1);
	assert_false(child_serves(&child));
	child_judge_work(&child);
	assert_int_equal(kills, 1); /* it has its time */
	beats(1, 1, 1);
	assert_true(child_serves(&child));
}

static void
test_successor_without_clients_works_at_once(void **state)
{
	(void)state;
	beats(9, 0, 1);
	child_judge_work(&child);
	replace();
	beats(1, 0, 0);
	assert_true(child_serves(&child));
	child_late(&child);
	assert_int_equal(kills, 2);
	replace();
	beats(1, 0, 1);
	assert_true(child_serves(&child));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answer_must_be_to_a_question_and_new),
		TEST(test_answer_to_an_older_question_leaves_one_due),
		TEST(test_silence_is_judged_by_patience),
		TEST(test_who_waits_for_a_processor_has_more_time_and_not_all),
		TEST(test_who_starts_has_more_time_and_not_all),
		TEST(test_who_leaves_is_not_judged),
		TEST(test_who_serves_nobody_gets_no_beat_then_is_killed),
		TEST(test_who_serves_or_has_nobody_to_serve_works),
		TEST(test_successor_of_who_served_nobody_serves_first),
		TEST(test_successor_without_clients_works_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
