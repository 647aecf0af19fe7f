/* SPDX-License-Identifier: ISC */
#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memfd.h"

static void
test_sealed_memory_is_what_was_put_in_and_cannot_change(void **state)
{
	int fd = memfd_sealed("test", "abc", 4);
	const char *map = memfd_map_sealed(fd, 4);

	(void)state;
	assert_string_equal(map, "abc");
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_ptr_equal(
	    mmap(NULL, 4, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	close(fd);
}

static void
test_memory_without_seals_is_refused(void **state)
{
	int fd = memfd_create("test", MFD_ALLOW_SEALING);

	(void)state;
	assert_int_equal(ftruncate(fd, 4), 0);
	assert_null(memfd_map_sealed(fd, 4));
	assert_int_equal(errno, EPERM);
	assert_null(memfd_map_shared(fd, 4, 1));
	close(fd);
}

static void
test_memory_of_another_size_is_refused(void **state)
{
	int fd = memfd_sealed("test", "abc", 4);

	(void)state;
	assert_null(memfd_map_sealed(fd, 5));
	assert_int_equal(errno, EINVAL);
	assert_null(memfd_map_sealed(fd, 3));
	assert_null(memfd_map_sealed(fd, 0));
	close(fd);
}

static void
test_what_is_no_memfd_is_refused(void **state)
{
	int fd = open("/dev/zero", O_RDWR);

	(void)state;
	assert_null(memfd_map_sealed(fd, 4096));
	assert_null(memfd_map_sealed(-1, 4096));
	close(fd);
}

static void
test_shared_memory_is_one_and_keeps_its_size(void **state)
{
	void *mine;
	int fd = memfd_shared("test", 4096, &mine);
	char *theirs = memfd_map_shared(fd, 4096, 1);
	const char *reader = memfd_map_shared(fd, 4096, 0);

	(void)state;
	strcpy(theirs, "written");
	assert_string_equal(mine, "written");
	assert_string_equal(reader, "written");
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_null(memfd_map_sealed(fd, 4096));
	close(fd);
}

static void
test_a_read_only_descriptor_gives_no_way_to_write(void **state)
{
	void *mine;
	const char *reader;
	int fd = memfd_shared("test", 4096, &mine);
	int read_only = memfd_read_only(fd);

	(void)state;
	reader = memfd_map_shared(read_only, 4096, 0);
	assert_null(memfd_map_shared(read_only, 4096, 1));
	assert_int_equal(errno, EACCES);
	assert_int_equal(write(read_only, "x", 1), -1);
	assert_int_equal(
	    mprotect((void *)(uintptr_t)reader, 4096, PROT_READ | PROT_WRITE),
	    -1);
	close(fd);
	strcpy(mine, "written");
	assert_string_equal(reader, "written");
	close(read_only);
	assert_int_equal(memfd_read_only(-1), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_sealed_memory_is_what_was_put_in_and_cannot_change),
		cmocka_unit_test(test_memory_without_seals_is_refused),
		cmocka_unit_test(test_memory_of_another_size_is_refused),
		cmocka_unit_test(test_what_is_no_memfd_is_refused),
		cmocka_unit_test(test_shared_memory_is_one_and_keeps_its_size),
		cmocka_unit_test(
		    test_a_read_only_descriptor_gives_no_way_to_write),
	};

	return cmocka_run_group_tests_name("memfd", tests, NULL, NULL);
}
