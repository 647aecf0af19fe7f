/* SPDX-License-Identifier: ISC */
/* Believes no length that a message states before it is checked.  Pure. */
#include "flowlog/netlink.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

static int
bad(void)
{
	errno = EBADMSG;
	return -1;
}

/*
 * libmnl's own walk rounds the end of a message up, and so reads up to three
 * bytes that are not there.
 */
static void
collect(const uint8_t *bytes, size_t len, struct netlink_attributes *found)
{
	const struct nlattr *attribute = (const void *)bytes;
	unsigned int type;
	size_t step;

	memset(found, 0, sizeof(*found));
	while (mnl_attr_ok(attribute, (int)len)) {
		type = mnl_attr_get_type(attribute);
		if (type < NETLINK_ATTRIBUTES)
			found->of[type] = attribute;
		step = MNL_ALIGN(attribute->nla_len);
		if (step >= len)
			return;
		len -= step;
		attribute = mnl_attr_next(attribute);
	}
}

int
netlink_parse(const struct nlmsghdr *header, struct netlink_attributes *found)
{
	const size_t family = MNL_ALIGN(sizeof(struct nfgenmsg));
	size_t len = mnl_nlmsg_get_payload_len(header);

	if (header->nlmsg_len < MNL_NLMSG_HDRLEN || len < family)
		return bad();
	collect(
	    mnl_nlmsg_get_payload_offset(header, family), len - family, found);
	return 0;
}

int
netlink_parse_nested(
    const struct nlattr *nest, struct netlink_attributes *found)
{
	if (nest == NULL)
		return bad();
	collect(
	    mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), found);
	return 0;
}

int
netlink_copy(const struct nlattr *attribute, void *to, size_t len)
{
	if (attribute == NULL || mnl_attr_get_payload_len(attribute) != len)
		return bad();
	memcpy(to, mnl_attr_get_payload(attribute), len);
	return 0;
}

uint16_t
netlink_be16(const struct nlattr *attribute)
{
	uint16_t value = 0;

	(void)netlink_copy(attribute, &value, sizeof(value));
	return ntohs(value);
}

uint32_t
netlink_be32(const struct nlattr *attribute)
{
	uint32_t value = 0;

	(void)netlink_copy(attribute, &value, sizeof(value));
	return ntohl(value);
}

uint64_t
netlink_be64(const struct nlattr *attribute)
{
	uint64_t value = 0;

	(void)netlink_copy(attribute, &value, sizeof(value));
	return be64toh(value);
}
