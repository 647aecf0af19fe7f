/* SPDX-License-Identifier: ISC */
/* What the flow log keeps. */
#ifndef FLOWLOG_SANDBOX_H
#define FLOWLOG_SANDBOX_H

#include "common/sandbox.h"

extern const struct sandbox flowlog_sandbox;

#endif
