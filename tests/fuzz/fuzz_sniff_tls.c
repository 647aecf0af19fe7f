/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as the beginning of a TLS stream and as a hello of QUIC; and what
 * a stream says does not depend on how it was cut.
 */
#include <stdint.h>
#include <stdlib.h>

#include "relay/sniff_tls.h"
#include "tests/fuzz/fuzz_sniff.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sniff_name name;

	fuzz_sniff(sniff_tls, data, size);
	fuzz_sniff_check(sniff_hello(data, size, FLOW_HOST_QUIC, &name), &name);
	return 0;
}
