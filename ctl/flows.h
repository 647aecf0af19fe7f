/* SPDX-License-Identifier: ISC */
/* Which rows `tpxctl flows' and `tpxctl dns' show, and how flows are shown. */
#ifndef CTL_FLOWS_H
#define CTL_FLOWS_H

#include <stdint.h>
#include <stdio.h>

#include "ctl/ctl.h"
#include "schema/flow.h"

#define FLOWS_SHOWN 50 /* unless told otherwise */

/* NULL: any. */
struct flows_filter {
	const char *client;
	const char *action;
	const char *host; /* an address, a name, or *. and a name's end */
	const char *db;
	int64_t since_us; /* CLOCK_REALTIME: ended after that; 0: any */
	int64_t most;
	int live;
	int follow;
};

/* One line of text; strings may be anything. */
struct flows_line {
	const char *start;
	const char *action;
	const char *proto;
	const char *src;
	uint16_t sport;
	const char *host; /* or the original destination */
	uint16_t dport;
	uint64_t up_bytes;
	uint64_t down_bytes;
	double duration_ms;
	const char *close;
	const char *rule;
};

/* Reads the options; -1 when they are no good. */
int flows_options(int argc, char *argv[], struct flows_filter *);

void flows_head(FILE *);
void flows_line_print(FILE *, const struct flows_line *);

/* Returns an enum ctl_exit and prints to standard output. */
int flows_live(const struct ctl *, const struct flows_filter *);

#endif
