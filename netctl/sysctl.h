/* SPDX-License-Identifier: ISC */
/*
 * The few settings under /proc/sys that tpx changes, and what they were.
 */
#ifndef NETCTL_SYSCTL_H
#define NETCTL_SYSCTL_H

#include <stdint.h>

/* Remembers the present values; a worker inherits them from the keeper. */
void sysctl_remember(void);

/* Sets ours.  A setting that cannot be made is logged. */
void sysctl_apply(void);

/* A setting that is one number; -1 when it cannot be read. */
int sysctl_number(const char *name, uint64_t *value);

/* Puts back what was remembered, where sysctl_apply() has changed it. */
void sysctl_restore(void);

#endif
