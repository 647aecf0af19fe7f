/* SPDX-License-Identifier: ISC */
/*
 * tpxctl top: who moves most bytes, from the flows that are open now and those
 * that the log has.  Both meet in a table of this connection's own, so that one
 * statement adds them up; the database itself is only read.
 */
#include <sys/ioctl.h>

#include <getopt.h>
#include <inttypes.h>
#include <pwd.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/database.h"
#include "ctl/json.h"
#include "ctl/live.h"
#include "ctl/table.h"

#define TOP_SHOWN 50
#define TOP_SINCE_US (3600LL * 1000000)
#define REFRESH_US (2LL * 1000000)
#define REST_FACTOR 9 /* of a tenth of a CPU, if the log is big */
#define BYTES_MASK ((UINT64_C(1) << 48) - 1)
#define SCREEN_CLEAR "\033[H\033[J"
#define SCREEN_LINES_TAKEN 3 /* by the heads, and the cursor's own */

static const struct by {
	const char *word;
	const char *key; /* of a result */
	const char *title;
	const char *expression;
} bys[] = {
	{ "hosts", "host", "HOST", "coalesce(v.host, v.dst)" },
	{ "clients", "client", "CLIENT", "v.src" },
	{ "users", "user", "USER", "v.uid" },
	{ "rules", "rule", "RULE", "v.rule" },
	{ "units", "unit", "UNIT", "v.unit" },
};

struct top {
	const struct by *by;
	const char *db; /* NULL: the running one's, and what is open */
	int64_t age_us;
	int64_t most; /* 0: what there is room for */
};

/* The columns of what the statement below gives. */
enum result { FLOWS, OPEN, CLIENTS, UP, DOWN, KEY };

static const char open_table[] =
    "PRAGMA temp_store = MEMORY;"
    "CREATE TEMP TABLE IF NOT EXISTS open_now (id INTEGER PRIMARY KEY, host,"
    " dst, src, uid, rule, unit, up_bytes, down_bytes);"
    "DELETE FROM temp.open_now;";

static const char open_add[] = "INSERT OR IGNORE INTO temp.open_now VALUES"
			       " (?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7, ?8)";

/* A flow that was open has perhaps got its row since.  %s: the expression. */
static const char sums[] =
    "SELECT count(*), sum(is_open), count(DISTINCT src), total(up_bytes),"
    " total(down_bytes), key FROM"
    " (SELECT 0 AS is_open, v.src AS src, v.up_bytes AS up_bytes,"
    " v.down_bytes AS down_bytes, %s AS key"
    " FROM flow f JOIN flows v ON v.id = f.id WHERE f.end_us >= ?1"
    " AND v.final AND f.id NOT IN (SELECT id FROM temp.open_now)"
    " UNION ALL SELECT 1, v.src, v.up_bytes, v.down_bytes, %s"
    " FROM temp.open_now v)"
    " GROUP BY key ORDER BY total(up_bytes) + total(down_bytes) DESC, count(*) "
    "DESC,"
    " key LIMIT ?2";

