/* SPDX-License-Identifier: ISC */
/* For tests of the codecs of upstreams: where to go. */
#ifndef TESTS_TARGET_FIXTURE_H
#define TESTS_TARGET_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "relay/answer.h"

static inline struct target
target_of(const char *endpoint, const char *host)
{
	struct target target = { .host = host };

	assert_int_equal(
	    endpoint_parse(endpoint, &target.addr, &target.port), 0);
	return target;
}

#endif
