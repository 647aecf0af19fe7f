/* SPDX-License-Identifier: ISC */
/* What netctl keeps: the keeper stays in set-up, each worker goes on. */
#ifndef NETCTL_SANDBOX_H
#define NETCTL_SANDBOX_H

#include "common/sandbox.h"

extern const struct sandbox netctl_sandbox;

#endif
