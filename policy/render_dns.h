/* SPDX-License-Identifier: ISC */
/* The parts of the capture table that send questions of DNS to dnsd. */
#ifndef POLICY_RENDER_DNS_H
#define POLICY_RENDER_DNS_H

#include "policy/image.h"
#include "policy/render.h"
#include "policy/text.h"

/* In a pause nothing is captured, of DNS neither. */
int render_dns_is_on(const struct image *, enum render_lease);

/* The chains that the lines below go to, and those with hooks of their own. */
void
render_dns(const struct image *, const struct render_local *, struct text *);

/* Who may ask tpx-dot, also in a pause: otherwise no dns block would hold. */
void
render_dot(const struct image *, const struct render_local *, struct text *);

/* What is forwarded: behind the exclusions in a chain before conntrack. */
void render_dns_first(struct text *);

/* What is forwarded: behind conntrack, for what the other could not tell. */
void render_dns_rest(const struct image *, struct text *);

/* What this host sends: behind the lease, in its chain behind conntrack. */
void render_dns_local(struct text *);

/* What this host has sent, on its way round by the loopback interface. */
void render_dns_looped(struct text *);

#endif
