/* SPDX-License-Identifier: ISC */
/* Joins and configures netlink sockets; reads only the kernel's answers. */
#include "netctl/source.h"

#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <unistd.h>

#include "policy/render.h"
#include "schema/limits.h"

#define RECEIVE_BYTES (4 << 20) /* events that may wait for the flow log */
#define BUFFER_BYTES 8192
#define COPY_RANGE_BYTES 128 /* of a packet: its headers */
#define HOLD_CENTISECONDS (LIMIT_NFLOG_HOLD_MS / 10)

static int
conntrack_join(struct mnl_socket *socket)
{
	int group;

	for (group = NFNLGRP_CONNTRACK_NEW; group <= NFNLGRP_CONNTRACK_DESTROY;
	     group++) {
		if (group == NFNLGRP_CONNTRACK_UPDATE)
			continue;
		if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP,
			&group, sizeof(group)) == -1)
			return -1;
	}
	return 0;
}

static struct nlmsghdr *
log_request(char *buffer, uint16_t group)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header;

	request->nlmsg_type = (NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_CONFIG;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->nfgen_family = AF_UNSPEC;
	header->version = NFNETLINK_V0;
	header->res_id = htons(group);
	return request;
}

static int
log_configure(struct mnl_socket *socket, uint16_t group, uint32_t packets)
{
	_Alignas(8) char buffer[BUFFER_BYTES];
	struct nfulnl_msg_config_cmd bind = { .command = NFULNL_CFG_CMD_BIND };
	struct nfulnl_msg_config_mode mode = {
		.copy_range = htonl(COPY_RANGE_BYTES),
		.copy_mode = NFULNL_COPY_PACKET,
	};
	struct nlmsghdr *request = log_request(buffer, group);
	ssize_t n;

	mnl_attr_put(request, NFULA_CFG_CMD, sizeof(bind), &bind);
	mnl_attr_put(request, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(request, NFULA_CFG_QTHRESH, htonl(packets));
	mnl_attr_put_u32(request, NFULA_CFG_TIMEOUT, htonl(HOLD_CENTISECONDS));
	mnl_attr_put_u16(request, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) == -1 ||
	    (n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer))) == -1)
		return -1;
	return mnl_cb_run(buffer, (size_t)n, 0, 0, NULL, NULL) == -1 ? -1 : 0;
}

/* It may wait for others: together they cost less. */
static int
blocked_configure(struct mnl_socket *socket)
{
	return log_configure(socket, RENDER_LOG_GROUP, 64);
}

/* It must be there before the flow's row is. */
static int
owners_configure(struct mnl_socket *socket)
{
	return log_configure(socket, RENDER_OWNER_GROUP, 1);
}

static int (*const configure[IPC_SOURCE_COUNT])(struct mnl_socket *) = {
	[IPC_SOURCE_CONNTRACK] = conntrack_join,
	[IPC_SOURCE_NFLOG] = blocked_configure,
	[IPC_SOURCE_OWNERS] = owners_configure,
};

int
source_open(enum ipc_source kind)
{
	static const int bytes = RECEIVE_BYTES;
	struct mnl_socket *socket;
	int fd;

	socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (socket == NULL)
		return -1;
	(void)setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE,
	    &bytes, sizeof(bytes));
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == -1 ||
	    configure[kind](socket) == -1) {
		mnl_socket_close(socket);
		return -1;
	}
	/* libmnl's own structure goes with the socket it describes. */
	fd = fcntl(mnl_socket_get_fd(socket), F_DUPFD_CLOEXEC, 0);
	mnl_socket_close(socket);
	return fd;
}
