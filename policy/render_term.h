/* SPDX-License-Identifier: ISC */
/* Words of nft(8) that several chains of tpx are made of. */
#ifndef POLICY_RENDER_TERM_H
#define POLICY_RENDER_TERM_H

#include <stdint.h>

#include "policy/image.h"
#include "policy/mark.h"
#include "policy/text.h"

/*
 * Addresses that name a host of the other family (RFC 4291, 2.5.5.2) have no
 * business on a wire; whoever reads them as IPv4 would see another rule match.
 */
#define TERM_MAPPED "ip6 daddr ::ffff:0.0.0.0/96"

/*
 * No host has that address (RFC 4291, 2.5.2), and connect(2) takes it for the
 * loopback address: a relay would speak to this host's own services.
 */
#define TERM_UNSPECIFIED "ip6 daddr ::"

/* What has no router's business: DHCP (RFC 2131, 4.1; RFC 8415, 7.2). */
#define TERM_DHCP                                \
	"\t\tudp sport 68 udp dport 67 accept\n" \
	"\t\tudp sport 546 udp dport 547 accept\n"

/* Neighbour discovery, RFC 4861, 4 */
#define TERM_NEIGHBOURS "icmpv6 type { 133, 134, 135, 136, 137 }"

/*
 * What is never captured for where it goes.  Only these are named: where
 * several routing tables are in use, fib(8) does not know the way to every
 * IPv6 destination that has one, and says "unreachable".
 */
#define TERM_LOCAL_TYPES "{ local, broadcast, anycast, multicast }"

/*
 * Source routes end elsewhere than their destination says, and a network's
 * edge does not take them (RFC 7126, 4.3 and 4.4; RFC 8754, 5.1).
 */
#define TERM_SOURCE_ROUTES                         \
	"\t\tip option lsrr exists counter drop\n" \
	"\t\tip option ssrr exists counter drop\n" \
	"\t\texthdr rt exists counter drop\n"

/* "eth1", or a list of them; for image_interface_count() above 0. */
void term_interfaces(const struct image *, struct text *);

/*
 * Rules that send the own sockets that are captured to a chain: one a range.
 * While a transaction replaces a set of ranges, as it does in the guard, a
 * packet may miss its elements (seen on Linux 6.18), and so leave.
 */
void term_users(const struct image *, const char *chain, struct text *);

/* "meta mark & 0x07000000 == 0x01000000 "; field "meta mark" or "ct mark". */
void term_mark_is(
    const struct image *, const char *field, uint32_t mark, struct text *);

/* The same with "!=". */
void term_mark_is_not(
    const struct image *, const char *field, uint32_t mark, struct text *);

/* MARK_ANSWERED, and is "==" or "!=": "ct mark & 0x06000000 == 0x02000000 " */
void term_answered(const struct image *, const char *is, struct text *);

/* "meta mark set meta mark & 0xf8ffffff | 0x01000000 " */
void term_mark_set(
    const struct image *, const char *field, uint32_t mark, struct text *);

/*
 * The chain "unmarked": no socket's own mark (SO_MARK) decides anything, but of
 * sockets that netctl made for relays.  uid: of tpx.
 */
void term_unmarked(const struct image *, uint32_t uid, struct text *);

/*
 * What this host sends to itself, from whatever source, makes no answer of
 * what leaves it.
 */
void term_looped(const struct image *, struct text *);

/*
 * The chain "unowned", for term_answers(): lets go what no process can have
 * sent.
 */
void term_unowned(struct text *);

/*
 * Resets and last acknowledgements that the kernel sends to clients of the
 * relays belong to no socket any more; their source is the client's server.
 * For image_interface_count() above 0.
 */
void term_answers(const struct image *, struct text *);

/* The packet has a mark that gets it through the guard. */
void term_is_let(const struct image *, struct text *);

/* Makes a table that is not there, takes away one that is. */
void term_removal(const char *table, const char *flags, struct text *);

/*
 * The entry of a flow that is excluded remembers it, for the answers.  A
 * source that is not there would turn a later flow into its answer.
 */
void term_excluded_begin(const struct image *, struct text *);

/*
 * What the kernel itself sends for a flow whose owner is excluded belongs to no
 * socket any more; for the chain "unowned".
 */
void term_excluded_own(const struct image *, struct text *);

/*
 * The chain "strayed": on its way to a relay a packet takes the loopback
 * interface.  One of a socket that is bound to another interface cannot.
 */
void term_strayed(const struct image *, struct text *);

int term_blocks_others(const struct image *);

#endif
