/* SPDX-License-Identifier: ISC */
/*
 * What clients are told: for the table that relays and the log read, see
 * policy/binding.h; and, where a rule with `by dns' passes it, for the kernel,
 * by way of netctl.
 */
#ifndef DNSD_NAMES_H
#define DNSD_NAMES_H

#include <stdint.h>

#include "policy/binding.h"
#include "policy/domain_index.h"
#include "policy/image.h"

struct event_base;
struct front_binding;
struct names;

/* Nothing waits any more for that number of names_tell() or a lower one. */
typedef void names_told_fn(void *ctx, uint64_t number);

/* NULL with ENOMEM. */
struct names *names_new(struct event_base *, names_told_fn *, void *ctx);

/* Both have to last until the next ones come. */
void names_configure(
    struct names *, const struct image *, const struct domain_index *);

/* Without a table nothing is kept, and the kernel is asked for nothing. */
void names_set_table(struct names *, struct binding_table *);

/* Takes over a channel to netctl, and asks for all that the table has. */
void names_connect(struct names *, int fd);

/*
 * 0, or a number that comes by names_told_fn when the kernel knows, or will
 * not.  Not while netctl is silent, for longer than FRONT_LEARN_US: then nobody
 * waits for it.
 */
uint64_t names_tell(struct names *, const struct front_binding *);

struct names_stats {
	uint64_t taken;	  /* addresses that the kernel has */
	uint64_t refused; /* that netctl or its queue did not take */
	uint64_t late;	  /* answers that did not wait for a silent netctl */
};

void names_stats(const struct names *, struct names_stats *);

#endif
