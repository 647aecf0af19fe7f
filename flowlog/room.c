/* SPDX-License-Identifier: ISC */
/* Decides which rows are the oldest; they are removed where they are known. */
#include "flowlog/room.h"

#include <sqlite3.h>

#include "flowlog/store.h"

#define ROWS_LEAST 64

/* 1: there are questions, and none of the flows is older, or of the future. */
static const char which[] =
    "SELECT (SELECT min(id) FROM query) <= coalesce("
    "(SELECT min(end_us) FROM flow), 9223372036854775807)"
    " AND NOT EXISTS (SELECT 1 FROM flow WHERE " STORE_FUTURE ")";
static const char remove_questions[] =
    "DELETE FROM query WHERE id IN (SELECT id FROM query ORDER BY id LIMIT ?1)";

/* Steps a statement once, which may give a number. */
static int
run(struct store *store, const char *text, uint64_t parameter, int *number)
{
	sqlite3_stmt *statement;
	int rc =
	    sqlite3_prepare_v2(store_handle(store), text, -1, &statement, NULL);

	if (rc != SQLITE_OK)
		return store_error(store, rc);
	(void)sqlite3_bind_int64(statement, 1, (int64_t)parameter);
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		*number = sqlite3_column_int(statement, 0);
	(void)sqlite3_finalize(statement);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return 0;
	return store_error(store, rc);
}

int
room_remove_oldest(struct store *store, uint64_t count, uint64_t *removed)
{
	int questions = 0;

	*removed = 0;
	if (run(store, which, 0, &questions) == -1)
		return -1;
	if (!questions)
		return store_remove_oldest(store, count, removed);
	if (run(store, remove_questions, count, &questions) == -1)
		return -1;
	*removed = (uint64_t)sqlite3_changes(store_handle(store));
	return 0;
}

int
room_make(struct store *store, uint64_t added)
{
	uint64_t removed;

	if (!store_is_near_max(store))
		return 0;
	return room_remove_oldest(store, added * 2 + ROWS_LEAST, &removed);
}
