/* SPDX-License-Identifier: ISC */
/* For tests of policy/: a configuration that must be good, and its image. */
#ifndef TESTS_POLICY_FIXTURE_H
#define TESTS_POLICY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/conf.h"
#include "policy/image.h"

#define FIXTURE_CAPTURE "capture forwarded on eth0\n"

/* The only users and groups that its configurations can name. */
static struct user fixture_user[] = { { "www-data", 33 }, { "tpx", 990 },
	{ "build", 1200 } };
static struct user fixture_group[] = { { "staff", 50 }, { "build", 1201 } };
static const struct users fixture_groups = { fixture_group, 2, NULL };
static const struct users fixture_users = { fixture_user, 3, &fixture_groups };

static inline struct conf *
fixture_conf(const char *text)
{
	struct conf_errors errors;
	struct conf *conf;

	if (conf_parse(text, strlen(text), &fixture_users, &conf, &errors) ==
	    -1)
		fail_msg("%u:%u: %s", errors.items[0].place.line,
		    errors.items[0].place.column, errors.items[0].message);
	return conf;
}

static inline struct image *
fixture_image(const char *text, size_t *len)
{
	struct conf *conf = fixture_conf(text);
	const char *why;
	void *bytes;

	assert_int_equal(image_build(conf, 1, &bytes, len), 0);
	conf_free(conf);
	if (image_check(bytes, *len, &why) == -1)
		fail_msg("image: %s", why);
	return bytes;
}

#endif
