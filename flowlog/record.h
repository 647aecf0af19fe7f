/* SPDX-License-Identifier: ISC */
/* Checks flow records that a relay wrote, in a message or in its arena. */
#ifndef FLOWLOG_RECORD_H
#define FLOWLOG_RECORD_H

#include "schema/flow.h"

/*
 * Why this record cannot have come from relay number worker, or NULL when
 * every field is in order.  A record's id names its worker, so that no relay
 * can write another's rows.
 */
const char *record_violation(const struct flow_record *, unsigned int worker);

#endif
