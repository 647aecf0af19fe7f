/* SPDX-License-Identifier: ISC */
/* Names in ClientHellos, whole, cut, and wrong. */
#include "relay/sniff_tls.h"
#include "tests/unit/hello_fixture.h"

#define NAME "www.example.org"

static struct fixture_bytes extensions, message, stream;
static struct sniff_name name;

static int
setup(void **state)
{
	(void)state;
	extensions.len = message.len = stream.len = 0;
	return 0;
}

static enum sniff_status
sniff(size_t len)
{
	return fixture_sniff(stream.at, len, &name);
}

static void
found(const char *host)
{
	assert_int_equal(sniff(stream.len), SNIFF_FOUND);
	assert_string_equal(name.host, host);
	assert_int_equal(name.source, FLOW_HOST_SNI);
	assert_false(name.too_long);
}

static void
none(void)
{
	assert_int_equal(sniff(stream.len), SNIFF_NONE);
	assert_string_equal(name.host, "");
	assert_int_equal(name.source, FLOW_HOST_NONE);
}

static void
extensions_wrap(void)
{
	fixture_message(&message, &extensions);
	fixture_records(&stream, &message, SNIFF_MOST_BYTES);
}

static void
test_name_is_found_among_grease(void **state)
{
	(void)state;
	fixture_hello(&message, NAME);
	fixture_records(&stream, &message, SNIFF_MOST_BYTES);
	found(NAME);
	assert_false(name.ech);
}

static void
test_every_beginning_of_a_hello_wants_more(void **state)
{
	size_t len;

	(void)state;
	fixture_hello(&message, NAME);
	fixture_records(&stream, &message, SNIFF_MOST_BYTES);
	for (len = 1; len < stream.len; len++)
		assert_int_equal(sniff(len), SNIFF_MORE);
}

static void
test_hello_over_records_of_any_size_is_put_together(void **state)
{
	size_t most, len;

	(void)state;
	fixture_hello(&message, NAME);
	for (most = 1; most < message.len; most++) {
		fixture_records(&stream, &message, most);
		for (len = 1; len < stream.len; len++)
			assert_int_equal(sniff(len), SNIFF_MORE);
		found(NAME);
	}
}

static void
test_what_follows_the_hello_does_not_matter(void **state)
{
	(void)state;
	fixture_hello(&message, NAME);
	fixture_records(&stream, &message, SNIFF_MOST_BYTES);
	fixture_put(&stream, "\x14\3\3\0\1\1garbage", 13);
	found(NAME);
}

static void
test_capitals_and_a_final_dot_are_no_difference(void **state)
{
	(void)state;
	fixture_name(&extensions, "WWW.Example.ORG.", 16);
	extensions_wrap();
	found(NAME);
}

static void
test_outer_hello_of_ech_is_told_as_such(void **state)
{
	(void)state;
	fixture_name(&extensions, "front.example", 13);
	fixture_extension(&extensions, FIXTURE_ECH, "\0\0\1\0\1", 5);
	extensions_wrap();
	found("front.example");
	assert_true(name.ech);
	extensions.len = 0;
	fixture_extension(&extensions, FIXTURE_ECH, "\0\0\1\0\1", 5);
	extensions_wrap();
	none();
	assert_true(name.ech);
}

static void
test_hello_without_name_has_none(void **state)
{
	(void)state;
	fixture_hello(&message, NULL);
	fixture_records(&stream, &message, SNIFF_MOST_BYTES);
	none();
	/* so old that there are no extensions at all */
	extensions_wrap();
	message.len -= 2;
	message.at[3] -= 2;
	fixture_records(&stream, &message, SNIFF_MOST_BYTES);
	none();
}

