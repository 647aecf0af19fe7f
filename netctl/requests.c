/* SPDX-License-Identifier: ISC */
#include "netctl/requests.h"

#include <libmnl/libmnl.h>
#include <string.h>

void
requests_clear(struct requests *requests)
{
	requests->count = requests->len = 0;
}

struct nlmsghdr *
requests_add(struct requests *requests, const struct nlmsghdr *message)
{
	struct nlmsghdr *copy;
	size_t len = MNL_ALIGN(message->nlmsg_len);

	if (requests->count == REQUESTS_LIMIT ||
	    len > sizeof(requests->bytes) - requests->len)
		return NULL;
	requests->at[requests->count] = requests->len;
	copy = requests_get(requests, requests->count++);
	memcpy(copy, message, message->nlmsg_len);
	requests->len += len;
	return copy;
}

struct nlmsghdr *
requests_get(struct requests *requests, size_t i)
{
	return (void *)(requests->bytes + requests->at[i]);
}
