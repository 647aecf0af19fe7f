/* SPDX-License-Identifier: ISC */
/* The kernel is its only peer; the host's namespace is never changed. */
#include "ctl/leak/net.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

#define BUFFER_BYTES 4096

static struct nlmsghdr *
request_new(char *buffer, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	return request;
}

/* Sends, and reads the one acknowledgement. */
static int
talk(struct mnl_socket *socket, const void *bytes, size_t len)
{
	char reply[BUFFER_BYTES];
	ssize_t n;

	if (mnl_socket_sendto(socket, bytes, len) == -1)
		return -1;
	n = mnl_socket_recvfrom(socket, reply, sizeof(reply));
	if (n == -1)
		return -1;
	return mnl_cb_run(reply, (size_t)n, 0, mnl_socket_get_portid(socket),
		   NULL, NULL) == -1
		   ? -1
		   : 0;
}

static int
ask(const struct net *net, const struct nlmsghdr *request, const char *what)
{
	if (talk(net->rtnl, request, request->nlmsg_len) == 0)
		return 0;
	log_warn("%s", what);
	return -1;
}

static unsigned int
index_of(const struct net *net, const char *name)
{
	return net_enter(net) == -1 ? 0 : if_nametoindex(name);
}

static int
up(const struct net *net, const char *name)
{
	_Alignas(8) char buffer[BUFFER_BYTES];
	struct nlmsghdr *request = request_new(buffer, RTM_NEWLINK, 0);
	struct ifinfomsg *header =
	    mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->ifi_index = (int)index_of(net, name);
	header->ifi_flags = header->ifi_change = IFF_UP;
	return ask(net, request, name);
}

int
net_enter(const struct net *net)
{
	if (setns(net->fd, CLONE_NEWNET) == 0)
		return 0;
	log_warn("setns");
	return -1;
}

int
net_new(struct net *net)
{
	if (unshare(CLONE_NEWNET) == -1) {
		log_warn("network namespace");
		return -1;
	}
	net->fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	net->rtnl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (net->fd == -1 || net->rtnl == NULL ||
	    mnl_socket_bind(net->rtnl, 0, MNL_SOCKET_AUTOPID) == -1) {
		log_warn("network namespace");
		return -1;
	}
	/* Addresses have to be usable at once. */
	if (net_sysctl(net, "net/ipv6/conf/default/accept_dad", "0") == -1)
		return -1;
	return up(net, "lo");
}

int
net_sysctl(const struct net *net, const char *name, const char *value)
{
	char path[128];
	int fd, result = -1;

	if (net_enter(net) == -1)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/sys/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd != -1 && write(fd, value, strlen(value)) != -1)
		result = 0;
	if (result == -1)
		log_warn("%s", path);
	if (fd != -1)
		close(fd);
	return result;
}

