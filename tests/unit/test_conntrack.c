/* SPDX-License-Identifier: ISC */
/* Connection tracking messages: what they say, and what cannot be believed. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "flowlog/conntrack.h"
#include "tests/unit/policy_fixture.h"

#define PASS_MARK 0x04000000U
#define START_NS 1700000000123456000ULL

static _Alignas(8) char buffer[4096];
static struct nlmsghdr *message;

static void
begin(unsigned int type, unsigned int flags)
{
	struct nfgenmsg *header;

	memset(buffer, 0, sizeof(buffer));
	message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	message->nlmsg_flags = (uint16_t)flags;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = AF_INET;
}

static void
put_be64(uint16_t type, uint64_t value)
{
	mnl_attr_put_u64(message, type, htobe64(value));
}

static void
put_proto(uint8_t proto, uint16_t sport, uint16_t dport)
{
	struct nlattr *nest = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);

	mnl_attr_put_u8(message, CTA_PROTO_NUM, proto);
	mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(sport));
	mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(dport));
	mnl_attr_nest_end(message, nest);
}

static void
put_tuple4(uint8_t proto)
{
	struct nlattr *tuple = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
	struct nlattr *ip = mnl_attr_nest_start(message, CTA_TUPLE_IP);

	mnl_attr_put_u32(message, CTA_IP_V4_SRC, htonl(0xc0000201));
	mnl_attr_put_u32(message, CTA_IP_V4_DST, htonl(0x0a010203));
	mnl_attr_nest_end(message, ip);
	put_proto(proto, 40000, 443);
	mnl_attr_nest_end(message, tuple);
}

static void
put_counters(uint16_t type, uint64_t packets, uint64_t bytes)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);

	put_be64(CTA_COUNTERS_PACKETS, packets);
	put_be64(CTA_COUNTERS_BYTES, bytes);
	mnl_attr_nest_end(message, nest);
}

static void
put_destroy(void)
{
	struct nlattr *times;

	begin(IPCTNL_MSG_CT_DELETE, 0);
	put_tuple4(IPPROTO_TCP);
	mnl_attr_put_u32(message, CTA_MARK, htonl(PASS_MARK));
	put_counters(CTA_COUNTERS_ORIG, 5, 500);
	put_counters(CTA_COUNTERS_REPLY, 7, 7000);
	times = mnl_attr_nest_start(message, CTA_TIMESTAMP);
	put_be64(CTA_TIMESTAMP_START, START_NS);
	put_be64(CTA_TIMESTAMP_STOP, START_NS + 2500000);
	mnl_attr_nest_end(message, times);
}

static void
test_destroy_event_becomes_a_row(void **state)
{
	size_t len;
	struct image *image = fixture_image(FIXTURE_CAPTURE
	    "pass to 192.168.0.0/16\npass to 10.0.0.0/8\ndefault relay\n",
	    &len);
	struct conntrack_event event;
	struct flow_record row;

	(void)state;
	put_destroy();
	assert_int_equal(conntrack_parse(message, &event), 0);
	assert_int_equal(event.kind, CONNTRACK_DESTROY);
	assert_true(conntrack_passed(&event, image));
	conntrack_record(&event, image, 0, &row);
	assert_int_equal(row.action, FLOW_ACTION_PASS);
	assert_int_equal(row.rule, 1);
	assert_int_equal(row.generation, 1);
	assert_int_equal(row.start_us, START_NS / 1000);
	assert_int_equal(row.duration_us, 2500);
	assert_int_equal(row.up_packets, 5);
	assert_int_equal(row.up_bytes, 500);
	assert_int_equal(row.down_packets, 7);
	assert_int_equal(row.down_bytes, 7000);
	assert_int_equal(row.sport, 40000);
	assert_int_equal(row.dport, 443);
	assert_int_equal(row.proto, IPPROTO_TCP);
	assert_int_equal(row.src[12], 192);
	assert_int_equal(row.dst[12], 10);
	assert_int_equal(row.final, 1);
	assert_int_equal(row.worker, LIMIT_FLOW_WORKER);
	free(image);
}

static void
test_flow_of_a_rule_without_rows_gets_none(void **state)
{
	size_t len;
	struct image *image = fixture_image(
	    FIXTURE_CAPTURE "pass to 10.0.0.0/8 log no\ndefault pass\n", &len);
	struct conntrack_event event;
	struct flow_record row;

	(void)state;
	put_destroy();
	assert_int_equal(conntrack_parse(message, &event), 0);
	conntrack_record(&event, image, 0, &row);
	assert_int_equal(row.unlogged, 1);
	event.dst = event.src;
	conntrack_record(&event, image, 0, &row);
	assert_int_equal(row.unlogged, 0);
	free(image);
}

static void
test_rule_that_no_longer_passes_is_not_named(void **state)
{
	size_t len;
	struct image *image =
	    fixture_image(FIXTURE_CAPTURE "default relay\n", &len);
	struct conntrack_event event;
	struct flow_record row;

	(void)state;
	put_destroy();
	assert_int_equal(conntrack_parse(message, &event), 0);
	conntrack_record(&event, image, 0, &row);
	assert_int_equal(row.generation, 0);
	free(image);
}

/* The kernel knew a name that nobody knows here. */
static void
test_flow_that_passed_by_dns_has_the_rule(void **state)
{
	size_t len;
	struct image *image = fixture_image(FIXTURE_CAPTURE
	    "dns recurse\ndns validate no\n"
	    "pass port 1 domain \"a.example\" by dns\n"
	    "pass domain \"a.example\" by dns log no\n"
	    "pass to any\n",
	    &len);
	struct conntrack_event event;
	struct flow_record row;

	(void)state;
	put_destroy();
	assert_int_equal(conntrack_parse(message, &event), 0);
	conntrack_record(&event, image, 0, &row);
	assert_int_equal(row.generation, 1);
	assert_int_equal(row.rule, 1);
	assert_int_equal(row.unlogged, 1);
	free(image);
}