static int
add_failed(sqlite3_stmt *statement, const struct flow_record *record,
    const struct live_words *words)
{
	int rc;

	(void)sqlite3_reset(statement);
	(void)sqlite3_clear_bindings(statement);
	(void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)record->id);
	(void)sqlite3_bind_text(statement, 2, words->host, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(statement, 3, words->dst, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(statement, 4, words->src, -1, SQLITE_STATIC);
	if (record->uid != FLOW_UID_NONE)
		(void)sqlite3_bind_int64(statement, 5, record->uid);
	(void)sqlite3_bind_text(statement, 6, words->rule, -1, SQLITE_STATIC);
	/* Whatever a relay has written there, it is not less than nothing. */
	(void)sqlite3_bind_int64(
	    statement, 7, (sqlite3_int64)(record->up_bytes & BYTES_MASK));
	(void)sqlite3_bind_int64(
	    statement, 8, (sqlite3_int64)(record->down_bytes & BYTES_MASK));
	rc = sqlite3_step(statement);
	return rc != SQLITE_DONE;
}

struct adding {
	sqlite3_stmt *statement;
	int failed;
};

static void
on_open(
    void *ctx, const struct flow_record *record, const struct live_words *words)
{
	struct adding *adding = ctx;

	adding->failed |= add_failed(adding->statement, record, words);
}

/* What is open goes into the table; an enum ctl_exit. */
static int
open_read(const struct ctl *ctl, const struct top *top, sqlite3 *db)
{
	struct adding adding = { 0 };
	int result = CTL_GOOD;

	if (sqlite3_exec(db, open_table, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, open_add, -1, &adding.statement, NULL) !=
		SQLITE_OK)
		return database_failed(db);
	/* A file that is named is looked at for itself. */
	if (top->db == NULL)
		result = live_each(ctl, on_open, &adding);
	(void)sqlite3_finalize(adding.statement);
	if (result == CTL_GOOD && adding.failed)
		return database_failed(db);
	return result;
}

static const char *
key_text(const struct top *top, sqlite3_stmt *row)
{
	const char *key = (const char *)sqlite3_column_text(row, KEY);
	const struct passwd *user;

	if (key == NULL || strcmp(top->by->word, "users") != 0)
		return key;
	user = getpwuid((uid_t)sqlite3_column_int64(row, KEY));
	return user != NULL ? user->pw_name : key;
}

static void
json_row(const struct top *top, sqlite3_stmt *row, struct json *json)
{
	static const char *const names[KEY] = { "flows", "open", "clients",
		"up_bytes", "down_bytes" };
	int i;

	json_object(json, NULL);
	json_string(json, top->by->key, key_text(top, row));
	for (i = 0; i < KEY; i++)
		json_int(json, names[i], sqlite3_column_int64(row, i));
	json_object_end(json);
}

static void
head_print(const struct top *top, struct table_column columns[KEY + 2])
{
	static const struct table_column fixed[KEY] = { { "FLOWS", 9 },
		{ "OPEN", 7 }, { "CLIENTS", 7 }, { "UP", 6 }, { "DOWN", 6 } };

	memcpy(columns, fixed, sizeof(fixed));
	columns[KEY].title = top->by->title;
	columns[KEY].width = 0;
	columns[KEY + 1].title = NULL;
	table_head(stdout, columns);
}

static void
text_row(const struct top *top, sqlite3_stmt *row,
    const struct table_column *columns)
{
	char counts[UP][24], up[16], down[16];
	const char *const cells[] = { counts[FLOWS], counts[OPEN],
		counts[CLIENTS],
		table_bytes((uint64_t)sqlite3_column_int64(row, UP), up),
		table_bytes((uint64_t)sqlite3_column_int64(row, DOWN), down),
		key_text(top, row) };
	int i;

	for (i = 0; i < UP; i++)
		(void)snprintf(counts[i], sizeof(counts[i]), "%" PRId64,
		    (int64_t)sqlite3_column_int64(row, i));
	table_row(stdout, columns, cells);
}

/* A table, or an array of objects; an sqlite result code. */
static int
rows_print(const struct top *top, sqlite3_stmt *statement, struct json *json)
{
	struct table_column columns[KEY + 2];
	int rc;

	if (json != NULL)
		json_array(json, NULL);
	else
		head_print(top, columns);
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		if (json != NULL)
			json_row(top, statement, json);
		else
			text_row(top, statement, columns);
	}
	if (json != NULL) {
		json_array_end(json);
		(void)putchar('\n');
	}
	return rc;
}

static int
sums_print(const struct top *top, sqlite3 *db, struct json *json, int64_t most)
{
	char text[sizeof(sums) + 64];
	sqlite3_stmt *statement;
	int rc;

	(void)snprintf(
	    text, sizeof(text), sums, top->by->expression, top->by->expression);
	rc = sqlite3_prepare_v2(db, text, -1, &statement, NULL);
	if (rc != SQLITE_OK)
		return database_failed(db);
	(void)sqlite3_bind_int64(statement, 1, clock_real_us() - top->age_us);
	(void)sqlite3_bind_int64(statement, 2, most);
	rc = rows_print(top, statement, json);
	(void)sqlite3_finalize(statement);
	return rc == SQLITE_DONE ? CTL_GOOD : database_failed(db);
}

