/* SPDX-License-Identifier: ISC */
/* The words that settings and rules are made of.  Zero is the default. */
#ifndef POLICY_RULE_H
#define POLICY_RULE_H

#include <stdint.h>

#include "schema/flow.h"

enum on_failure { ON_FAILURE_CLOSED, ON_FAILURE_OPEN, ON_FAILURE_COUNT };

/* What is neither TCP nor UDP. */
enum other_protocols { OTHER_PASS, OTHER_BLOCK, OTHER_COUNT };

/*
 * How a blocked flow is refused.  DEFAULT: TCP gets a reset, UDP is dropped.
 * RESET: UDP gets an ICMP port unreachable as well.  DROP: nothing is sent.
 */
enum block_mode { BLOCK_DEFAULT, BLOCK_RESET, BLOCK_DROP, BLOCK_COUNT };

/* Whose sockets on this host are captured: nobody's, everybody's, or users'. */
enum capture_local { LOCAL_NONE, LOCAL_HOST, LOCAL_USERS, LOCAL_COUNT };

/* How a server that flows are sent through is spoken to. */
enum upstream_kind {
	UPSTREAM_SOCKS5, /* RFC 1928 */
	UPSTREAM_HTTP,	 /* CONNECT, RFC 9110, 9.3.6 */
	UPSTREAM_PROXY_V2,
	UPSTREAM_COUNT
};

/* Their words, in that order. */
#define UPSTREAM_KIND_WORDS "socks5", "http", "proxy-v2"

#define UPSTREAM_NONE UINT16_MAX

/* Where answers to captured questions come from; off captures none. */
enum dns_mode {
	DNS_OFF,
	DNS_FORWARD,
	DNS_FORWARD_TLS, /* RFC 7858 */
	DNS_RECURSE,
	DNS_MODE_COUNT
};

/* What a name in a blocked list is answered with. */
enum dns_answer { ANSWER_NXDOMAIN, ANSWER_REFUSED, ANSWER_ZERO, ANSWER_COUNT };

/* Their words, in that order. */
#define DNS_ANSWER_WORDS "nxdomain", "refused", "zero"

/*
 * Ways of clients past the DNS that is answered here, each of which may be
 * closed: browsers' own DNS over HTTPS, which a canary's name keeps away; the
 * designated resolvers of RFC 9462; iCloud Private Relay; DNS over TLS or QUIC
 * (RFC 7858, RFC 9250).
 */
enum dns_way {
	WAY_CANARY,
	WAY_DDR,
	WAY_PRIVATE_RELAY,
	WAY_ENCRYPTED,
	WAY_COUNT
};

#define WAY_BIT(way) (1U << (way))
/* Those that are closed when nothing is written. */
#define WAYS_CLOSED (WAY_BIT(WAY_CANARY) | WAY_BIT(WAY_DDR))

/* Questions a second and client when nothing is written. */
#define DNS_MAX_RATE 20000U

/* Of a rule that has no domains. */
#define DOMAINS_NONE UINT16_MAX

/*
 * Bits of a rule's agreement: whether the name that a client sends is one that
 * it was told for the address when it asked by DNS.  UNVERIFIED: it sends none,
 * or was told none.
 */
#define RULE_NAME_AGREES 0x01U
#define RULE_NAME_DISAGREES 0x02U
#define RULE_NAME_UNVERIFIED 0x04U
#define RULE_NAME_ALL 0x07U

/* Their words, in that order. */
#define RULE_NAME_WORDS "agrees", "disagrees", "unverified"

#define DNS_PORT 53
#define DNS_TLS_PORT 853

/* Whose address a server sees: this host's, or the client's. */
enum rule_source { SOURCE_HOST, SOURCE_CLIENT, SOURCE_COUNT };

/*
 * Bits of a rule's protocols.  An exclusion that names neither a protocol nor
 * a port has OTHER as well: what is neither TCP nor UDP.  No rule has it.
 */
#define RULE_TCP 0x01U
#define RULE_UDP 0x02U
#define RULE_OTHER 0x04U
#define RULE_PROTOS (RULE_TCP | RULE_UDP)

/* How long a relayed flow of UDP may be silent: RFC 4787, REQ-5. */
#define RULE_UDP_IDLE_MS 300000U

/*
 * How much of a limited thing there may be: of a rule altogether, and of each
 * of its clients.  A client is an address; of what this host begins itself, the
 * kernel tells users apart and a relay only addresses.
 */
enum limit_scope { LIMIT_RULE, LIMIT_CLIENT, LIMIT_SCOPES };

#define LIMIT_COUNT_MAX 1000000U /* of a limit */

/* New flows in a time; as many may begin at once.  count 0: no limit. */
struct rule_rate {
	uint32_t count;
	uint32_t per_s; /* a second, a minute or an hour */
};

/* flows: that are open, 0: no limit. */
struct rule_limits {
	uint32_t flows[LIMIT_SCOPES];
	struct rule_rate rate[LIMIT_SCOPES];
};

/* Both ends belong to it; host order. */
struct port_range {
	uint16_t first;
	uint16_t last;
};

/* Both ends belong to it; never UINT32_MAX, which stands for no user. */
struct uid_range {
	uint32_t first;
	uint32_t last;
};

#endif
