/* SPDX-License-Identifier: ISC */
#include "netctl/loopback.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "netctl/routing.h"

static const struct {
	uint8_t family;
	struct in6_addr address; /* of an IPv4 one the first bytes */
	size_t len;
	unsigned int property;
} addresses[] = {
	{ AF_INET, { { { 127, 0, 0, 1 } } }, sizeof(struct in_addr),
	    LOOPBACK_V4 },
	{ AF_INET6, IN6ADDR_LOOPBACK_INIT, sizeof(struct in6_addr),
	    LOOPBACK_V6 },
};

#define ADDRESSES (sizeof(addresses) / sizeof(addresses[0]))

static int
on_link(const struct nlmsghdr *message, void *ctx)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	unsigned int *properties = ctx;

	if ((header->ifi_flags & IFF_UP) != 0)
		*properties |= LOOPBACK_UP;
	return MNL_CB_OK;
}

static int
on_address(const struct nlmsghdr *message, void *ctx)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *found;
	unsigned int *properties = ctx;
	size_t i;

	if (header->ifa_index != LOOPBACK_INDEX)
		return MNL_CB_OK;
	mnl_attr_for_each(found, message, sizeof(*header))
	{
		if (mnl_attr_get_type(found) != IFA_ADDRESS)
			continue;
		for (i = 0; i < ADDRESSES; i++)
			if (addresses[i].family == header->ifa_family &&
			    mnl_attr_get_payload_len(found) ==
				addresses[i].len &&
			    memcmp(mnl_attr_get_payload(found),
				&addresses[i].address, addresses[i].len) == 0)
				*properties |= addresses[i].property;
	}
	return MNL_CB_OK;
}

static int
link_look(unsigned int *properties)
{
	_Alignas(8) char buffer[64];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *header =
	    mnl_nlmsg_put_extra_header(request, sizeof(*header));

	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header->ifi_index = LOOPBACK_INDEX;
	return routing_talk(request, on_link, properties);
}

/* One that changes meanwhile is told of again. */
static int
addresses_look(uint8_t family, unsigned int *properties)
{
	_Alignas(8) char buffer[64];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *header =
	    mnl_nlmsg_put_extra_header(request, sizeof(*header));

	request->nlmsg_type = RTM_GETADDR;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->ifa_family = family;
	header->ifa_index = LOOPBACK_INDEX;
	return routing_talk(request, on_address, properties) == -1 &&
		       errno != EINTR
		   ? -1
		   : 0;
}

int
loopback_look(unsigned int *properties)
{
	unsigned int found = 0;
	size_t i;

	if (link_look(&found) == -1)
		return -1;
	for (i = 0; i < ADDRESSES; i++)
		if (addresses_look(addresses[i].family, &found) == -1)
			return -1;
	if ((found & LOOPBACK_UP) == 0)
		found |= LOOPBACK_ALL & ~(unsigned int)LOOPBACK_UP;
	*properties = found;
	return 0;
}