static int64_t
screen_rows(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == -1 ||
	    size.ws_row <= SCREEN_LINES_TAKEN)
		return TOP_SHOWN;
	return size.ws_row - SCREEN_LINES_TAKEN;
}

static void
rest(int64_t took_us)
{
	int64_t rest_us = REST_FACTOR * took_us;
	struct timespec pause;

	if (rest_us < REFRESH_US)
		rest_us = REFRESH_US;
	pause.tv_sec = rest_us / 1000000;
	pause.tv_nsec = rest_us % 1000000 * 1000;
	(void)nanosleep(&pause, NULL);
}

/* Until somebody interrupts it, or there is nobody to ask any more. */
static int
screen(const struct ctl *ctl, const struct top *top, sqlite3 *db)
{
	char now[WHEN_BYTES];
	int64_t begin_us;
	int result;

	/* The last table stands until the next one is whole. */
	(void)setvbuf(stdout, NULL, _IOFBF, 0);
	for (;;) {
		begin_us = clock_mono_us();
		if ((result = open_read(ctl, top, db)) != CTL_GOOD)
			return result;
		(void)printf(
		    SCREEN_CLEAR "%s\n", when_format(clock_real_us(), now));
		result = sums_print(
		    top, db, NULL, top->most != 0 ? top->most : screen_rows());
		if (result != CTL_GOOD || fflush(stdout) != 0)
			return result;
		rest(clock_mono_us() - begin_us);
	}
}

static int
once(const struct ctl *ctl, const struct top *top, sqlite3 *db)
{
	struct json json;
	int result = open_read(ctl, top, db);

	if (result != CTL_GOOD)
		return result;
	json_begin(&json, stdout);
	return sums_print(top, db, ctl->json ? &json : NULL,
	    top->most != 0 ? top->most : TOP_SHOWN);
}

/* -1: not a number of rows. */
static int64_t
count_read(const char *text)
{
	char *end;
	long long count = strtoll(text, &end, 10);

	return *text != '\0' && *end == '\0' && count > 0 ? count : -1;
}

static const struct by *
by_word(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(bys) / sizeof(bys[0]); i++)
		if (strcmp(bys[i].word, word) == 0)
			return &bys[i];
	return NULL;
}

static int
options_read(int argc, char *argv[], struct top *top)
{
	static const struct option options[] = {
		{ "since", required_argument, NULL, 's' },
		{ "db", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	/* What is to be added up may stand in front. */
	if (argc > 1 && argv[1][0] != '-') {
		if ((top->by = by_word(argv[1])) == NULL)
			return -1;
		argc--;
		argv++;
	}
	while ((c = getopt_long(argc, argv, "n:", options, NULL)) != -1) {
		if (c == 'd')
			top->db = optarg;
		else if (c == 's' &&
			 when_parse_duration(optarg, &top->age_us) == -1)
			return -1;
		else if (c == 'n' && (top->most = count_read(optarg)) == -1)
			return -1;
		else if (c == '?')
			return -1;
	}
	return optind == argc ? 0 : -1;
}

int
top_run(const struct ctl *ctl, int argc, char *argv[])
{
	struct top top = { .by = &bys[0], .age_us = TOP_SINCE_US };
	sqlite3 *db;
	int result;

	if (options_read(argc, argv, &top) == -1)
		return CTL_USAGE;
	if ((result = database_open(ctl, top.db, &db)) != CTL_GOOD)
		return result;
	if (!ctl->json && isatty(STDOUT_FILENO))
		result = screen(ctl, &top, db);
	else
		result = once(ctl, &top, db);
	(void)sqlite3_close(db);
	return result;
}
