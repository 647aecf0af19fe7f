/* SPDX-License-Identifier: ISC */
/* Asks, one request at a time; the kernel is the only peer. */
#include "netctl/evidence.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netctl/talk.h"
#include "netctl/tuple.h"
#include "policy/mark.h"

struct evidence {
	struct mnl_socket *diag;
	struct mnl_socket *conntrack;
	uint32_t uid;
	uint32_t mask;
};

/* What is asked for, and whether it was there. */
struct question {
	const struct evidence *evidence;
	struct inet_diag_sockid id;
	enum verdict verdict;
};

struct evidence *
evidence_new(void)
{
	struct evidence *evidence = calloc(1, sizeof(*evidence));

	if (evidence == NULL)
		return NULL;
	evidence->uid = geteuid();
	evidence->diag = talk_open(NETLINK_SOCK_DIAG);
	evidence->conntrack = talk_open(NETLINK_NETFILTER);
	if (evidence->diag != NULL && evidence->conntrack != NULL)
		return evidence;
	if (evidence->diag != NULL)
		mnl_socket_close(evidence->diag);
	free(evidence);
	return NULL;
}

void
evidence_set_mask(struct evidence *evidence, uint32_t mask)
{
	evidence->mask = mask;
}

/* Where there is no such connection, the kernel answers with a listener. */
static int
is_asked_for(const struct inet_diag_sockid *id, const struct question *question)
{
	const struct inet_diag_sockid *asked = &question->id;

	return id->idiag_sport == asked->idiag_sport &&
	       id->idiag_dport == asked->idiag_dport &&
	       memcmp(id->idiag_src, asked->idiag_src, sizeof(id->idiag_src)) ==
		   0 &&
	       memcmp(id->idiag_dst, asked->idiag_dst, sizeof(id->idiag_dst)) ==
		   0;
}

static int
is_open(unsigned int state)
{
	return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT;
}

static int
is_accepted(const struct nlmsghdr *message)
{
	const struct inet_diag_sockopt *options;
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct inet_diag_msg))
	{
		if (mnl_attr_get_type(attribute) != INET_DIAG_SOCKOPT ||
		    mnl_attr_get_payload_len(attribute) < sizeof(*options))
			continue;
		options = mnl_attr_get_payload(attribute);
		return options->transparent && !options->freebind;
	}
	return 0;
}

static int
on_socket(const struct nlmsghdr *message, void *ctx)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(message);
	struct question *question = ctx;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*diag))
		return MNL_CB_ERROR;
	if (is_asked_for(&diag->id, question) && is_open(diag->idiag_state) &&
	    diag->idiag_uid == question->evidence->uid && is_accepted(message))
		question->verdict = ALLOW;
	return MNL_CB_OK;
}

/* The accepted socket's own address is the original destination. */
enum verdict
evidence_tcp(struct evidence *evidence, const struct evidence_flow *flow)
{
	struct question question = { .evidence = evidence, .verdict = DENY };
	_Alignas(8) char buffer[TALK_BUFFER_BYTES];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *body;

	question.id.idiag_sport = htons(flow->server_port);
	question.id.idiag_dport = htons(flow->client_port);
	tuple_addr_put(&flow->server, question.id.idiag_src);
	tuple_addr_put(&flow->client, question.id.idiag_dst);
	question.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	question.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	body->sdiag_family = addr_is_v4(&flow->client) ? AF_INET : AF_INET6;
	body->sdiag_protocol = IPPROTO_TCP;
	body->idiag_states = UINT32_MAX;
	body->id = question.id;
	if (talk(evidence->diag, request, on_socket, &question) == -1)
		return DENY;
	return question.verdict;
}

enum verdict
evidence_udp(struct evidence *evidence, const struct evidence_flow *flow)
{
	_Alignas(8) char buffer[TALK_BUFFER_BYTES];
	struct tuple tuple = { .src = flow->client,
		.dst = flow->server,
		.sport = htons(flow->client_port),
		.dport = htons(flow->server_port),
		.proto = IPPROTO_UDP };
	struct nlmsghdr *request =
	    tuple_request(buffer, IPCTNL_MSG_CT_GET, 0, &tuple);
	uint32_t mark = 0, mask = evidence->mask;

	if (mask == 0 ||
	    talk(evidence->conntrack, request, tuple_mark, &mark) == -1)
		return DENY;
	return (mark & mask) == mark_value(mask, MARK_RELAYED) ? ALLOW : DENY;
}
