/* SPDX-License-Identifier: ISC */
/* Any bytes as the head of a request, however it was cut. */
#include <stdint.h>
#include <stdlib.h>

#include "relay/sniff_http.h"
#include "tests/fuzz/fuzz_sniff.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_sniff(sniff_http, data, size);
	return 0;
}
