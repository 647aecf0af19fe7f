/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memfd.h"
#include "policy/mapping.h"
#include "policy_fixture.h"

static struct mapping mapping;
static const char *why;

/* Hands an image over as CONFIG does. */
static int
receive(const char *conf, size_t cut)
{
	size_t len;
	struct image *image = fixture_image(conf, &len);
	int fd = memfd_sealed("test", image, len - cut);
	int result = mapping_replace(&mapping, fd, len - cut, &why);

	close(fd);
	free(image);
	return result;
}

static void
test_first_image_is_mapped(void **state)
{
	(void)state;
	assert_int_equal(receive(FIXTURE_CAPTURE "lease 7s\n", 0), 0);
	assert_int_equal(image_settings(mapping.image)->lease_ms, 7000);
}

static void
test_next_image_replaces_it(void **state)
{
	(void)state;
	assert_int_equal(receive(FIXTURE_CAPTURE "lease 8s\n", 0), 0);
	assert_int_equal(image_settings(mapping.image)->lease_ms, 8000);
}

static void
test_bad_image_leaves_the_old_one(void **state)
{
	(void)state;
	assert_int_equal(receive(FIXTURE_CAPTURE "lease 9s\n", 8), -1);
	assert_non_null(why);
	assert_int_equal(image_settings(mapping.image)->lease_ms, 8000);
}

static void
test_image_that_can_change_is_refused(void **state)
{
	void *bytes;
	int fd = memfd_shared("test", 4096, &bytes);

	(void)state;
	assert_int_equal(mapping_replace(&mapping, fd, 4096, &why), -1);
	assert_int_equal(image_settings(mapping.image)->lease_ms, 8000);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_image_is_mapped),
		cmocka_unit_test(test_next_image_replaces_it),
		cmocka_unit_test(test_bad_image_leaves_the_old_one),
		cmocka_unit_test(test_image_that_can_change_is_refused),
	};

	return cmocka_run_group_tests_name("mapping", tests, NULL, NULL);
}
