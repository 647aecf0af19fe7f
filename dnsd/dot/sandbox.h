/* SPDX-License-Identifier: ISC */
/* What tpx-dot keeps. */
#ifndef DNSD_DOT_SANDBOX_H
#define DNSD_DOT_SANDBOX_H

#include "common/sandbox.h"

extern const struct sandbox dot_sandbox;

#endif
