/* SPDX-License-Identifier: ISC */
/* What is done to tpx while sentinels fly, phase by phase. */
#ifndef CTL_LEAK_PHASE_H
#define CTL_LEAK_PHASE_H

#include "ctl/leak/instance.h"
#include "ctl/leak/trial.h"

struct phase_result {
	const char *name;
	uint64_t sent;
	int own_silent;		  /* the gateway's own were not */
	struct trial_count count; /* at its end */
	uint64_t leaked;
};

/* Gets every phase's result as it ends. */
typedef void phase_fn(void *ctx, const struct phase_result *);

/*
 * Runs all phases, or those of --quick.  0, also when something leaked, or -1
 * when the test could not be carried through; why was logged.
 */
int phase_run_all(struct trial *, struct instance *, size_t image_len,
    int quick, phase_fn *on_result, void *ctx);

#endif
