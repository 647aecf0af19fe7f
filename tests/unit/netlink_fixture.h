/* SPDX-License-Identifier: ISC */
/*
 * What the kernel says, datagram by datagram, to a program whose
 * mnl_socket_sendto() and mnl_socket_recvfrom() are wrapped.
 */
#ifndef TESTS_UNIT_NETLINK_FIXTURE_H
#define TESTS_UNIT_NETLINK_FIXTURE_H

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define FIXTURE_DATAGRAMS 8
#define FIXTURE_MESSAGES 4

/* type 0: it has no more. */
struct fixture_message {
	uint16_t type;
	uint16_t flags;
	int value; /* the index of a link, or the error of an answer */
};

static struct fixture_message datagrams[FIXTURE_DATAGRAMS][FIXTURE_MESSAGES];
static unsigned int said, heard, requests;
static uint32_t sequences[FIXTURE_DATAGRAMS]; /* of the requests */

ssize_t __wrap_mnl_socket_sendto(
    const struct mnl_socket *socket, const void *bytes, size_t len);
ssize_t __wrap_mnl_socket_recvfrom(
    const struct mnl_socket *socket, void *bytes, size_t size);

ssize_t
__wrap_mnl_socket_sendto(
    const struct mnl_socket *socket, const void *bytes, size_t len)
{
	const struct nlmsghdr *request = bytes;

	(void)socket;
	assert_true(requests < FIXTURE_DATAGRAMS);
	sequences[requests++] = request->nlmsg_seq;
	return (ssize_t)len;
}

static size_t
fixture_put(char *at, const struct fixture_message *from, uint32_t sequence)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(at);
	struct ifinfomsg *link;

	message->nlmsg_type = from->type;
	message->nlmsg_flags = from->flags;
	message->nlmsg_seq = sequence;
	if (from->type < NLMSG_MIN_TYPE) {
		struct nlmsgerr *error =
		    mnl_nlmsg_put_extra_header(message, sizeof(*error));

		error->error = from->value;
		return message->nlmsg_len;
	}
	link = mnl_nlmsg_put_extra_header(message, sizeof(*link));
	link->ifi_index = from->value;
	mnl_attr_put_strz(message, IFLA_IFNAME, "eth");
	return message->nlmsg_len;
}

/* They answer the request that is not answered yet, and end with EAGAIN. */
ssize_t
__wrap_mnl_socket_recvfrom(
    const struct mnl_socket *socket, void *bytes, size_t size)
{
	const struct fixture_message *from = datagrams[heard];
	static unsigned int answered;
	size_t len = 0, i;

	(void)socket;
	(void)size;
	if (heard == 0)
		answered = 0;
	if (heard == said) {
		errno = EAGAIN;
		return -1;
	}
	heard++;
	for (i = 0; i < FIXTURE_MESSAGES && from[i].type != 0; i++)
		len += fixture_put(
		    (char *)bytes + len, &from[i], sequences[answered]);
	answered += from[i - 1].type < NLMSG_MIN_TYPE;
	return (ssize_t)len;
}

/* From then on the kernel says that. */
static inline void
fixture_says(
    const struct fixture_message (*what)[FIXTURE_MESSAGES], unsigned int count)
{
	memcpy(datagrams, what, count * sizeof(*what));
	said = count;
	heard = requests = 0;
}

#endif
