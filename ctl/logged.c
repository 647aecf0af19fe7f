/* SPDX-License-Identifier: ISC */
/*
 * Flows from the log.  Rows are found by the time they ended, which is the
 * order they are written in.
 */
#include <sqlite3.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "ctl/database.h"
#include "ctl/flows.h"
#include "ctl/json.h"

#define POLL_NS 300000000
/* A row may be written this long after its flow ended. */
#define LATE_US 30000000LL

#define MATCHES                                          \
	" f.end_us >= ?1 AND (?2 IS NULL OR v.src = ?2)" \
	" AND (?3 IS NULL OR v.action = ?3)"             \
	" AND (?4 IS NULL OR v.dst = ?4 OR v.host GLOB ?4)"

static const char newest[] =
    "SELECT v.* FROM (SELECT f.id AS id, f.end_us AS end_us"
    " FROM flow f JOIN flows v ON v.id = f.id WHERE" MATCHES
    " ORDER BY f.end_us DESC, f.id DESC LIMIT ?5) n"
    " JOIN flows v ON v.id = n.id ORDER BY n.end_us, n.id";

/* What was shown already is remembered for as long as it may come up. */
static const char follow_prepare[] =
    "PRAGMA temp_store = MEMORY;"
    "CREATE TEMP TABLE shown (id INTEGER PRIMARY KEY, end_us INTEGER);";
static const char fresh[] =
    "SELECT v.* FROM flow f JOIN flows v ON v.id = f.id WHERE" MATCHES
    " AND f.id NOT IN (SELECT id FROM temp.shown)"
    " ORDER BY f.end_us, f.id LIMIT ?5";
static const char follow_mark[] =
    "INSERT OR IGNORE INTO temp.shown SELECT id, end_us FROM flow"
    " WHERE end_us >= ?1";
static const char follow_forget[] = "DELETE FROM temp.shown WHERE end_us < ?1";

static const char *
text_of(sqlite3_stmt *row, const char *name)
{
	int i;

	for (i = 0; i < sqlite3_column_count(row); i++)
		if (strcmp(sqlite3_column_name(row, i), name) == 0)
			return (const char *)sqlite3_column_text(row, i);
	return NULL;
}

static double
number_of(sqlite3_stmt *row, const char *name)
{
	int i;

	for (i = 0; i < sqlite3_column_count(row); i++)
		if (strcmp(sqlite3_column_name(row, i), name) == 0)
			return sqlite3_column_double(row, i);
	return 0;
}

static void
text_row(sqlite3_stmt *row)
{
	struct flows_line line = { .start = text_of(row, "start"),
		.action = text_of(row, "action"),
		.proto = text_of(row, "proto"),
		.src = text_of(row, "src"),
		.sport = (uint16_t)number_of(row, "sport"),
		.host = text_of(row, "host"),
		.dport = (uint16_t)number_of(row, "dport"),
		.up_bytes = (uint64_t)number_of(row, "up_bytes"),
		.down_bytes = (uint64_t)number_of(row, "down_bytes"),
		.duration_ms = number_of(row, "duration_ms"),
		.close = text_of(row, "close"),
		.rule = text_of(row, "rule") };

	if (line.host == NULL)
		line.host = text_of(row, "dst");
	flows_line_print(stdout, &line);
}

/* json: NULL for text. */
static int
rows_print(sqlite3_stmt *statement, struct json *json, int lines)
{
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		if (json == NULL) {
			text_row(statement);
			continue;
		}
		if (lines)
			json_begin(json, stdout);
		database_json_row(statement, json);
		if (lines)
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

/* Runs one of the texts above from a time on; an sqlite result code. */
static int
select_print(sqlite3 *db, const char *text, const struct flows_filter *filter,
    int64_t since, struct json *json, int lines)
{
	sqlite3_stmt *statement;
	int rc = sqlite3_prepare_v2(db, text, -1, &statement, NULL);

	if (rc != SQLITE_OK)
		return rc;
	bind_filter(statement, filter, since);
	rc = rows_print(statement, json, lines);
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
follow_once(sqlite3 *db, const struct flows_filter *filter, struct json *json)
{
	int64_t since = clock_real_us() - LATE_US;
	int rc;

	(void)sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
	rc = select_print(db, fresh, filter, since, json, 1);
	if (rc == SQLITE_DONE)
		rc = execute(db, follow_mark, since);
	if (rc == SQLITE_DONE)
		rc = execute(db, follow_forget, since);
	(void)sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	return rc;
}

static int
follow(sqlite3 *db, const struct flows_filter *filter, struct json *json)
{
	static const struct timespec delay = { .tv_nsec = POLL_NS };
	struct flows_filter all = *filter;
	int64_t since = clock_real_us() - LATE_US;
	int rc;

	all.most = INT64_MAX;
	if (sqlite3_exec(db, follow_prepare, NULL, NULL, NULL) != SQLITE_OK)
		return SQLITE_ERROR;
	(void)sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
	rc = select_print(db, newest, filter, filter->since_us, json, 1);
	if (rc == SQLITE_DONE)
		rc = execute(db, follow_mark, since);
	(void)sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	while (rc == SQLITE_DONE && fflush(stdout) == 0) {
		(void)nanosleep(&delay, NULL);
		rc = follow_once(db, &all, json);
	}
	return rc;
}

static int
array(sqlite3 *db, const struct flows_filter *filter, struct json *json)
{
	int rc;

	if (json != NULL)
		json_array(json, NULL);
	rc = select_print(db, newest, filter, filter->since_us, json, 0);
	if (json == NULL)
		return rc;
	json_array_end(json);
	(void)putchar('\n');
	return rc;
}

int
flows_logged(const struct ctl *ctl, const struct flows_filter *filter)
{
	struct json json;
	sqlite3 *db;
	int result, rc;

	if ((result = database_open(ctl, filter->db, &db)) != CTL_GOOD)
		return result;
	json_begin(&json, stdout);
	if (!ctl->json)
		flows_head(stdout);
	if (filter->follow)
		rc = follow(db, filter, ctl->json ? &json : NULL);
	else
		rc = array(db, filter, ctl->json ? &json : NULL);
	if (rc != SQLITE_DONE)
		result = database_failed(db);
	(void)sqlite3_close(db);
	return result;
}
