/* SPDX-License-Identifier: ISC */
/* What the supervisor keeps. */
#ifndef SUPERVISOR_SANDBOX_H
#define SUPERVISOR_SANDBOX_H

#include "common/sandbox.h"

extern const struct sandbox supervisor_sandbox;

#endif
