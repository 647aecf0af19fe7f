/* SPDX-License-Identifier: ISC */
/*
 * Writes nfnetlink messages of fixed shape: names of sets that policy/ renders,
 * and addresses that netctl/passes.c has judged.
 */
#include "netctl/elements.h"

#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "netctl/nft.h"
#include "policy/render.h"

#define MESSAGES_OF_ELEMENT 3
#define MESSAGE_BYTES 256
#define BATCH_BYTES ((ELEMENTS_MAX * MESSAGES_OF_ELEMENT + 2) * MESSAGE_BYTES)

/* Both addresses, as a concatenation has them: multiples of four bytes. */
struct key {
	uint8_t byte[32];
	size_t len;
};

struct elements {
	size_t count;
	size_t used;
	struct nlmsghdr *last;
	_Alignas(struct nlmsghdr) char bytes[BATCH_BYTES];
};

static struct nlmsghdr *
message_begin(struct elements *elements, uint16_t type, uint16_t flags,
    uint8_t family, uint16_t resource)
{
	struct nlmsghdr *message =
	    mnl_nlmsg_put_header(elements->bytes + elements->used);
	struct nfgenmsg *header =
	    mnl_nlmsg_put_extra_header(message, sizeof(*header));

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nfgen_family = family;
	header->version = NFNETLINK_V0;
	header->res_id = htons(resource);
	return message;
}

static void
message_end(struct elements *elements, struct nlmsghdr *message)
{
	elements->used += message->nlmsg_len;
	elements->last = message;
}

static void
frame(struct elements *elements, uint16_t type)
{
	struct nlmsghdr *message =
	    message_begin(elements, type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);

	elements->used += message->nlmsg_len;
}

static void
begin(struct elements *elements)
{
	elements->used = elements->count = 0;
	frame(elements, NFNL_MSG_BATCH_BEGIN);
}

struct elements *
elements_new(void)
{
	struct elements *elements = calloc(1, sizeof(*elements));

	if (elements != NULL)
		begin(elements);
	return elements;
}

size_t
elements_count(const struct elements *elements)
{
	return elements->count;
}

/* timeout_s 0: without one. */
static void
put(struct elements *elements, uint16_t type, uint16_t flags, const char *set,
    const struct key *key, uint32_t timeout_s)
{
	struct nlmsghdr *message = message_begin(elements,
	    (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, NFPROTO_INET,
	    0);
	struct nlattr *list, *element, *value;

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, RENDER_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
	list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	value = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
	mnl_attr_put(message, NFTA_DATA_VALUE, key->len, key->byte);
	mnl_attr_nest_end(message, value);
	if (timeout_s != 0)
		mnl_attr_put_u64(message, NFTA_SET_ELEM_TIMEOUT,
		    htobe64((uint64_t)timeout_s * 1000));
	mnl_attr_nest_end(message, element);
	mnl_attr_nest_end(message, list);
	message_end(elements, message);
}

static void
key_make(const struct addr *client, const struct addr *server, struct key *key)
{
	size_t skip = addr_is_v4(client) ? 12 : 0;
	size_t len = sizeof(client->byte) - skip;

	memcpy(key->byte, client->byte + skip, len);
	memcpy(key->byte + len, server->byte + skip, len);
	key->len = 2 * len;
}

/* An element keeps its time when it is added again; see render_renew(). */
void
elements_add(struct elements *elements, const char *set,
    const struct addr *client, const struct addr *server, uint32_t timeout_s)
{
	struct key key;

	key_make(client, server, &key);
	put(elements, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, &key, 0);
	put(elements, NFT_MSG_DELSETELEM, 0, set, &key, 0);
	put(elements, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, &key, timeout_s);
	elements->count++;
}

int
elements_run(struct elements *elements)
{
	int result = 0;

	if (elements->count > 0) {
		elements->last->nlmsg_flags |= NLM_F_ACK;
		frame(elements, NFNL_MSG_BATCH_END);
		result = nft_exchange(elements->bytes, elements->used);
	}
	begin(elements);
	return result;
}
