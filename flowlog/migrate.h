/* SPDX-License-Identifier: ISC */
/* Brings a database's tables and views to this version's. */
#ifndef FLOWLOG_MIGRATE_H
#define FLOWLOG_MIGRATE_H

struct sqlite3;

/*
 * An sqlite result code; SQLITE_OK when the database is now this version's,
 * SQLITE_SCHEMA when a newer version made it.
 */
int migrate(struct sqlite3 *);

#endif
