/* SPDX-License-Identifier: ISC */
/* Times as people read and write them. */
#ifndef CTL_WHEN_H
#define CTL_WHEN_H

#include <stdint.h>

#define WHEN_BYTES 32

/* "2026-01-31T23:59:59.123Z" (ISO 8601, UTC), as the log writes it. */
char *when_format(int64_t real_us, char buf[WHEN_BYTES]);

/* "3d 4h", "4h 5m", "12.3s": for people only. */
char *when_format_duration(int64_t us, char buf[WHEN_BYTES]);

/* "90s", "30m", "1h", "7d"; -1 with EINVAL for anything else. */
int when_parse_duration(const char *text, int64_t *us);

#endif
