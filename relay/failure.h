/* SPDX-License-Identifier: ISC */
/* What a flow's row says when its server's side did not get ready.  Pure. */
#ifndef RELAY_FAILURE_H
#define RELAY_FAILURE_H

#include "schema/flow.h"

/* error: errno or an upstream's answer, as in struct flow_entry. */
enum flow_close failure_close(unsigned int error);

#endif
