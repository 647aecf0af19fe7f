/* SPDX-License-Identifier: ISC */
/* For tests that ask a policy: its image and its domain index, of a group. */
#ifndef TESTS_LISTS_FIXTURE_H
#define TESTS_LISTS_FIXTURE_H

#include "policy/conf_index.h"
#include "tests/unit/policy_fixture.h"

#define FIXTURE_ID 7

static struct image *image;
static struct domain_index *lists;

static inline void
fixture_load(const char *text)
{
	struct conf *conf = fixture_conf(text);
	void *bytes;
	size_t len;

	assert_int_equal(
	    conf_index_build(conf, FIXTURE_ID, &bytes, &len, NULL), 0);
	lists = bytes;
	assert_int_equal(image_build(conf, 1, &bytes, &len), 0);
	image = bytes;
	conf_free(conf);
}

/* The group's teardown. */
static inline int
fixture_unload(void **state)
{
	(void)state;
	free(image);
	free(lists);
	return 0;
}

#endif
