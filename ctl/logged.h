/* SPDX-License-Identifier: ISC */
/* Rows of one kind from the log, and how they are found and shown. */
#ifndef CTL_LOGGED_H
#define CTL_LOGGED_H

#include <stdint.h>
#include <stdio.h>

#include "ctl/flows.h"

struct sqlite3_stmt;

/*
 * In the texts ?1 is the time in microseconds from which on, ?2 the client, ?3
 * the action and ?4 the host, each of them null for any, ?5 how many at most.
 */
struct logged {
	const char *newest; /* the last ?5, the oldest first */
	const char *fresh;  /* those that are not in temp.shown */
	const char *mark;   /* puts those since ?1 into it: id, time_us */
	int64_t late_us;    /* a row may be written so long after its time */
	void (*head)(FILE *);
	void (*row)(struct sqlite3_stmt *); /* to standard output */
};

/* An enum ctl_exit; --live is not for here. */
int logged_print(
    const struct ctl *, const struct flows_filter *, const struct logged *);

/* A column of the row a statement stands on; NULL or 0 when it is null. */
const char *logged_text(struct sqlite3_stmt *, const char *name);
double logged_number(struct sqlite3_stmt *, const char *name);

#endif
