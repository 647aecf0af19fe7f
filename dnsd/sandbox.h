/* SPDX-License-Identifier: ISC */
/* What dnsd keeps. */
#ifndef DNSD_SANDBOX_H
#define DNSD_SANDBOX_H

#include "common/sandbox.h"

extern const struct sandbox dnsd_sandbox;

#endif
