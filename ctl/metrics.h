/* SPDX-License-Identifier: ISC */
/* The names of metrics, which stay, as they are in tpxctl(8). */
#ifndef CTL_METRICS_H
#define CTL_METRICS_H

#include <stdio.h>

struct status;

void metrics_print(const struct status *, FILE *, int is_json);

#endif
