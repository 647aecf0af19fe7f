/* SPDX-License-Identifier: ISC */
/* Names in Initial packets: those of the RFCs, cut, mixed, and wrong. */
#include "relay/sniff_quic.h"
#include "tests/unit/quic_fixture.h"

#define NAME "quic.example.org"
#define LEAST 1162

/* The frame in RFC 9001, A.2, and RFC 9369, A.2: a hello for example.com. */
static const uint8_t rfc_frame[] = { 0x06, 0x00, 0x40, 0xf1, 0x01, 0x00, 0x00,
	0xed, 0x03, 0x03, 0xeb, 0xf8, 0xfa, 0x56, 0xf1, 0x29, 0x39, 0xb9, 0x58,
	0x4a, 0x38, 0x96, 0x47, 0x2e, 0xc4, 0x0b, 0xb8, 0x63, 0xcf, 0xd3, 0xe8,
	0x68, 0x04, 0xfe, 0x3a, 0x47, 0xf0, 0x6a, 0x2b, 0x69, 0x48, 0x4c, 0x00,
	0x00, 0x04, 0x13, 0x01, 0x13, 0x02, 0x01, 0x00, 0x00, 0xc0, 0x00, 0x00,
	0x00, 0x10, 0x00, 0x0e, 0x00, 0x00, 0x0b, 0x65, 0x78, 0x61, 0x6d, 0x70,
	0x6c, 0x65, 0x2e, 0x63, 0x6f, 0x6d, 0xff, 0x01, 0x00, 0x01, 0x00, 0x00,
	0x0a, 0x00, 0x08, 0x00, 0x06, 0x00, 0x1d, 0x00, 0x17, 0x00, 0x18, 0x00,
	0x10, 0x00, 0x07, 0x00, 0x05, 0x04, 0x61, 0x6c, 0x70, 0x6e, 0x00, 0x05,
	0x00, 0x05, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x33, 0x00, 0x26, 0x00,
	0x24, 0x00, 0x1d, 0x00, 0x20, 0x93, 0x70, 0xb2, 0xc9, 0xca, 0xa4, 0x7f,
	0xba, 0xba, 0xf4, 0x55, 0x9f, 0xed, 0xba, 0x75, 0x3d, 0xe1, 0x71, 0xfa,
	0x71, 0xf5, 0x0f, 0x1c, 0xe1, 0x5d, 0x43, 0xe9, 0x94, 0xec, 0x74, 0xd7,
	0x48, 0x00, 0x2b, 0x00, 0x03, 0x02, 0x03, 0x04, 0x00, 0x0d, 0x00, 0x10,
	0x00, 0x0e, 0x04, 0x03, 0x05, 0x03, 0x06, 0x03, 0x02, 0x03, 0x08, 0x04,
	0x08, 0x05, 0x08, 0x06, 0x00, 0x2d, 0x00, 0x02, 0x01, 0x01, 0x00, 0x1c,
	0x00, 0x02, 0x40, 0x01, 0x00, 0x39, 0x00, 0x32, 0x04, 0x08, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x05, 0x04, 0x80, 0x00, 0xff, 0xff,
	0x07, 0x04, 0x80, 0x00, 0xff, 0xff, 0x08, 0x01, 0x10, 0x01, 0x04, 0x80,
	0x00, 0x75, 0x30, 0x09, 0x01, 0x10, 0x0f, 0x08, 0x83, 0x94, 0xc8, 0xf0,
	0x3e, 0x51, 0x57, 0x08, 0x06, 0x04, 0x80, 0x00, 0xff, 0xff };

/* Of other connection ids than the RFCs': made with Python's hmac. */
static const struct fixture_secret after_retry = { 1, 0xc3, 8,
	{ 0xf0, 0x67, 0xa5, 0x50, 0x2a, 0x42, 0x62, 0xb5 },
	{ { 0x6e, 0x5b, 0xc5, 0xc7, 0x26, 0x60, 0xb0, 0x12, 0x02, 0x4b, 0x7c,
	      0x90, 0x44, 0xc9, 0x31, 0xe3 },
	    { 0xa2, 0xfa, 0xc7, 0xfa, 0xa8, 0x3f, 0x7b, 0x58, 0x7d, 0xf5, 0xfa,
		0x2c },
	    { 0xa1, 0x3b, 0xe4, 0xc1, 0xb9, 0x51, 0xb2, 0x19, 0xf2, 0x00, 0x25,
		0xc3, 0x87, 0xd7, 0x4e, 0xad } } };

