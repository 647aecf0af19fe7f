/* SPDX-License-Identifier: ISC */
/*
 * The few settings under /proc/sys that tpx changes, and what they were.
 */
#ifndef NETCTL_SYSCTL_H
#define NETCTL_SYSCTL_H

#include <stdint.h>

/*
 * The memory of what they were, which outlives a worker: for the keeper, before
 * it has any.  Fatal when there is none.
 */
void sysctl_share(void);

/*
 * Remembers the present values, unless they are known already: to be called
 * when no other tpxd can have changed them or will put them back.
 */
void sysctl_remember(void);

/* Sets ours.  A setting that cannot be made is logged. */
void sysctl_apply(void);

/* A setting that is one number; -1 when it cannot be read. */
int sysctl_number(const char *name, uint64_t *value);

/* Puts back what was remembered, where sysctl_apply() has changed it. */
void sysctl_restore(void);

#endif
