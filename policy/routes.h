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

#define ROUTES_PROTOCOL 116	  /* RTPROT_: tells ours from others', */
#define ROUTES_GUARD_PROTOCOL 117 /* and what stays when tpx ends */
#define ROUTES_TABLE 7478
#define ROUTES_GUARD_TABLE 7479

/*
 * DELIVERY brings marked packets to this host.  GUARD is the second line of
 * on-failure closed, for when somebody flushes the nftables rules: captured
 * packets without the pass mark end in a table whose only route is a
 * blackhole.  GUARD_ALL is that of a guard without a configuration, and has the
 * protocol tag of GUARD.
 */
enum route_part { ROUTE_DELIVERY, ROUTE_GUARD, ROUTE_GUARD_ALL };

enum route_action { ROUTE_LOOKUP, ROUTE_GOTO, ROUTE_NOP };

/*
 * What a rule is for.  The way of what this host sends itself begins at the
 * loopback interface; FORWARDED comes by any other, also by one that is not
 * there yet, and to this host's addresses the table of those leads before.
 */
enum route_from { ROUTE_FROM_ANY, ROUTE_FROM_CAPTURED, ROUTE_FROM_FORWARDED };

struct route_rule {
	enum route_part part;
	uint32_t priority;
	enum route_action action;
	uint32_t target; /* of LOOKUP the table, of GOTO the priority */
	uint8_t protocol;
	uint8_t mark; /* MARK_OURS or MARK_LET; 0: any */
	uint8_t bits; /* of it that are compared */
	enum route_from from;
};

/* The only route of a table: a default one. */
struct route_default {
	enum route_part part;
	uint32_t table;
	uint8_t protocol;
	int is_local; /* local dev lo, else a blackhole */
};

/*
 * Calls found for every rule of a part, for both families and, where it names
 * one, for every captured interface (else NULL).  Stops and returns -1 when
 * found does.  GUARD_ALL needs no image.
 */
typedef int route_rule_fn(
    void *ctx, int family, const struct route_rule *, const char *interface);
int routes_each_rule(
    const struct image *, enum route_part, route_rule_fn *found, void *ctx);

typedef int
route_default_fn(void *ctx, int family, const struct route_default *);
int routes_each_default(enum route_part, route_default_fn *found, void *ctx);

struct route_sysctl {
	const char *name; /* below /proc/sys, with slashes */
	const char *value;
};

/* To be set only when image_has_pass(), and put back at the end. */
extern const struct route_sysctl route_sysctls[];
extern const size_t route_sysctl_count;

/* The above as ip(8) and sysctl(8) commands, one a line. */
void render_routes(const struct image *, struct text *);

#endif
