/* SPDX-License-Identifier: ISC */
/* What the relay keeps. */
#ifndef RELAY_SANDBOX_H
#define RELAY_SANDBOX_H

#include "common/sandbox.h"

extern const struct sandbox relay_sandbox;

#endif