static void
test_flow_without_the_mark_is_not_ours(void **state)
{
	size_t len;
	struct image *image =
	    fixture_image(FIXTURE_CAPTURE "default pass\n", &len);
	struct conntrack_event event;

	(void)state;
	begin(IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL);
	put_tuple4(IPPROTO_UDP);
	assert_int_equal(conntrack_parse(message, &event), 0);
	assert_int_equal(event.kind, CONNTRACK_NEW);
	assert_false(conntrack_passed(&event, image));
	/* A mark of somebody else's, beside ours. */
	mnl_attr_put_u32(message, CTA_MARK, htonl(0x08000001));
	assert_int_equal(conntrack_parse(message, &event), 0);
	assert_false(conntrack_passed(&event, image));
	free(image);
}

static void
test_change_of_a_known_flow_is_no_new_one(void **state)
{
	struct conntrack_event event;

	(void)state;
	begin(IPCTNL_MSG_CT_NEW, 0);
	put_tuple4(IPPROTO_TCP);
	assert_int_equal(conntrack_parse(message, &event), 0);
	assert_int_equal(event.kind, CONNTRACK_OTHER);
}

static void
test_flow_without_accounting_has_a_time_still(void **state)
{
	size_t len;
	struct image *image =
	    fixture_image(FIXTURE_CAPTURE "default pass\n", &len);
	struct conntrack_event event;
	struct flow_record row;

	(void)state;
	begin(IPCTNL_MSG_CT_DELETE, 0);
	put_tuple4(IPPROTO_UDP);
	assert_int_equal(conntrack_parse(message, &event), 0);
	conntrack_record(&event, image, 1234567, &row);
	assert_int_equal(row.start_us, 1234567);
	assert_int_equal(row.duration_us, 0);
	assert_int_equal(row.up_bytes, 0);
	free(image);
}

