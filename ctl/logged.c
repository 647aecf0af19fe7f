/* SPDX-License-Identifier: ISC */
/* Rows of the log, printed once or as they come. */
#include "ctl/logged.h"

#include <sqlite3.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "ctl/database.h"
#include "ctl/json.h"

#define POLL_NS 300000000

/* What was shown already is remembered for as long as it may come up. */
static const char follow_prepare[] =
    "PRAGMA temp_store = MEMORY;"
    "CREATE TEMP TABLE shown (id INTEGER PRIMARY KEY, time_us INTEGER);";
static const char follow_forget[] = "DELETE FROM temp.shown WHERE time_us < ?1";

const char *
logged_text(sqlite3_stmt *row, const char *name)
{
	int i;

	for (i = 0; i < sqlite3_column_count(row); i++)
		if (strcmp(sqlite3_column_name(row, i), name) == 0)
			return (const char *)sqlite3_column_text(row, i);
	return NULL;
}

double
logged_number(sqlite3_stmt *row, const char *name)
{
	int i;

	for (i = 0; i < sqlite3_column_count(row); i++)
		if (strcmp(sqlite3_column_name(row, i), name) == 0)
			return sqlite3_column_double(row, i);
	return 0;
}

/* What is read, and how it is shown. */
struct reading {
	sqlite3 *db;
	const struct logged *rows;
	struct json *json; /* NULL: text */
	int lines;	   /* a document for each row */
};

static int
rows_print(const struct reading *reading, sqlite3_stmt *statement)
{
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		if (reading->json == NULL) {
			reading->rows->row(statement);
			continue;
		}
		if (reading->lines)
			json_begin(reading->json, stdout);
		database_json_row(statement, reading->json);
		if (reading->lines)
			(void)putchar('\n');
	}
	return rc;
}

static void
bind_filter(
    sqlite3_stmt *statement, const struct flows_filter *filter, int64_t since)
{
	(void)sqlite3_bind_int64(statement, 1, since);
	(void)sqlite3_bind_text(
	    statement, 2, filter->client, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(
	    statement, 3, filter->action, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(statement, 4, filter->host, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(statement, 5, filter->most);
}

/* Runs one of the texts from a time on; an sqlite result code. */
static int
select_print(const struct reading *reading, const char *text,
    const struct flows_filter *filter, int64_t since)
{
	sqlite3_stmt *statement;
	int rc = sqlite3_prepare_v2(reading->db, text, -1, &statement, NULL);

	if (rc != SQLITE_OK)
		return rc;
	bind_filter(statement, filter, since);
	rc = rows_print(reading, statement);
	(void)sqlite3_finalize(statement);
	return rc;
}

static int
execute(sqlite3 *db, const char *text, int64_t time_us)
{
	sqlite3_stmt *statement;
	int rc = sqlite3_prepare_v2(db, text, -1, &statement, NULL);

	if (rc != SQLITE_OK)
		return rc;
	(void)sqlite3_bind_int64(statement, 1, time_us);
	rc = sqlite3_step(statement);
	(void)sqlite3_finalize(statement);
	return rc;
}

/* One reading: what is shown and what is remembered must be the same rows. */
static int
follow_step(const struct reading *reading, const char *text,
    const struct flows_filter *filter, int64_t since)
{
	int64_t late = clock_real_us() - reading->rows->late_us;
	int rc;

	(void)sqlite3_exec(reading->db, "BEGIN", NULL, NULL, NULL);
	rc = select_print(reading, text, filter, since == -1 ? late : since);
	if (rc == SQLITE_DONE)
		rc = execute(reading->db, reading->rows->mark, late);
	if (rc == SQLITE_DONE)
		rc = execute(reading->db, follow_forget, late);
	(void)sqlite3_exec(reading->db, "COMMIT", NULL, NULL, NULL);
	return rc;
}

static int
follow(const struct reading *reading, const struct flows_filter *filter)
{
	static const struct timespec delay = { .tv_nsec = POLL_NS };
	const struct logged *rows = reading->rows;
	struct flows_filter all = *filter;
	int rc;

	all.most = INT64_MAX;
	if (sqlite3_exec(reading->db, follow_prepare, NULL, NULL, NULL) !=
	    SQLITE_OK)
		return SQLITE_ERROR;
	rc = follow_step(reading, rows->newest, filter, filter->since_us);
	while (rc == SQLITE_DONE && fflush(stdout) == 0) {
		(void)nanosleep(&delay, NULL);
		rc = follow_step(reading, rows->fresh, &all, -1);
	}
	return rc;
}

static int
array(const struct reading *reading, const struct flows_filter *filter)
{
	int rc;

	if (reading->json != NULL)
		json_array(reading->json, NULL);
	rc = select_print(
	    reading, reading->rows->newest, filter, filter->since_us);
	if (reading->json == NULL)
		return rc;
	json_array_end(reading->json);
	(void)putchar('\n');
	return rc;
}

int
logged_print(const struct ctl *ctl, const struct flows_filter *filter,
    const struct logged *rows)
{
	struct json json;
	struct reading reading = { .rows = rows,
		.json = ctl->json ? &json : NULL,
		.lines = filter->follow };
	int result, rc;

	if ((result = database_open(ctl, filter->db, &reading.db)) != CTL_GOOD)
		return result;
	json_begin(&json, stdout);
	if (!ctl->json)
		rows->head(stdout);
	if (filter->follow)
		rc = follow(&reading, filter);
	else
		rc = array(&reading, filter);
	if (rc != SQLITE_DONE)
		result = database_failed(reading.db);
	(void)sqlite3_close(reading.db);
	return result;
}
