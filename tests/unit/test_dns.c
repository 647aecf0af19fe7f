/* SPDX-License-Identifier: ISC */
/* Records of DNS as they travel, and names as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "schema/dns.h"

static const uint8_t name[] = "\3www\7example";
static const uint8_t summary[] = "\0\5\5\3cdn\0"
				 "\0\1\4\300\0\2\1";

#define NAME_BYTES sizeof(name) /* the NUL is the root */
#define SUMMARY_BYTES (sizeof(summary) - 1)

static struct dns_record record;

static int
setup(void **state)
{
	(void)state;
	memset(&record, 0, sizeof(record));
	record.transport = DNS_TRANSPORT_TCP;
	record.source = DNS_SOURCE_CACHE;
	record.name_bytes = NAME_BYTES;
	record.one_in = 1;
	record.summary_bytes = SUMMARY_BYTES;
	memcpy(record.rest, name, NAME_BYTES);
	memcpy(record.rest + NAME_BYTES, summary, SUMMARY_BYTES);
	return 0;
}

static size_t
checked(void)
{
	return dns_record_check(&record, dns_record_bytes(&record));
}

static void
test_record_is_as_long_as_what_is_used_of_it(void **state)
{
	size_t used =
	    offsetof(struct dns_record, rest) + NAME_BYTES + SUMMARY_BYTES;

	(void)state;
	assert_int_equal(checked() % 8, 0);
	assert_true(checked() >= used && checked() < used + 8);
}

static void
test_record_that_is_cut_is_refused(void **state)
{
	size_t len, whole = dns_record_bytes(&record);

	(void)state;
	for (len = 0; len < whole; len++)
		assert_int_equal(dns_record_check(&record, len), 0);
	assert_int_equal(dns_record_check(&record, whole + 1), whole);
}

static void
test_numbers_out_of_range_are_refused(void **state)
{
	const struct {
		size_t at;
		uint8_t value;
	} bad[] = {
		{ offsetof(struct dns_record, transport), DNS_TRANSPORT_COUNT },
		{ offsetof(struct dns_record, source), DNS_SOURCE_COUNT },
		{ offsetof(struct dns_record, security), DNS_SECURITY_COUNT },
		{ offsetof(struct dns_record, action), FLOW_ACTION_PASS },
		{ offsetof(struct dns_record, capture), FLOW_CAPTURE_COUNT },
		{ offsetof(struct dns_record, worker), LIMIT_WORKERS },
		{ offsetof(struct dns_record, one_in), 0 },
		{ offsetof(struct dns_record, rcode) + 1, 0x10 },
		{ offsetof(struct dns_record, summary_bytes) + 1, 0xff },
		{ offsetof(struct dns_record, time_us) + 7, 0xff },
		{ offsetof(struct dns_record, time_us) + 7, 0x7f },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setup(state);
		assert_int_not_equal(checked(), 0);
		((uint8_t *)&record)[bad[i].at] = bad[i].value;
		assert_int_equal(dns_record_check(&record, sizeof(record)), 0);
	}
}

static void
test_name_without_its_end_is_refused(void **state)
{
	(void)state;
	record.rest[NAME_BYTES - 1] = 1;
	assert_int_equal(checked(), 0);
	record.rest[NAME_BYTES - 1] = 0;
	record.rest[0] = 2;
	assert_int_equal(checked(), 0);
	record.rest[0] = 0xc0;
	assert_int_equal(checked(), 0);
}

static void
test_question_without_a_name_is_in_order(void **state)
{
	(void)state;
	record.name_bytes = 0;
	record.summary_bytes = 0;
	assert_int_not_equal(checked(), 0);
}

static void
test_summary_with_half_an_item_is_refused(void **state)
{
	(void)state;
	record.summary_bytes--;
	assert_int_equal(checked(), 0);
	record.summary_bytes++;
	record.rest[NAME_BYTES + 1] = 1; /* an address of five bytes */
	assert_int_equal(checked(), 0);
	record.rest[NAME_BYTES + 1] = 16; /* a text needs none */
	assert_int_equal(checked(), 0);
}