static const struct fixture_secret short_id = { 1, 0xc3, 7,
	{ 0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57 },
	{ { 0x3b, 0xb3, 0x79, 0x8c, 0xee, 0xe6, 0x7b, 0x98, 0xe9, 0xbe, 0x62,
	      0x16, 0xd9, 0xff, 0xd0, 0x19 },
	    { 0x66, 0x6d, 0xf1, 0xb5, 0x5b, 0x32, 0x8a, 0xda, 0xdb, 0x91, 0x6c,
		0x5b },
	    { 0xba, 0x17, 0xbe, 0xae, 0x8e, 0x1a, 0xe5, 0xdc, 0x79, 0x65, 0x1b,
		0x5c, 0xbd, 0x0a, 0xae, 0x5f } } };

static struct sniff_quic quic;
static struct fixture_bytes hello, frames, datagram;
static struct sniff_name name;

static int
setup(void **state)
{
	(void)state;
	/* What is not cleared at the start must not matter. */
	memset(&quic, 0xaa, sizeof(quic));
	sniff_quic_init(&quic);
	hello.len = frames.len = datagram.len = 0;
	fixture_hello(&hello, NAME);
	return 0;
}

/* The bytes end where their memory does, so that a sanitizer sees more. */
static enum sniff_status
sniff(void)
{
	uint8_t *bytes = malloc(datagram.len + 1);
	enum sniff_status status;

	memcpy(bytes + 1, datagram.at, datagram.len);
	status = sniff_quic(&quic, bytes + 1, datagram.len, &name);
	free(bytes);
	datagram.len = 0;
	return status;
}

static void
found(const char *host)
{
	assert_int_equal(sniff(), SNIFF_FOUND);
	assert_string_equal(name.host, host);
	assert_int_equal(name.source, FLOW_HOST_QUIC);
}

/* Adds a packet with what is in frames. */
static void
packet(const struct fixture_secret *secret, uint32_t number)
{
	fixture_initial(&datagram, secret, number, &frames, LEAST);
	frames.len = 0;
}

static void
crypto(size_t offset, size_t len)
{
	fixture_crypto(&frames, &hello, offset, len);
}

static void
rfc_packet(
    const struct fixture_secret *secret, const char *head, const char *tag)
{
	fixture_put(&frames, rfc_frame, sizeof(rfc_frame));
	packet(secret, 2);
	/* With these the RFC's packet is met: the tag is over all of it. */
	assert_int_equal(datagram.len, 1200);
	assert_memory_equal(datagram.at, head, 22);
	assert_memory_equal(datagram.at + 1200 - 16, tag, 16);
	found("example.com");
}

static void
test_client_initial_of_rfc_9001_is_read(void **state)
{
	(void)state;
	rfc_packet(&fixture_v1,
	    "\xc0\x00\x00\x00\x01\x08\x83\x94\xc8\xf0\x3e\x51\x57\x08\x00\x00"
	    "\x44\x9e\x7b\x9a\xec\x34",
	    "\xe2\x21\xaf\x44\x86\x00\x18\xab\x08\x56\x97\x2e\x19\x4c\xd9"
	    "\x34");
}

static void
test_client_initial_of_rfc_9369_is_read(void **state)
{
	(void)state;
	rfc_packet(&fixture_v2,
	    "\xd7\x6b\x33\x43\xcf\x08\x83\x94\xc8\xf0\x3e\x51\x57\x08\x00\x00"
	    "\x44\x9e\xa0\xc9\x5e\x82",
	    "\xa1\x8b\x2f\xaa\x74\x5b\x6f\xe1\x89\xcf\x77\x2a\x9f\x84\xcb"
	    "\xfc");
}

static void
test_hello_over_datagrams_in_any_order_is_put_together(void **state)
{
	(void)state;
	crypto(60, hello.len - 60);
	packet(&fixture_v1, 1);
	assert_int_equal(sniff(), SNIFF_MORE);
	crypto(0, 30);
	packet(&fixture_v1, 0);
	assert_int_equal(sniff(), SNIFF_MORE);
	crypto(20, 50); /* overlaps both */
	packet(&fixture_v1, 2);
	found(NAME);
}

static void
test_every_byte_may_be_a_frame_of_its_own_backwards(void **state)
{
	size_t at;

	(void)state;
	for (at = hello.len; at-- > 0;)
		crypto(at, 1);
	packet(&fixture_v1, 0);
	found(NAME);
}

static void
test_other_frames_of_an_initial_are_skipped(void **state)
{
	(void)state;
	fixture_put(&frames, "\0\0\1", 3); /* PADDING, PING */
	fixture_put(&frames, "\2\x40\x50\1\2\0\1\2\3\4", 10); /* ACK */
	fixture_put(&frames, "\3\5\1\0\0\1\2\3", 8);	      /* ACK with ECN */
	crypto(0, hello.len);
	packet(&fixture_v1, 0);
	found(NAME);
}

