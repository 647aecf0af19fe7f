/* SPDX-License-Identifier: ISC */
/* What the resolver keeps. */
#ifndef DNSD_RESOLVER_SANDBOX_H
#define DNSD_RESOLVER_SANDBOX_H

#include "common/sandbox.h"

extern const struct sandbox resolver_sandbox;

#endif