static void
test_what_is_no_host_name_is_none(void **state)
{
	static const struct {
		const char *name;
		size_t len;
	} bad[] = {
		{ "", 0 },
		{ ".", 1 },
		{ "a..b", 4 },
		{ ".a", 2 },
		{ "a b", 3 },
		{ "a\0.b", 4 },
		{ "a\n", 2 },
		{ "\xc3\xa4.example", 10 },
		{ "192.0.2.1", 9 },
		{ "2001:db8::1", 11 },
		{ "[::1]", 5 },
		{ "*.example", 9 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		extensions.len = 0;
		fixture_name(&extensions, bad[i].name, bad[i].len);
		extensions_wrap();
		none();
	}
}

static void
test_longest_name_is_found_and_a_longer_one_is_none(void **state)
{
	char host[260];
	int i;

	(void)state;
	for (i = 0; i < 256; i++)
		host[i] = i % 64 == 63 ? '.' : 'a';
	host[253] = '\0';
	fixture_name(&extensions, host, 253);
	extensions_wrap();
	found(host);
	host[253] = 'a';
	extensions.len = 0;
	fixture_name(&extensions, host, 254);
	extensions_wrap();
	none();
}

static void
test_two_names_are_none(void **state)
{
	(void)state;
	fixture_name(&extensions, "a.example", 9);
	fixture_name(&extensions, "b.example", 9);
	extensions_wrap();
	none();
	extensions.len = 0;
	fixture_extension(&extensions, 0,
	    "\0\x18\0\0\x09"
	    "a.example\0\0\x09"
	    "b.example",
	    26);
	extensions_wrap();
	none();
	/* another type of name beside it is none of our business */
	extensions.len = 0;
	fixture_extension(&extensions, 0,
	    "\0\x18\7\0\x09"
	    "a.example\0\0\x09"
	    "b.example",
	    26);
	extensions_wrap();
	found("b.example");
}

static void
test_lengths_that_do_not_fit_are_none(void **state)
{
	size_t at;
	int change;

	(void)state;
	fixture_name(&extensions, NAME, strlen(NAME));
	fixture_message(&message, &extensions);
	/* every length in the hello, behind the message's own */
	for (at = 4 + 34; at < message.len; at++) {
		for (change = -1; change <= 1; change += 2) {
			fixture_records(&stream, &message, SNIFF_MOST_BYTES);
			stream.at[5 + at] += (uint8_t)change;
			assert_int_not_equal(sniff(stream.len), SNIFF_MORE);
		}
	}
}

/* Wrong in one place, while everything around it fits. */
static void
test_parts_of_a_hello_that_are_not_well_formed_are_none(void **state)
{
	const size_t suites = 4 + 34 + 3;

	(void)state;
	fixture_hello(&message, NAME);
	memmove(message.at + suites + 5, message.at + suites + 6,
	    message.len - suites - 6);
	message.len--;
	message.at[3]--;
	message.at[suites + 1]--; /* half a suite */
	fixture_records(&stream, &message, SNIFF_MOST_BYTES);
	none();
	fixture_hello(&message, NAME);
	fixture_put(&message, "", 1);
	message.at[3]++; /* something behind the extensions */
	fixture_records(&stream, &message, SNIFF_MOST_BYTES);
	none();
}

static void
test_other_bytes_are_none_at_once(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} other[] = {
		{ "\x80\x2e\1\0\2", 5 },	 /* SSL 2 */
		{ "\x16\2", 2 },		 /* no version 3 */
		{ "\x16\3\1\0\0", 5 },		 /* an empty record */
		{ "\x16\3\1\x40\1", 5 },	 /* too long for a record */
		{ "\x16\3\1\1\0\2", 6 },	 /* a ServerHello */
		{ "\x16\3\1\1\0\1\0\x40\0", 9 }, /* more than 16 KiB */
		{ "\x16\3\1\0\1\1\x17\3\3", 9 }, /* other data in between */
		{ "\x15\3\1\0\2\2\x28", 7 },	 /* an alert */
		{ "\0", 1 },
		{ "SSH-2.0-OpenSSH_9.2\r\n", 21 },
		{ "* OK IMAP4rev1\r\n", 16 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		stream.len = 0;
		fixture_put(&stream, other[i].bytes, other[i].len);
		none();
	}
	stream.len = 0;
	none();
}

/* A hello of a given length, padded by an extension. */
static void
hello_of(size_t len)
{
	static uint8_t padding[SNIFF_MOST_BYTES];

	extensions.len = 0;
	fixture_name(&extensions, NAME, strlen(NAME));
	fixture_message(&message, &extensions);
	fixture_extension(&extensions, 21, padding, len - message.len - 4);
	fixture_message(&message, &extensions);
	assert_int_equal(message.len, len);
}

static const size_t sizes[] = { SNIFF_MOST_BYTES, SNIFF_MOST_BYTES - 1, 4096,
	1460, 100, 6, 5, 4, 3, 2, 1 };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void
test_hello_of_16_kib_is_read_in_records_of_any_size(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < SIZES; i++) {
		hello_of(SNIFF_MOST_BYTES);
		fixture_records(&stream, &message, sizes[i]);
		assert_int_equal(sniff(stream.len - 1), SNIFF_MORE);
		found(NAME);
	}
	assert_int_equal(stream.len, SNIFF_MOST_SENT);
}

/* Heads of records do not count, and what says its length need not come. */
static void
test_hello_of_a_byte_more_is_given_up_in_any_records(void **state)
{
	size_t i, told;

	(void)state;
	for (i = 0; i < SIZES; i++) {
		hello_of(SNIFF_MOST_BYTES + 1);
		fixture_records(&stream, &message, sizes[i]);
		told = 4 + 5 * ((4 + sizes[i] - 1) / sizes[i]);
		assert_int_equal(sniff(told - 1), SNIFF_MORE);
		assert_false(name.too_long);
		assert_int_equal(sniff(told), SNIFF_NONE);
		assert_true(name.too_long);
		none();
		assert_true(name.too_long);
	}
}

