/* SPDX-License-Identifier: ISC */
/*
 * Keeps the kernel as capture.h has set it: what another program removes or
 * changes is put back within a tenth of a second, unless that becomes a fight
 * (netctl/pace.h).  Tells of it by events.
 */
#ifndef NETCTL_DRIFT_H
#define NETCTL_DRIFT_H

#include "netctl/capture.h"
#include "policy/image.h"
#include "policy/render.h"
#include "schema/flow.h"

struct event_base;
struct drift;

/* Has something to say to the operator. */
typedef void drift_event_fn(
    void *ctx, enum event_severity, const char *kind, const char *message);

struct drift_listener {
	drift_event_fn *tell;
	capture_busy_fn *busy;
	void *ctx;
};

/*
 * Begins to watch; NULL with errno.  A successor to a worker that died puts
 * everything back once (inherited), as nobody watched meanwhile.
 */
struct drift *drift_new(struct event_base *, const struct image *,
    const struct render_local *, int inherited, const struct drift_listener *);

/* Another policy is in force; the one before is not used any more. */
void drift_set_image(struct drift *, const struct image *);

#endif