static void
test_ipv6_tuple_is_read(void **state)
{
	static const uint8_t src[16] = { 0x20, 1, [15] = 1 };
	static const uint8_t dst[16] = { 0xfd, [15] = 2 };
	struct conntrack_event event;
	struct nlattr *tuple, *ip;

	(void)state;
	begin(IPCTNL_MSG_CT_DELETE, 0);
	tuple = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
	ip = mnl_attr_nest_start(message, CTA_TUPLE_IP);
	mnl_attr_put(message, CTA_IP_V6_SRC, sizeof(src), src);
	mnl_attr_put(message, CTA_IP_V6_DST, sizeof(dst), dst);
	mnl_attr_nest_end(message, ip);
	put_proto(IPPROTO_TCP, 1, 2);
	mnl_attr_nest_end(message, tuple);
	assert_int_equal(conntrack_parse(message, &event), 0);
	assert_memory_equal(event.src.byte, src, sizeof(src));
	assert_memory_equal(event.dst.byte, dst, sizeof(dst));
}

static void
test_message_without_a_tuple_is_refused(void **state)
{
	struct conntrack_event event;

	(void)state;
	begin(IPCTNL_MSG_CT_DELETE, 0);
	assert_int_equal(conntrack_parse(message, &event), -1);
	assert_int_equal(errno, EBADMSG);
}

static void
test_address_of_a_wrong_length_is_refused(void **state)
{
	struct conntrack_event event;
	struct nlattr *tuple, *ip;

	(void)state;
	begin(IPCTNL_MSG_CT_DELETE, 0);
	tuple = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
	ip = mnl_attr_nest_start(message, CTA_TUPLE_IP);
	mnl_attr_put_u16(message, CTA_IP_V4_SRC, 1);
	mnl_attr_put_u32(message, CTA_IP_V4_DST, 1);
	mnl_attr_nest_end(message, ip);
	put_proto(IPPROTO_TCP, 1, 2);
	mnl_attr_nest_end(message, tuple);
	assert_int_equal(conntrack_parse(message, &event), -1);
	assert_int_equal(errno, EBADMSG);
}

static void
test_every_cut_is_survived(void **state)
{
	struct conntrack_event event;
	uint32_t len;

	(void)state;
	put_destroy();
	for (len = message->nlmsg_len; len >= sizeof(*message); len--) {
		/* A copy of its own size: reading past it is an error. */
		struct nlmsghdr *copy = malloc(len);

		assert_non_null(copy);
		memcpy(copy, message, len);
		copy->nlmsg_len = len;
		(void)conntrack_parse(copy, &event);
		free(copy);
	}
}

static void
test_other_subsystem_is_no_conntrack_event(void **state)
{
	struct conntrack_event event;

	(void)state;
	begin(IPCTNL_MSG_CT_DELETE, 0);
	message->nlmsg_type = NFNL_SUBSYS_ULOG << 8;
	assert_int_equal(conntrack_parse(message, &event), -1);
	assert_int_equal(errno, ENOMSG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_destroy_event_becomes_a_row),
		cmocka_unit_test(test_flow_of_a_rule_without_rows_gets_none),
		cmocka_unit_test(test_rule_that_no_longer_passes_is_not_named),
		cmocka_unit_test(test_flow_that_passed_by_dns_has_the_rule),
		cmocka_unit_test(test_flow_without_the_mark_is_not_ours),
		cmocka_unit_test(test_change_of_a_known_flow_is_no_new_one),
		cmocka_unit_test(test_flow_without_accounting_has_a_time_still),
		cmocka_unit_test(test_ipv6_tuple_is_read),
		cmocka_unit_test(test_message_without_a_tuple_is_refused),
		cmocka_unit_test(test_address_of_a_wrong_length_is_refused),
		cmocka_unit_test(test_every_cut_is_survived),
		cmocka_unit_test(test_other_subsystem_is_no_conntrack_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