/* All lengths in turn, as if they came so; the last one has the name. */
static void
comes_in_pieces_of(size_t most)
{
	struct sniff_course course = { 0 };
	size_t len;

	for (len = most; len < stream.len; len += most)
		assert_int_equal(
		    sniff_stream(&course, stream.at, len, &name), SNIFF_MORE);
	assert_int_equal(
	    fixture_sniff_on(&course, stream.at, stream.len, &name),
	    SNIFF_FOUND);
	assert_string_equal(name.host, NAME);
}

static void
test_hello_is_read_however_it_comes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < SIZES; i++) {
		hello_of(SNIFF_MOST_BYTES);
		fixture_records(&stream, &message, sizes[i]);
		comes_in_pieces_of(1);
		comes_in_pieces_of(7);
		comes_in_pieces_of(1000);
	}
}

/*
 * That a look does not go over it again shows in that nobody sees it change:
 * the time that a hello takes does not grow with the square of its records.
 */
static void
test_record_that_was_read_is_not_read_again(void **state)
{
	struct sniff_course course = { 0 };
	size_t len = 2000;

	(void)state;
	hello_of(SNIFF_MOST_BYTES);
	fixture_records(&stream, &message, 1);
	assert_int_equal(
	    fixture_sniff_on(&course, stream.at, len, &name), SNIFF_MORE);
	stream.at[1000 / 6 * 6] = 23;
	assert_int_equal(
	    fixture_sniff_on(&course, stream.at, len + 1, &name), SNIFF_MORE);
	assert_int_equal(sniff(len + 1), SNIFF_NONE);
}

static void
test_fewer_bytes_than_before_are_read_anew(void **state)
{
	struct sniff_course course = { 0 };

	(void)state;
	hello_of(2000);
	fixture_records(&stream, &message, 10);
	assert_int_equal(
	    fixture_sniff_on(&course, stream.at, 1000, &name), SNIFF_MORE);
	assert_int_equal(
	    fixture_sniff_on(&course, stream.at, 4, &name), SNIFF_MORE);
	assert_int_equal(
	    fixture_sniff_on(&course, stream.at, stream.len, &name),
	    SNIFF_FOUND);
}

/* Its length stands in its first bytes, so nothing is waited for. */
static void
test_hello_that_will_be_too_long_is_given_up_at_once(void **state)
{
	static const uint8_t begin[] = { 22, 3, 1, 0x40, 0, 1, 0, 0x50, 0 };
	struct sniff_course course = { 0 };
	size_t len;

	(void)state;
	for (len = 1; len < sizeof(begin); len++) {
		assert_int_equal(
		    sniff_tls(&course, begin, len, &name), SNIFF_MORE);
		assert_false(name.too_long);
	}
	assert_int_equal(sniff_tls(&course, begin, len, &name), SNIFF_NONE);
	assert_int_equal(name.source, FLOW_HOST_NONE);
	assert_true(name.too_long);
}

/* What is wrong, or no ClientHello, is not too long. */
static void
test_other_long_streams_are_no_long_hellos(void **state)
{
	static uint8_t bytes[SNIFF_MOST_BYTES + 1];
	static const uint8_t begins[][6] = { { 22, 3, 1, 0x40, 0, 2 },
		{ 22, 3, 1, 0x40, 1, 1 }, { 23, 3, 1, 0x40, 0, 1 }, "GET /" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		memset(bytes, 'x', sizeof(bytes));
		memcpy(bytes, begins[i], 5);
		bytes[5] = i == 3 ? ' ' : begins[i][5];
		assert_int_equal(
		    fixture_sniff(bytes, sizeof(bytes), &name), SNIFF_NONE);
		assert_false(name.too_long);
	}
}

#define TEST(test) cmocka_unit_test_setup(test, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_name_is_found_among_grease),
		TEST(test_every_beginning_of_a_hello_wants_more),
		TEST(test_hello_over_records_of_any_size_is_put_together),
		TEST(test_what_follows_the_hello_does_not_matter),
		TEST(test_capitals_and_a_final_dot_are_no_difference),
		TEST(test_outer_hello_of_ech_is_told_as_such),
		TEST(test_hello_without_name_has_none),
		TEST(test_what_is_no_host_name_is_none),
		TEST(test_longest_name_is_found_and_a_longer_one_is_none),
		TEST(test_two_names_are_none),
		TEST(test_lengths_that_do_not_fit_are_none),
		TEST(test_parts_of_a_hello_that_are_not_well_formed_are_none),
		TEST(test_other_bytes_are_none_at_once),
		TEST(test_hello_of_16_kib_is_read_in_records_of_any_size),
		TEST(test_hello_of_a_byte_more_is_given_up_in_any_records),
		TEST(test_hello_is_read_however_it_comes),
		TEST(test_record_that_was_read_is_not_read_again),
		TEST(test_fewer_bytes_than_before_are_read_anew),
		TEST(test_hello_that_will_be_too_long_is_given_up_at_once),
		TEST(test_other_long_streams_are_no_long_hellos),
	};

	return cmocka_run_group_tests_name("sniff_tls", tests, NULL, NULL);
}
