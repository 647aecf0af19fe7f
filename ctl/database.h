/* SPDX-License-Identifier: ISC */
/*
 * The flow log, opened for reading only, as any other reader of group tpx
 * does it.
 */
#ifndef CTL_DATABASE_H
#define CTL_DATABASE_H

#include "ctl/ctl.h"

struct sqlite3;
struct sqlite3_stmt;
struct json;

/*
 * path NULL: where tpxd says the log is, or the default place when none runs.
 * CTL_GOOD and a connection for sqlite3_close(), or another enum ctl_exit,
 * explained.
 */
int database_open(const struct ctl *, const char *path, struct sqlite3 **);

/* Explains what the last call on the connection ran into; CTL_FAILED. */
int database_failed(struct sqlite3 *);

/* The row a statement stands on, as an object of its columns. */
void database_json_row(struct sqlite3_stmt *, struct json *);

#endif
