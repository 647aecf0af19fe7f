/* SPDX-License-Identifier: ISC */
/* What the test has seen, line by line as it goes or as one JSON object. */
#ifndef CTL_LEAK_REPORT_H
#define CTL_LEAK_REPORT_H

#include "ctl/json.h"
#include "ctl/leak/phase.h"

struct report {
	int as_json;
	struct json json;
	unsigned int phases;
	uint64_t sent;
};

void report_begin(struct report *, int as_json);
void report_phase(void *report, const struct phase_result *);

/* complete: all phases were run. */
void report_end(struct report *, const struct trial *, int complete);

#endif
