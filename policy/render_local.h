/* SPDX-License-Identifier: ISC */
/* The parts of the capture table that take this host's own sockets. */
#ifndef POLICY_RENDER_LOCAL_H
#define POLICY_RENDER_LOCAL_H

#include "policy/render.h"

/* Only for an image whose setting is not LOCAL_NONE. */
void render_local(const struct image *, const struct render_local *,
    enum render_lease, struct text *);

/* The chain "looped": what comes to PREROUTING by the loopback interface. */
void render_local_looped(const struct image *, const struct render_local *,
    enum render_lease, struct text *);

/* Drops what has a source that is not this host's. */
void render_local_spoofed(struct text *);

#endif
