/* SPDX-License-Identifier: ISC */
/* For tests of what the reader of a configuration is told about it. */
#ifndef TESTS_CONF_FIXTURE_H
#define TESTS_CONF_FIXTURE_H

#include <errno.h>
#include <stdio.h>

#include "policy_fixture.h"

static struct conf_errors errors; /* of the last text */

/* The first error of a text that has some. */
static inline const struct conf_error *
error_of_bytes(const char *text, size_t len)
{
	struct conf *conf;

	if (conf_parse(text, len, &fixture_users, &conf, &errors) == 0)
		fail_msg("taken: %.*s", (int)len, text);
	assert_int_equal(errno, EINVAL);
	assert_null(conf);
	assert_true(errors.errors > 0);
	return &errors.items[0];
}

static inline const struct conf_error *
error_of(const char *text)
{
	return error_of_bytes(text, strlen(text));
}

/* The first warning of a good text, "" when it has none. */
static inline const char *
warning_of(const char *text)
{
	struct conf *conf;

	assert_int_equal(
	    conf_parse(text, strlen(text), &fixture_users, &conf, &errors), 0);
	conf_free(conf);
	return errors.count == 0 ? "" : errors.items[0].message;
}

/* Each of these lines, alone, is an error of its own. */
static inline void
assert_each_is_wrong(const char *const *lines, size_t count)
{
	char text[160];
	size_t i;

	for (i = 0; i < count; i++) {
		(void)snprintf(
		    text, sizeof(text), FIXTURE_CAPTURE "%s\n", lines[i]);
		error_of(text);
		if (errors.errors != 1 || errors.items[0].place.line != 2)
			fail_msg("%s: %zu errors, \"%s\" in line %u", lines[i],
			    errors.errors, errors.items[0].message,
			    errors.items[0].place.line);
	}
}

#endif
