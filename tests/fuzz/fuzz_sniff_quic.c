/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as datagrams of one flow, each behind its length; and as frames of
 * packets that are sealed rightly, so that the fuzzer gets behind the seal.
 */
#include <stdint.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz_sniff.h"
#include "tests/unit/quic_fixture.h"

static struct sniff_quic quic;

/* The next part of the bytes: behind a length of two of them. */
static size_t
part(const uint8_t **data, size_t *size)
{
	size_t len;

	if (*size < 2)
		return 0;
	len = (size_t)(*data)[0] << 8 | (*data)[1];
	*data += 2;
	*size -= 2;
	return len < *size ? len : *size;
}

static int
datagram_read(const uint8_t *bytes, size_t len)
{
	static struct sniff_quic read;
	struct sniff_name name;
	enum sniff_status status;

	(void)sniff_quic_begins_another(bytes, len, &quic.id, NULL);
	read = quic;
	(void)sniff_quic_begins_another(bytes, len, &quic.id, &read);
	status = sniff_quic(&quic, bytes, len, &name);
	fuzz_sniff_check(status, &name);
	return status == SNIFF_MORE;
}

static void
datagrams_read(const uint8_t *data, size_t size)
{
	size_t len;
	int more = 1;

	sniff_quic_init(&quic);
	for (; more && (len = part(&data, &size)) > 0; data += len, size -= len)
		more = datagram_read(data, len);
}

static void
frames_read(const uint8_t *data, size_t size)
{
	static struct fixture_bytes frames, datagram;
	uint32_t number = 0;
	size_t len;
	int more = 1;

	sniff_quic_init(&quic);
	for (; more && (len = part(&data, &size)) > 0 && len < 16000;
	     data += len, size -= len) {
		frames.len = datagram.len = 0;
		fixture_put(&frames, data, len);
		fixture_initial(&datagram,
		    number % 2 ? &fixture_v2 : &fixture_v1, number, &frames, 4);
		number++;
		more = datagram_read(datagram.at, datagram.len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	datagrams_read(data, size);
	frames_read(data, size);
	return 0;
}
