/* SPDX-License-Identifier: ISC */
#include "policy/secret.h"

#include "policy_fixture.h"

static const char sample[] = FIXTURE_CAPTURE
    "upstream a http 1.2.3.4:5\n"
    "upstream b http 1.2.3.4:5 user \"u\" password-file \"p\"\n";

static void
test_one_newline_is_cut(void **state)
{
	struct secret secret;

	(void)state;
	assert_null(secret_set(&secret, "pass word\n", 10));
	assert_int_equal(secret.length, 9);
	assert_memory_equal(secret.bytes, "pass word\0", 10);
	assert_null(secret_set(&secret, "x", 1));
	assert_int_equal(secret.length, 1);
	assert_int_equal(secret.bytes[1], 0);
}

static void
test_what_is_no_password_is_refused(void **state)
{
	char longest[257];
	struct secret secret;

	(void)state;
	assert_string_equal(secret_set(&secret, "", 0), "is empty");
	assert_string_equal(secret_set(&secret, "\n", 1), "is empty");
	assert_string_equal(
	    secret_set(&secret, "a\n\n", 3), "has a NUL or a newline inside");
	assert_string_equal(
	    secret_set(&secret, "a\0b", 3), "has a NUL or a newline inside");
	memset(longest, 'a', sizeof(longest));
	longest[255] = '\n';
	assert_null(secret_set(&secret, longest, 256));
	assert_int_equal(secret.length, 255);
	longest[255] = 'a';
	assert_string_equal(
	    secret_set(&secret, longest, 256), "is longer than 255 bytes");
}

static void
test_secrets_must_fit_their_image(void **state)
{
	static const char *const order = "a secret is not in order";
	static const char *const pair =
	    "an upstream's user and secret do not go together";
	size_t len;
	struct image *image = fixture_image(sample, &len);
	struct secret secrets[3] = { 0 };
	const char *why;

	(void)state;
	assert_null(secret_set(&secrets[1], "pass", 4));
	len = 2 * sizeof(secrets[0]);
	assert_int_equal(secrets_check(image, secrets, len, &why), 0);
	assert_int_equal(secrets_check(image, secrets, len - 1, &why), -1);
	assert_int_equal(
	    secrets_check(image, secrets, sizeof(secrets), &why), -1);
	secrets[1].bytes[4] = 'x';
	assert_int_equal(secrets_check(image, secrets, len, &why), -1);
	assert_string_equal(why, order);
	secrets[1].bytes[4] = '\0';
	secrets[1].bytes[2] = '\n';
	assert_int_equal(secrets_check(image, secrets, len, &why), -1);
	assert_string_equal(why, order);
	secrets[1].bytes[2] = '\0';
	assert_int_equal(secrets_check(image, secrets, len, &why), -1);
	assert_string_equal(why, order);
	memset(&secrets[1], 0, sizeof(secrets[1]));
	assert_int_equal(secrets_check(image, secrets, len, &why), -1);
	assert_string_equal(why, pair);
	assert_null(secret_set(&secrets[0], "pass", 4));
	assert_null(secret_set(&secrets[1], "pass", 4));
	assert_int_equal(secrets_check(image, secrets, len, &why), -1);
	assert_string_equal(why, pair);
	free(image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_newline_is_cut),
		cmocka_unit_test(test_what_is_no_password_is_refused),
		cmocka_unit_test(test_secrets_must_fit_their_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
