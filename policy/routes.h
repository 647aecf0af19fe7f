/* SPDX-License-Identifier: ISC */
/*
 * What tpx needs of the kernel beside nftables: policy routing (ip-rule(8),
 * ip-route(8)) that delivers marked packets to this host, and sysctls.
 */
#ifndef POLICY_ROUTES_H
#define POLICY_ROUTES_H

#include <stddef.h>
#include <stdint.h>

#include "policy/image.h"
#include "policy/text.h"

#define ROUTES_PRIORITY 74
#define ROUTES_TABLE 7478
#define ROUTES_PROTOCOL 116 /* RTPROT_: tells ours from others' */

/* fwmark MARK/MASK lookup TABLE */
struct route_rule {
	int family; /* AF_INET, AF_INET6 */
	uint32_t priority;
	uint32_t table;
	uint8_t protocol;
	uint8_t
	    mark; /* MARK_OURS or another: mark_value() of it and the mask */
};

/* local default dev lo */
struct route_local {
	int family;
	uint32_t table;
	uint8_t protocol;
};

struct route_sysctl {
	const char *name; /* below /proc/sys, with slashes */
	const char *value;
};

extern const struct route_rule route_rules[];
extern const size_t route_rule_count;
extern const struct route_local route_locals[];
extern const size_t route_local_count;

/* To be set only when image_has_pass(), and put back at the end. */
extern const struct route_sysctl route_sysctls[];
extern const size_t route_sysctl_count;

/* The above as ip(8) and sysctl(8) commands, one a line. */
void render_routes(const struct image *, struct text *);

#endif
