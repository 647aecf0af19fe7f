/* SPDX-License-Identifier: ISC */
/* Names of flows that the kernel decides and knows none of. */
#ifndef FLOWLOG_HOST_H
#define FLOWLOG_HOST_H

#include "schema/flow.h"

/*
 * Gives a record the name that its client had been told for its destination, if
 * there is one, when it began; that may be a while ago, see bindings.h.
 */
void host_find(struct flow_record *);

#endif
