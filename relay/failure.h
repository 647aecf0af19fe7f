/* SPDX-License-Identifier: ISC */
/* How a flow's record says what went wrong.  Pure. */
#ifndef RELAY_FAILURE_H
#define RELAY_FAILURE_H

#include "schema/flow.h"

/* error: why there is no connection to the server, as in the record. */
enum flow_close failure_to_connect(unsigned int error);

/* error: of a connected socket; reset: what its peer's reset is called. */
enum flow_close failure_of_socket(int error, enum flow_close reset);

#endif
