/* SPDX-License-Identifier: ISC */
/* What of a plan is about DNS: statements, and where they are kept. */
#ifndef CTL_PLAN_DNS_H
#define CTL_PLAN_DNS_H

struct image;

/* The texts last as long as the call. */
typedef void plan_dns_fn(
    void *ctx, const char *statement, const char *place, const char *why);

/* Those that decide something; none with dns off. */
void plan_dns_each(const struct image *, plan_dns_fn *, void *ctx);

#endif
