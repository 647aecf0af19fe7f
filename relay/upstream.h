/* SPDX-License-Identifier: ISC */
/*
 * The upstreams of one configuration as a relay uses them: where they are, how
 * they are spoken to, and which of their addresses have lately failed.  A set
 * outlives its configuration for as long as a flow holds it.
 */
#ifndef RELAY_UPSTREAM_H
#define RELAY_UPSTREAM_H

#include <stdint.h>

#include "policy/image.h"
#include "policy/secret.h"
#include "relay/answer.h"

struct upstreams;

#define UPSTREAM_BACKOFF_US 1000000LL /* the first; it doubles */
#define UPSTREAM_BACKOFF_MOST_US 60000000LL

/*
 * A set for an image and secrets that secrets_check() has accepted; it copies
 * what it needs.  What is known of an address that was in the set before stays
 * known.  before may be NULL.  The caller holds it; NULL with ENOMEM.
 */
struct upstreams *upstreams_new(const struct image *, const struct secret *,
    const struct upstreams *before);

struct upstreams *upstreams_hold(struct upstreams *);
void upstreams_release(struct upstreams *); /* NULL is fine */

enum upstream_kind upstreams_kind(const struct upstreams *, uint16_t upstream);
/* 1 when it is to be given the hosts' names. */
int upstreams_names(const struct upstreams *, uint16_t upstream);
struct credential
upstreams_credential(const struct upstreams *, uint16_t upstream);

/*
 * Endpoints of an upstream that is checked stay aside until a check finds them
 * good: no flow is given to them before.  Of the others:
 * The endpoint to try next: the first, in the order written, that is not in
 * tried (bits, in that order) and not put aside; then the first that is not in
 * tried; FLOW_UPSTREAM_NONE when none is left.  One whose time aside is over
 * is given to one flow, and only to others when that has found it good.
 */
uint16_t upstreams_choose(
    struct upstreams *, uint16_t upstream, uint16_t *tried, int64_t now_us);

/* 1 when all addresses of the upstream are in tried. */
int upstreams_all_tried(
    const struct upstreams *, uint16_t upstream, uint16_t tried);

void upstreams_address(
    const struct upstreams *, uint16_t endpoint, struct addr *, uint16_t *port);

uint32_t upstreams_endpoint_count(const struct upstreams *);
uint16_t upstreams_of_endpoint(const struct upstreams *, uint16_t endpoint);
/* Milliseconds between checks; 0: there are none. */
uint32_t upstreams_check_ms(const struct upstreams *, uint16_t upstream);

/* What a flow or a check has found out about an endpoint. */
void upstreams_good(struct upstreams *, uint16_t endpoint);
void upstreams_bad(struct upstreams *, uint16_t endpoint, int64_t now_us);

/* Bits of upstreams of which every address is put aside. */
uint64_t upstreams_down(const struct upstreams *, int64_t now_us);

#endif
