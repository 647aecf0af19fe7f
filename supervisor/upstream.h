/* SPDX-License-Identifier: ISC */
/* Upstreams that relays cannot reach: told once, and once when that is over. */
#ifndef SUPERVISOR_UPSTREAM_H
#define SUPERVISOR_UPSTREAM_H

#include <stddef.h>
#include <stdint.h>

struct image;
struct tpxd;

/* What a relay has answered; of another generation than the present, nothing.
 */
void upstream_report(struct tpxd *, uint64_t down, uint64_t generation);

/* Says which are no longer down: no relay has told so for a minute. */
void upstream_judge(struct tpxd *, int64_t now_us);

int upstream_is_down(const struct image *, uint32_t);

/* "upstream corp: no address of it can be used" */
void upstream_describe(const struct image *, uint32_t, char *, size_t);

#endif
