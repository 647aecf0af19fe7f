/* SPDX-License-Identifier: ISC */
/* Becomes tpx-netctl, which knows what in the kernel belongs to tpx. */
#ifndef CTL_NETCTL_H
#define CTL_NETCTL_H

/*
 * Executes it in a mode of netctl/main.c, from a directory.  fd, if not -1,
 * becomes its descriptor 3.  Returns only when it cannot, CTL_FAILED.
 */
int netctl_exec(const char *dir, const char *mode, int fd);

#endif
