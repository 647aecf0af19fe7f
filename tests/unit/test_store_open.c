/* SPDX-License-Identifier: ISC */
/* Files that somebody else has just made are waited for, but not for ever. */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <grp.h>

#include "flowlog/store.h"
#include "schema/flowlog.sql.h"
#include "tests/unit/flowlog_fixture.h"

#define NOBODY 65534
#define FOR_EVER (-1)

static char dir[FIXTURE_PATH];
static char closed[2 * FIXTURE_PATH]; /* the file that nobody may open */
static int sleeps;		      /* that were asked for */
static int opens_at;		      /* after so many of them it is opened */

/* In the place of sqlite's own: no time passes. */
int
sqlite3_sleep(int ms)
{
	if (++sleeps == opens_at && chmod(closed, 0640) == -1)
		return -1;
	return ms;
}

/* What it is tried on belongs to the child, which must not be root. */
static void
become_nobody(void)
{
	if (geteuid() == 0 &&
	    (chown(dir, NOBODY, NOBODY) == -1 || setgroups(0, NULL) == -1 ||
		setgid(NOBODY) == -1 || setuid(NOBODY) == -1))
		_exit(100);
}

/* 0, or the errno of opening while dir/flows.db and suffix is closed. */
static int
open_closed(const char *suffix)
{
	struct store *store;

	(void)snprintf(
	    closed, sizeof(closed), "%s/" FLOWLOG_FILE "%s", dir, suffix);
	if (store_open(dir, &store) == -1)
		_exit(101);
	store_close(store);
	if (chmod(closed, 0) == -1)
		_exit(102);
	if (store_open(dir, &store) == -1)
		return errno;
	store_close(store);
	return sleeps == opens_at ? 0 : 103;
}

static void
check(const char *suffix, int at, int expected)
{
	int status;
	pid_t child;

	sleeps = 0;
	opens_at = at;
	fixture_dir(dir);
	child = fork();
	if (child == 0) {
		become_nobody();
		_exit(open_closed(suffix));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	fixture_dir_remove(dir);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), expected);
}

static void
test_index_that_is_given_to_us_later_is_waited_for(void **state)
{
	(void)state;
	check("-shm", 3, 0);
}

static void
test_wal_that_is_given_to_us_later_is_waited_for(void **state)
{
	(void)state;
	check("-wal", 3, 0);
}

static void
test_file_that_stays_closed_is_said_in_the_end(void **state)
{
	(void)state;
	check("-shm", FOR_EVER, EACCES);
	check("", FOR_EVER, EACCES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_index_that_is_given_to_us_later_is_waited_for),
		cmocka_unit_test(
		    test_wal_that_is_given_to_us_later_is_waited_for),
		cmocka_unit_test(
		    test_file_that_stays_closed_is_said_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