static void
test_items_come_in_their_order(void **state)
{
	struct dns_item item;
	size_t at = 0;

	(void)state;
	assert_int_equal(dns_record_item(&record, &at, &item), 0);
	assert_int_equal(item.type, 5);
	assert_memory_equal(item.data, "\3cdn", 5);
	assert_int_equal(dns_record_item(&record, &at, &item), 0);
	assert_int_equal(item.type, 1);
	assert_int_equal(item.bytes, 4);
	assert_int_equal(dns_record_item(&record, &at, &item), -1);
}

static void
test_names_as_text(void **state)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{ "", "." },
		{ "\3www\7example", "www.example" },
		{ "\4_a-9\1Z", "_a-9.Z" },
		{ "\3a.b\1\\", "a\\.b.\\\\" },
		{ "\4\33[2J", "\\027\\[2J" },
		{ "\3\377 \n", "\\255\\032\\010" },
		{ "\2'\"", "\\'\\\"" },
	};
	char buf[DNS_NAME_TEXT_BYTES];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(
		    dns_name_text((const uint8_t *)rows[i].name, buf),
		    rows[i].text);
}

static void
test_longest_text_has_room(void **state)
{
	uint8_t longest[LIMIT_DNS_NAME_BYTES];
	char buf[DNS_NAME_TEXT_BYTES];

	(void)state;
	memset(longest, 0xff, sizeof(longest));
	longest[0] = longest[64] = longest[128] = 63;
	longest[192] = 61;
	longest[254] = 0;
	assert_int_equal(strlen(dns_name_text(longest, buf)), 250 * 4 + 3);
}

static void
test_words(void **state)
{
	char buf[DNS_WORD_BYTES];

	(void)state;
	assert_string_equal(dns_type_text(28, buf), "AAAA");
	assert_string_equal(dns_type_text(65280, buf), "TYPE65280");
	assert_string_equal(dns_rcode_word(3), "NXDOMAIN");
	assert_string_equal(dns_rcode_word(16), "BADVERS");
	assert_string_equal(dns_rcode_word(4095), "?");
	assert_null(dns_rcode_word(11));
	assert_string_equal(dns_source_word(DNS_SOURCE_STALE), "stale");
	assert_null(dns_security_word(DNS_SECURITY_NONE));
	assert_string_equal(dns_transport_word(DNS_TRANSPORT_COUNT), "?");
}

static void
test_a_bound_belongs_to_its_bucket(void **state)
{
	struct dns_latency latency = { 0 }, sum = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < DNS_LATENCY_MORE; i++) {
		dns_latency_count(&latency, dns_latency_bound_us(i));
		dns_latency_count(&latency, dns_latency_bound_us(i) + 1);
	}
	dns_latency_count(&latency, 0);
	dns_latency_count(&latency, UINT32_MAX);
	for (i = 0; i < DNS_LATENCY_MORE; i++)
		assert_int_equal(latency.bucket[i], 2);
	assert_int_equal(latency.bucket[DNS_LATENCY_MORE], 2);
	assert_int_equal(dns_latency_bound_us(0), 50);
	assert_int_equal(dns_latency_bound_us(DNS_LATENCY_MORE - 1), 5000000);
	dns_latency_add(&sum, &latency);
	dns_latency_add(&sum, &latency);
	assert_int_equal(sum.bucket[3], 4);
	assert_int_equal(sum.sum_us, 2 * latency.sum_us);
}

#define TEST(test) cmocka_unit_test_setup(test, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_record_is_as_long_as_what_is_used_of_it),
		TEST(test_record_that_is_cut_is_refused),
		TEST(test_numbers_out_of_range_are_refused),
		TEST(test_name_without_its_end_is_refused),
		TEST(test_question_without_a_name_is_in_order),
		TEST(test_summary_with_half_an_item_is_refused),
		TEST(test_items_come_in_their_order),
		TEST(test_names_as_text),
		TEST(test_longest_text_has_room),
		TEST(test_a_bound_belongs_to_its_bucket),
		TEST(test_words),
	};

	return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}
