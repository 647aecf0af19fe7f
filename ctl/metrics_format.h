/* SPDX-License-Identifier: ISC */
/*
 * Metrics as text for Prometheus (exposition format 0.0.4) or as JSON.  A
 * family is begun, then come its samples.  Values of labels may hold any bytes:
 * what is not UTF-8, and control characters but a line feed, become U+FFFD.
 */
#ifndef CTL_METRICS_FORMAT_H
#define CTL_METRICS_FORMAT_H

#include <stdint.h>
#include <stdio.h>

#include "ctl/json.h"

struct metrics {
	FILE *out;
	int is_json;
	int begun; /* a family has */
	const char *name;
	struct json json;
};

/* name NULL: the end of a list of them. */
struct metrics_label {
	const char *name;
	const char *value;
};

void metrics_begin(struct metrics *, FILE *, int is_json);
void metrics_end(struct metrics *);

/*
 * Names and help are of this program's own and as the format wants them; type
 * is counter, gauge or histogram.  All have to last until the next family.
 */
void metrics_family(
    struct metrics *, const char *name, const char *type, const char *help);

/* suffix: what a sample of a histogram adds to the family's name, else "". */
void metrics_uint(struct metrics *, const char *suffix,
    const struct metrics_label *, uint64_t value);

/* So many us, as seconds, without loss. */
void metrics_seconds(struct metrics *, const char *suffix,
    const struct metrics_label *, uint64_t us);

/* A bound in us for the label "le", in seconds; returns buf. */
#define METRICS_NUMBER_BYTES 32
char *metrics_seconds_text(uint64_t us, char buf[METRICS_NUMBER_BYTES]);

#endif
