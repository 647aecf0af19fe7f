/* SPDX-License-Identifier: ISC */
/* Any bytes as one conntrack message: refused, or a row like any other. */
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "flowlog/conntrack.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conntrack_event event;
	struct nlmsghdr *header;

	if (size < sizeof(*header) || size > UINT16_MAX ||
	    (header = malloc(size)) == NULL)
		return 0;
	memcpy(header, data, size);
	/* What mnl_nlmsg_ok() lets through, and mostly the right subsystem. */
	header->nlmsg_len = (uint32_t)size;
	header->nlmsg_type =
	    (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | (data[4] & 3));
	if (conntrack_parse(header, &event) == 0 &&
	    event.kind > CONNTRACK_DESTROY)
		abort();
	free(header);
	return 0;
}
