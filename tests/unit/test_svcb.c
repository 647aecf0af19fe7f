/* SPDX-License-Identifier: ISC */
#include "dnsd/svcb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dnsd/rdata.h"
#include "dnsd/wire.h"

#define PUBLIC4 "\306\63\144\7"
#define PRIVATE4 "\12\1\2\3"
#define PUBLIC6 " \1\15\270\0\0\0\0\0\0\0\0\0\0\0\7"
#define PRIVATE6 "\375\0\0\0\0\0\0\0\0\0\0\0\0\0\0\7"
#define MAPPED6 "\0\0\0\0\0\0\0\0\0\0\377\377" PUBLIC4
#define NAT64 "\0d\377\233\0\0\0\0\0\0\0\0" PRIVATE4
#define ALPN "\0\1\0\3\2h2"
#define LEAD "\0\1\3svc\0" /* priority and target */

#define DATA(text)                     \
	{                              \
		text, sizeof(text) - 1 \
	}
struct service {
	const char *bytes;
	size_t len;
};

/* In memory that ends where the data does. */
static struct rdata
data_of(const struct service *service, uint8_t **bytes)
{
	*bytes = malloc(service->len + 1);
	memcpy(*bytes + 1, service->bytes, service->len);
	return (struct rdata){ .message = *bytes,
		.len = service->len + 1,
		.at = 1,
		.bytes = (uint16_t)service->len,
		.type = WIRE_HTTPS };
}

static int
is_private(const struct service *service)
{
	uint8_t *bytes;
	struct rdata data = data_of(service, &bytes);
	int result = svcb_is_private(&data);

	free(bytes);
	return result;
}

static void
test_private_hints_are_seen(void **state)
{
	static const struct service services[] = {
		DATA(LEAD "\0\4\0\4" PRIVATE4),
		DATA(LEAD ALPN "\0\4\0\4" PRIVATE4),
		DATA(LEAD "\0\4\0\10" PUBLIC4 PRIVATE4),
		DATA(LEAD "\0\6\0\20" PRIVATE6),
		DATA(LEAD "\0\6\0\40" PUBLIC6 MAPPED6),
		DATA(LEAD "\0\6\0\40" PUBLIC6 NAT64),
		DATA(LEAD "\0\4\0\4" PUBLIC4 "\0\6\0\20" PRIVATE6),
		DATA("\0\0\0\0\4\0\4" PRIVATE4),
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (!is_private(&services[i]))
			fail_msg("%zu", i);
}

static void
test_what_cannot_be_read_is_taken_for_private(void **state)
{
	static const struct service services[] = {
		DATA(""),
		DATA("\0"),
		DATA("\0\1"),
		DATA("\0\1\3svc"),
		DATA("\0\1\3sv"),
		DATA(LEAD "\0"),
		DATA(LEAD "\0\4\0"),
		DATA(LEAD "\0\4\0\0"),
		DATA(LEAD "\0\4\0\5" PUBLIC4),
		DATA(LEAD "\0\4\0\5" PUBLIC4 "x"),
		DATA(LEAD "\0\6\0\4" PUBLIC4),
		DATA(LEAD "\0\4\0\4" PUBLIC4 "\0\1\0\1"),
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (!is_private(&services[i]))
			fail_msg("%zu", i);
}

static void
test_other_services_are_not_private(void **state)
{
	static const struct service services[] = {
		DATA(LEAD), DATA(LEAD ALPN), DATA(LEAD "\0\4\0\4" PUBLIC4),
		DATA(LEAD "\0\6\0\20" PUBLIC6),
		DATA(LEAD "\0\5\0\4" PRIVATE4), /* ech */
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (is_private(&services[i]))
			fail_msg("%zu", i);
}

static void
test_hints_come_one_after_the_other(void **state)
{
	static const struct service service =
	    DATA(LEAD "\0\4\0\10" PUBLIC4 PRIVATE4 ALPN "\0\6\0\20" PUBLIC6);
	static const struct service no_hint = DATA(LEAD ALPN);
	const char *const hints[] = { PUBLIC4, PRIVATE4, PUBLIC6 };
	const uint8_t *hint;
	struct svcb svcb;
	struct rdata data;
	uint8_t *bytes;
	size_t i, len;

	(void)state;
	data = data_of(&service, &bytes);
	assert_true(svcb_has_hints(&data));
	svcb_begin(&svcb, &data);
	for (i = 0; i < 3; i++) {
		assert_non_null(hint = svcb_hint(&svcb, &len));
		assert_int_equal(len, i < 2 ? 4 : 16);
		assert_memory_equal(hint, hints[i], len);
	}
	assert_null(svcb_hint(&svcb, &len));
	assert_null(svcb_hint(&svcb, &len));
	assert_false(svcb.bad);
	data.type = WIRE_A;
	assert_false(svcb_has_hints(&data));
	assert_false(svcb_is_private(&data));
	free(bytes);
	data = data_of(&no_hint, &bytes);
	assert_false(svcb_has_hints(&data));
	free(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_private_hints_are_seen),
		cmocka_unit_test(test_what_cannot_be_read_is_taken_for_private),
		cmocka_unit_test(test_other_services_are_not_private),
		cmocka_unit_test(test_hints_come_one_after_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