int
net_join(const struct net *net, const char *name, const struct net *peer,
    const char *peer_name)
{
	_Alignas(8) char buffer[BUFFER_BYTES];
	struct nlmsghdr *request =
	    request_new(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info, *data, *other;

	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(request, IFLA_LINKINFO);
	mnl_attr_put_strz(request, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
	other = mnl_attr_nest_start(request, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request, IFLA_IFNAME, peer_name);
	mnl_attr_put_u32(request, IFLA_NET_NS_FD, (uint32_t)peer->fd);
	mnl_attr_nest_end(request, other);
	mnl_attr_nest_end(request, data);
	mnl_attr_nest_end(request, info);
	if (ask(net, request, name) == -1 || up(net, name) == -1)
		return -1;
	return up(peer, peer_name);
}

/* An address of either family, shorter for IPv4. */
static void
put_addr(struct nlmsghdr *request, uint16_t type, const struct addr *addr)
{
	size_t skip = addr_is_v4(addr) ? 12 : 0;

	mnl_attr_put(request, type, 16 - skip, addr->byte + skip);
}

int
net_address(const struct net *net, const char *name, const struct addr *addr,
    uint8_t bits)
{
	_Alignas(8) char buffer[BUFFER_BYTES];
	struct nlmsghdr *request =
	    request_new(buffer, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
	struct ifaddrmsg *header =
	    mnl_nlmsg_put_extra_header(request, sizeof(*header));
	int v4 = addr_is_v4(addr);

	header->ifa_family = v4 ? AF_INET : AF_INET6;
	header->ifa_prefixlen = v4 ? bits - 96 : bits;
	header->ifa_flags = IFA_F_NODAD;
	header->ifa_index = index_of(net, name);
	put_addr(request, IFA_LOCAL, addr);
	put_addr(request, IFA_ADDRESS, addr);
	return ask(net, request, "address");
}

int
net_route(const struct net *net, const struct addr *to, uint8_t bits,
    const struct addr *via)
{
	_Alignas(8) char buffer[BUFFER_BYTES];
	struct nlmsghdr *request =
	    request_new(buffer, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
	struct rtmsg *header =
	    mnl_nlmsg_put_extra_header(request, sizeof(*header));
	int v4 = addr_is_v4(via);

	header->rtm_family = v4 ? AF_INET : AF_INET6;
	header->rtm_dst_len = v4 ? bits - 96 : bits;
	header->rtm_table = RT_TABLE_MAIN;
	header->rtm_protocol = RTPROT_STATIC;
	header->rtm_type = RTN_UNICAST;
	if (header->rtm_dst_len != 0)
		put_addr(request, RTA_DST, to);
	put_addr(request, RTA_GATEWAY, via);
	return ask(net, request, "route");
}

uint64_t
net_lost(const struct net *net)
{
	char line[512];
	uint64_t sum = 0;
	unsigned long long dropped;
	FILE *file;

	if (net_enter(net) == -1 ||
	    (file = fopen("/proc/thread-self/net/dev", "re")) == NULL)
		return UINT64_MAX;
	/* "NAME:", eight numbers of what came, and the same of what went */
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line,
			" %*[^:]: %*u %*u %*u %*u %*u %*u %*u %*u "
			"%*u %*u %*u %llu",
			&dropped) == 1)
			sum += dropped;
	(void)fclose(file);
	return sum;
}

static void
put_nfnetlink(struct mnl_nlmsg_batch *batch, uint16_t type, uint16_t subsystem)
{
	struct nlmsghdr *request =
	    mnl_nlmsg_put_header(mnl_nlmsg_batch_current(batch));
	struct nfgenmsg *header =
	    mnl_nlmsg_put_extra_header(request, sizeof(*header));

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST;
	header->nfgen_family = AF_UNSPEC;
	header->version = NFNETLINK_V0;
	header->res_id = htons(subsystem);
	if (type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE))
		request->nlmsg_flags |= NLM_F_ACK;
	mnl_nlmsg_batch_next(batch);
}

int
net_flush_rules(const struct net *net)
{
	_Alignas(8) char buffer[BUFFER_BYTES];
	struct mnl_nlmsg_batch *batch;
	struct mnl_socket *socket;
	int result = -1;

	if (net_enter(net) == -1)
		return -1;
	socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	batch = mnl_nlmsg_batch_start(buffer, sizeof(buffer) / 2);
	if (socket != NULL && batch != NULL &&
	    mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0) {
		put_nfnetlink(
		    batch, NFNL_MSG_BATCH_BEGIN, NFNL_SUBSYS_NFTABLES);
		/* Without a name it means every table. */
		put_nfnetlink(
		    batch, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE, 0);
		put_nfnetlink(batch, NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES);
		result = talk(socket, mnl_nlmsg_batch_head(batch),
		    mnl_nlmsg_batch_size(batch));
	}
	if (result == -1)
		log_warn("flush of all rules");
	if (batch != NULL)
		mnl_nlmsg_batch_stop(batch);
	if (socket != NULL)
		mnl_socket_close(socket);
	return result;
}