static void
test_coalesced_packets_are_all_read(void **state)
{
	(void)state;
	crypto(0, 50);
	packet(&fixture_v1, 0);
	/* 0-RTT: of no use, but its length leads on */
	fixture_put(&datagram, "\xd0\0\0\0\1\0\0\x05xxxxx", 13);
	crypto(50, hello.len - 50);
	packet(&fixture_v1, 1);
	fixture_put(&datagram, "\x40the short header of another", 28);
	found(NAME);
}

static void
test_only_some_packets_of_a_datagram_are_looked_at(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		crypto(0, 10);
		fixture_initial(&datagram, &fixture_v1, i, &frames, 40);
		frames.len = 0;
	}
	crypto(0, hello.len);
	packet(&fixture_v1, 4);
	assert_int_equal(sniff(), SNIFF_MORE);
}

/* Sealed rightly, but not what a client may send. */
static void
test_packets_out_of_bounds_are_not_read(void **state)
{
	struct fixture_secret secret = fixture_v1;

	(void)state;
	crypto(0, hello.len);
	packet(&short_id, 0);
	assert_int_equal(sniff(), SNIFF_NONE);
	secret.first = 0x83; /* without the fixed bit */
	crypto(0, hello.len);
	packet(&secret, 0);
	assert_int_equal(sniff(), SNIFF_NONE);
	crypto(0, hello.len);
	fixture_initial(&datagram, &fixture_v1, 0, &frames, 0x3fff - 20);
	frames.len = 0;
	assert_int_equal(sniff(), SNIFF_NONE);
	crypto(0, 10);
	packet(&fixture_v1, 0);
	assert_int_equal(sniff(), SNIFF_MORE);
	secret = fixture_v1;
	secret.destination_len = 21;
	crypto(0, hello.len);
	packet(&secret, 0);
	assert_int_equal(sniff(), SNIFF_MORE);
}

static void
test_hello_is_read_again_after_a_retry(void **state)
{
	(void)state;
	crypto(0, 50);
	packet(&fixture_v1, 0);
	assert_int_equal(sniff(), SNIFF_MORE);
	crypto(0, 60);
	packet(&after_retry, 1);
	assert_int_equal(sniff(), SNIFF_MORE);
	crypto(60, hello.len - 60);
	packet(&after_retry, 2);
	found(NAME);
}

static void
test_noise_after_the_first_packet_does_no_harm(void **state)
{
	int i;

	(void)state;
	crypto(0, 50);
	packet(&fixture_v1, 0);
	assert_int_equal(sniff(), SNIFF_MORE);
	for (i = 0; i < 3; i++) {
		crypto(0, hello.len);
		packet(&fixture_v1, 1);
		datagram.at[i * 400]++;
		assert_int_equal(sniff(), SNIFF_MORE);
	}
	assert_int_equal(sniff(), SNIFF_MORE); /* nothing at all */
	crypto(0, hello.len);
	packet(&fixture_v1, 4);
	found(NAME);
}

static void
test_looking_ends_after_some_datagrams(void **state)
{
	int i;

	(void)state;
	for (i = 1; i < SNIFF_QUIC_DATAGRAMS; i++) {
		crypto(0, 50);
		packet(&fixture_v1, 0);
		assert_int_equal(sniff(), SNIFF_MORE);
	}
	crypto(0, 50);
	packet(&fixture_v1, 0);
	assert_int_equal(sniff(), SNIFF_NONE);
}

static void
test_first_datagram_that_is_no_initial_is_none(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} other[] = {
		{ "", 0 },
		{ "\xc0", 1 },
		{ "\x12\x34\1\0\0\1\0\0\0\0\0\0", 12 }, /* DNS */
		{ "\xc0\0\0\0\2\x08"
		  "12345678\0\0\x05xxxxx",
		    22 },
		{ "\xc0\xff\0\0\x1d\x08"
		  "12345678\0\0\x05xxxxx",
		    22 },
		{ "\x80\0\0\0\1\x08"
		  "12345678\0\0\x05xxxxx",
		    22 },
		{ "\xc0\0\0\0\1\x08"
		  "12345678\0\0\x05xxxxx",
		    22 },
		{ "\xc0\0\0\0\1\x08"
		  "12345678\0\0\x7f\xff",
		    18 },
		{ "\xf0\0\0\0\1\x08"
		  "12345678\0token",
		    20 }, /* Retry */
		{ "\xe0\0\0\0\1\x08"
		  "12345678\0\x05xxxxx",
		    21 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		sniff_quic_init(&quic);
		fixture_put(&datagram, other[i].bytes, other[i].len);
		assert_int_equal(sniff(), SNIFF_NONE);
	}
}

