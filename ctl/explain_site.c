/* SPDX-License-Identifier: ISC */
/* The kernel is its only peer; it changes nothing. */
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>

#include "ctl/explain.h"

#define V4_BYTES 4

static int
on_attribute(const struct nlattr *attribute, void *ctx)
{
	struct explain_site *site = ctx;

	if (mnl_attr_get_type(attribute) == RTA_OIF &&
	    mnl_attr_validate(attribute, MNL_TYPE_U32) == 0 &&
	    if_indextoname(mnl_attr_get_u32(attribute), site->interface) !=
		NULL)
		site->is_reached = 1;
	return MNL_CB_OK;
}

static int
on_route(const struct nlmsghdr *reply, void *ctx)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(reply);
	struct explain_site *site = ctx;

	site->is_here =
	    route->rtm_type == RTN_LOCAL || route->rtm_type == RTN_BROADCAST ||
	    route->rtm_type == RTN_ANYCAST || route->rtm_type == RTN_MULTICAST;
	return mnl_attr_parse(reply, sizeof(*route), on_attribute, site);
}

static void
request_make(const struct addr *addr, struct nlmsghdr *request)
{
	size_t bytes = addr_is_v4(addr) ? V4_BYTES : sizeof(addr->byte);
	struct rtmsg *route;

	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_REQUEST;
	route = mnl_nlmsg_put_extra_header(request, sizeof(*route));
	route->rtm_family = addr_is_v4(addr) ? AF_INET : AF_INET6;
	route->rtm_dst_len = (uint8_t)(bytes * 8);
	mnl_attr_put(
	    request, RTA_DST, bytes, addr->byte + sizeof(addr->byte) - bytes);
}

int
explain_site_find(const struct addr *addr, struct explain_site *site)
{
	_Alignas(struct nlmsghdr) char buffer[1024];
	struct mnl_socket *socket;
	int result = -1;
	ssize_t n;

	memset(site, 0, sizeof(*site));
	memset(buffer, 0, sizeof(buffer));
	if ((socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)) == NULL)
		return -1;
	request_make(addr, mnl_nlmsg_put_header(buffer));
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(
		socket, buffer, ((struct nlmsghdr *)buffer)->nlmsg_len) > 0 &&
	    (n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer))) > 0)
		result = mnl_cb_run(buffer, (size_t)n, 0,
		    mnl_socket_get_portid(socket), on_route, site);
	/* There is no way there, and that is an answer. */
	if (result == -1 && (errno == ENETUNREACH || errno == EHOSTUNREACH ||
				errno == EINVAL || errno == EACCES))
		result = 0;
	(void)mnl_socket_close(socket);
	return result == -1 ? -1 : 0;
}
