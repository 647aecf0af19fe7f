/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as each answer of a SOCKS5 server, whole and byte by byte: more is
 * never taken than is there, and a verdict stays when more bytes come.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "relay/socks5.h"
#include "schema/flow.h"

static enum answer_status
read_as(
    unsigned int what, const uint8_t *bytes, size_t len, struct answer *answer)
{
	enum socks5_method method;
	struct addr addr;
	uint16_t port;

	switch (what) {
	case 0:
	case 1:
		return socks5_read_method(
		    bytes, len, (int)what, &method, answer);
	case 2:
		return socks5_read_login(bytes, len, answer);
	}
	return socks5_read_reply(bytes, len, &addr, &port, answer);
}

static void
check_answer(unsigned int what, const uint8_t *data, size_t size)
{
	enum answer_status status, before = ANSWER_MORE;
	char text[FLOW_ERROR_BYTES];
	struct answer answer;
	uint8_t *exact;
	size_t n;

	for (n = 0; n <= size && n < 300; n++) {
		exact = malloc(n + 1);
		if (exact == NULL)
			return;
		memcpy(exact + 1, data, n);
		status = read_as(what, exact + 1, n, &answer);
		free(exact);
		if (before != ANSWER_MORE && status != before)
			abort();
		if (status == ANSWER_GOOD && answer.used > n)
			abort();
		if (status == ANSWER_BAD &&
		    flow_error_text(answer.error, text) == NULL)
			abort();
		before = status;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct addr from;
	uint16_t port;
	unsigned int what;
	int length;

	for (what = 0; what < 4; what++)
		check_answer(what, data, size);
	length = socks5_read_datagram(data, size, &from, &port);
	if (length > 0 && (size_t)length > size)
		abort();
	return 0;
}