static void
test_first_packet_with_any_byte_wrong_is_none(void **state)
{
	static struct fixture_bytes whole;
	size_t at;

	(void)state;
	crypto(0, hello.len);
	packet(&fixture_v1, 0);
	whole = datagram;
	for (at = 0; at < whole.len; at += at < 30 ? 1 : 97) {
		sniff_quic_init(&quic);
		datagram = whole;
		datagram.at[at] ^= 0x10;
		assert_int_equal(sniff(), SNIFF_NONE);
		sniff_quic_init(&quic);
		datagram = whole;
		datagram.len = at;
		assert_int_equal(sniff(), SNIFF_NONE);
	}
}

static void
test_frames_that_are_wrong_are_none(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} wrong[] = {
		{ "\x08stream", 7 },
		{ "\x1c\0\0\0", 4 },	    /* a close */
		{ "\6\0\x7f\xff", 4 },	    /* beyond the packet */
		{ "\6\x80\0\x40\0\1x", 7 }, /* beyond 16 KiB */
		{ "\6\xff\xff\xff\xff\xff\xff\xff\xff\1x", 11 },
		{ "\2\1\1\xff\xff\xff\xff\xff\xff\xff\xff\1", 12 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		sniff_quic_init(&quic);
		fixture_put(&frames, wrong[i].bytes, wrong[i].len);
		packet(&fixture_v1, 0);
		assert_int_equal(sniff(), SNIFF_NONE);
	}
}

static void
test_overlap_that_contradicts_is_none(void **state)
{
	(void)state;
	crypto(0, 50);
	packet(&fixture_v1, 0);
	assert_int_equal(sniff(), SNIFF_MORE);
	hello.at[40]++;
	crypto(0, hello.len);
	packet(&fixture_v1, 1);
	assert_int_equal(sniff(), SNIFF_NONE);
}

static void
test_hello_without_name_is_none(void **state)
{
	(void)state;
	fixture_hello(&hello, NULL);
	crypto(0, hello.len);
	packet(&fixture_v1, 0);
	assert_int_equal(sniff(), SNIFF_NONE);
}

/* A hello without a name has been read; what has no end has not. */
static void
test_what_could_not_be_read_is_told_apart(void **state)
{
	int i;

	(void)state;
	hello.len = 0;
	fixture_hello(&hello, NULL);
	crypto(0, hello.len);
	packet(&fixture_v1, 0);
	assert_int_equal(sniff(), SNIFF_NONE);
	assert_false(name.unread);
	sniff_quic_init(&quic);
	crypto(0, 50);
	packet(&fixture_v1, 0);
	assert_int_equal(sniff(), SNIFF_MORE);
	assert_false(name.unread);
	hello.at[40]++;
	crypto(0, 50);
	packet(&fixture_v1, 1);
	assert_int_equal(sniff(), SNIFF_NONE);
	assert_true(name.unread);
	sniff_quic_init(&quic);
	fixture_put(&datagram, "\xc0", 1);
	assert_int_equal(sniff(), SNIFF_NONE);
	assert_true(name.unread);
	assert_false(name.too_long);
	sniff_quic_init(&quic);
	hello.at[1] = 1; /* longer than what is looked at */
	crypto(0, hello.len);
	packet(&fixture_v1, 0);
	assert_int_equal(sniff(), SNIFF_NONE);
	assert_true(name.unread);
	assert_true(name.too_long);
	hello.at[1] = 0;
	sniff_quic_init(&quic);
	for (i = 0; i < SNIFF_QUIC_DATAGRAMS; i++) {
		assert_false(name.unread && i > 0);
		crypto(0, 30);
		packet(&fixture_v1, (uint32_t)i);
		(void)sniff();
	}
	assert_true(name.unread);
}

#define TEST(test) cmocka_unit_test_setup(test, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_client_initial_of_rfc_9001_is_read),
		TEST(test_client_initial_of_rfc_9369_is_read),
		TEST(test_hello_over_datagrams_in_any_order_is_put_together),
		TEST(test_every_byte_may_be_a_frame_of_its_own_backwards),
		TEST(test_other_frames_of_an_initial_are_skipped),
		TEST(test_coalesced_packets_are_all_read),
		TEST(test_only_some_packets_of_a_datagram_are_looked_at),
		TEST(test_packets_out_of_bounds_are_not_read),
		TEST(test_hello_is_read_again_after_a_retry),
		TEST(test_noise_after_the_first_packet_does_no_harm),
		TEST(test_looking_ends_after_some_datagrams),
		TEST(test_first_datagram_that_is_no_initial_is_none),
		TEST(test_first_packet_with_any_byte_wrong_is_none),
		TEST(test_frames_that_are_wrong_are_none),
		TEST(test_overlap_that_contradicts_is_none),
		TEST(test_hello_without_name_is_none),
		TEST(test_what_could_not_be_read_is_told_apart),
	};

	return cmocka_run_group_tests_name("sniff_quic", tests, NULL, NULL);
}
