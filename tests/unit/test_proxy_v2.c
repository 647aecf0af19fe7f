/* SPDX-License-Identifier: ISC */
#include "relay/proxy_v2.h"

#include "target_fixture.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static void
expect(const char *client, const char *destination, const char *host,
    const char *bytes, size_t len)
{
	struct target from = target_of(client, NULL);
	struct target to = target_of(destination, host);
	uint8_t buf[PROXY_V2_BYTES];

	assert_int_equal(proxy_v2_write(&from.addr, from.port, &to, buf), len);
	assert_memory_equal(buf, bytes, len);
}

#define EXPECT(client, destination, host, bytes) \
	expect(client, destination, host, bytes, sizeof(bytes) - 1)

static void
test_the_header_tells_both_ends(void **state)
{
	(void)state;
	EXPECT("10.0.0.1:1025", "192.0.2.7:443", NULL,
	    SIGNATURE "\x21\x11\0\14\12\0\0\1\300\0\2\7\4\1\1\273");
	EXPECT("[2001:db8::1]:1025", "[2001:db8::2]:443", NULL,
	    SIGNATURE "\x21\x21\0\44"
		      "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
		      "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\2\4\1\1\273");
}

static void
test_a_known_name_is_the_authority(void **state)
{
	char longest[300];
	struct target to = target_of("192.0.2.7:443", longest);
	uint8_t buf[PROXY_V2_BYTES];

	(void)state;
	EXPECT("10.0.0.1:1025", "192.0.2.7:443", "a.example",
	    SIGNATURE "\x21\x11\0\30\12\0\0\1\300\0\2\7\4\1\1\273"
		      "\2\0\11"
		      "a.example");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(
	    proxy_v2_write(&to.addr, 1, &to, buf), 16 + 12 + 3 + 255);
	assert_int_equal(buf[14] << 8 | buf[15], 12 + 3 + 255);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_header_tells_both_ends),
		cmocka_unit_test(test_a_known_name_is_the_authority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
