/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as one NFLOG message, and as one packet: refused, or a row like
 * any other.
 */
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "flowlog/nflog.h"

static void
parse_message(const uint8_t *data, size_t size)
{
	struct nlmsghdr *header;
	struct nflog_packet packet;
	struct flow_record record;

	if (size < sizeof(*header) || size > UINT16_MAX ||
	    (header = malloc(size)) == NULL)
		return;
	memcpy(header, data, size);
	header->nlmsg_len = (uint32_t)size;
	header->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
	if (nflog_parse(header, &packet) == 0)
		nflog_record(&packet, 1, &record);
	free(header);
}

static void
parse_packet(const uint8_t *data, size_t size)
{
	struct nflog_packet packet = { 0 };
	uint8_t *bytes = malloc(size + 1);

	if (bytes == NULL)
		return;
	memcpy(bytes, data, size);
	(void)nflog_parse_ip(bytes, size, &packet);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	parse_message(data, size);
	parse_packet(data, size);
	return 0;
}
