/* SPDX-License-Identifier: ISC */
/* Which rules of others use bits of a mark that are tpx's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/array.h"
#include "ctl/doctor.h"

#define MASK 0x07000000U

struct line {
	const char *text;
	int uses;
};

static void
assert_lines(const struct line *lines, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (doctor_mark_is_used(lines[i].text, MASK) != lines[i].uses)
			fail_msg("%s", lines[i].text);
}

static void
test_what_sets_bits_of_the_mask_uses_them(void **state)
{
	static const struct line lines[] = {
		{ "\t\tmeta mark set 0x00000001", 1 }, /* the whole mark */
		{ "\t\tmeta mark set 1", 1 },
		{ "\t\tct mark set meta mark", 1 },
		{ "\t\tmeta mark set ct mark", 1 },
		{ "\t\tmeta mark set tcp dport map @ports", 1 },
		{ "\t\tiifname \"wg0\" counter packets 0 bytes 0 meta mark set "
		  "meta mark | 0x01000000",
		    1 },
		{ "\t\tmeta mark set meta mark | 0x00ff0000", 0 },
		{ "\t\tmeta mark set mark or 0x1", 0 },
		{ "\t\tct mark set ct mark | 0x00000001 "
		  "meta mark set 0x00000002",
		    1 },
		{ "\t\tmeta mark set mark and 0xffff", 1 },
		{ "\t\tmeta mark set meta mark & 0xffff00ff | 0x00000100", 0 },
		{ "\t\tmeta mark set meta mark & 0xf8ffffff", 1 },
		{ "\t\tct mark set ct mark & 0xff00ffff ^ 0x00020000 accept",
		    0 },
	};

	(void)state;
	assert_lines(lines, COUNT(lines));
}

static void
test_what_compares_bits_of_the_mask_uses_them(void **state)
{
	static const struct line lines[] = {
		{ "\t\tmeta mark & 0x0f000000 == 0x01000000 drop", 1 },
		{ "\t\tmeta mark and 0x4000000 != 0 drop", 1 },
		{ "\t\tct mark & 0x000000ff == 0x00000001 drop", 0 },
		{ "\t\tmeta mark 0x0000ca6c accept", 0 },
		{ "\t\tip daddr 192.0.2.1 ct mark & 0x0000ffff == 0x00000001 "
		  "meta mark set 0x00000002",
		    1 },
	};

	(void)state;
	assert_lines(lines, COUNT(lines));
}

static void
test_other_lines_have_no_mark(void **state)
{
	static const struct line lines[] = {
		{ "", 0 },
		{ "mark", 0 },
		{ "\t\tmeta mark set", 1 }, /* cut: who knows */
		{ "\t\tcomment \"a mark & 0x07000000 \" accept", 0 },
		{ "\t\tcomment \"mark", 0 },
		{ "\t\tiifname \"mark\" drop", 0 },
		{ "\t\tip saddr 10.0.0.0/8 masquerade", 0 },
	};

	(void)state;
	assert_lines(lines, COUNT(lines));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_sets_bits_of_the_mask_uses_them),
		cmocka_unit_test(test_what_compares_bits_of_the_mask_uses_them),
		cmocka_unit_test(test_other_lines_have_no_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
