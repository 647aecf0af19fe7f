/* SPDX-License-Identifier: ISC */
/* The two clocks, in microseconds (clock_gettime(2)).  They cannot fail. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

int64_t clock_mono_us(void); /* CLOCK_MONOTONIC: durations and leases */
int64_t clock_real_us(void); /* CLOCK_REALTIME: only for people */

#endif
