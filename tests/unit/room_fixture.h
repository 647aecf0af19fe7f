/* SPDX-License-Identifier: ISC */
/* For tests of what becomes of descriptors that find no room. */
#ifndef TESTS_UNIT_ROOM_FIXTURE_H
#define TESTS_UNIT_ROOM_FIXTURE_H

#include <sys/resource.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

/* From now on one more descriptor can be had, or none; the limit before. */
static inline struct rlimit
fixture_room(int fds)
{
	struct rlimit before, limit;
	int lowest = fcntl(STDIN_FILENO, F_DUPFD, 0);

	assert_int_not_equal(lowest, -1);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)(lowest + fds);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return before;
}

static inline void
fixture_room_again(const struct rlimit *before)
{
	assert_int_equal(setrlimit(RLIMIT_NOFILE, before), 0);
}

#endif
