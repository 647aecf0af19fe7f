/* SPDX-License-Identifier: ISC */
/*
 * The file, network and scope part of a sandbox (landlock(7)).  The constants
 * are our own because Debian 12's headers are older than the kernels it runs
 * on.
 */
#ifndef COMMON_LANDLOCK_H
#define COMMON_LANDLOCK_H

#include <stdint.h>

struct sandbox;
struct sandbox_path;

#define LANDLOCK_SYS_CREATE 444
#define LANDLOCK_SYS_ADD_RULE 445
#define LANDLOCK_SYS_RESTRICT 446

/*
 * ports: to which it may connect by TCP though the sandbox lets it not, ends
 * with 0.  Fatal when it fails; logs what the kernel is too old for.
 */
void landlock_enter(const struct sandbox *, const struct sandbox_path *extra,
    const uint16_t *ports);

#endif
