/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as an answer to CONNECT: a verdict stays when more bytes come, and
 * the head is never longer than what is there.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "relay/http_connect.h"
#include "schema/flow.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum answer_status status, before = ANSWER_MORE;
	size_t n, used = 0, step = size / 64 + 1;
	char text[FLOW_ERROR_BYTES];
	struct answer answer;
	uint8_t *exact;

	for (n = 0; n <= size; n += step) {
		exact = malloc(n + 1);
		if (exact == NULL)
			return 0;
		memcpy(exact + 1, data, n);
		status = http_connect_read(exact + 1, n, &answer);
		free(exact);
		if (before != ANSWER_MORE && status != before)
			abort();
		if (status == ANSWER_GOOD &&
		    (answer.used > n || (used != 0 && used != answer.used)))
			abort();
		if (status == ANSWER_GOOD)
			used = answer.used;
		if (status == ANSWER_BAD &&
		    flow_error_text(answer.error, text) == NULL)
			abort();
		before = status;
	}
	if (before == ANSWER_MORE && size > HTTP_CONNECT_HEAD_BYTES + step)
		abort();
	return 0;
}
