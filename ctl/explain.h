/* SPDX-License-Identifier: ISC */
/* What `tpxctl explain' says of one flow, and how it is printed. */
#ifndef CTL_EXPLAIN_H
#define CTL_EXPLAIN_H

#include <net/if.h>
#include <stdint.h>
#include <stdio.h>

#include "common/addr.h"
#include "policy/course.h"
#include "policy/domain_index.h"
#include "policy/image.h"

/* Where an address is, for the kernel of this host. */
struct explain_site {
	int is_here;		  /* its own, broadcast or multicast */
	int is_reached;		  /* there is a way to it */
	char interface[IFNAMSIZ]; /* of that way; "" without one */
};

/* Asks the routing tables (rtnetlink(7)).  -1 with errno. */
int explain_site_find(const struct addr *, struct explain_site *);

struct explanation {
	const struct image *image;
	struct policy_owner owner; /* what query.flow.owner points to */
	struct course_query query;
	struct course course;
};

void explain_print_text(const struct explanation *, FILE *);
void explain_print_json(const struct explanation *, FILE *);

#endif
