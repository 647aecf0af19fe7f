/* SPDX-License-Identifier: ISC */
/* tpxctl sql: one statement that reads, on the flow log. */
#include <getopt.h>
#include <sqlite3.h>
#include <stdio.h>

#include "common/log.h"
#include "ctl/ctl.h"
#include "ctl/database.h"
#include "ctl/json.h"
#include "ctl/table.h"

/* Tabs between columns, as people and other programs both can read. */
static void
text_row(sqlite3_stmt *statement, int head)
{
	const char *text;
	int i;

	for (i = 0; i < sqlite3_column_count(statement); i++) {
		if (i > 0)
			(void)putchar('\t');
		text = head ? sqlite3_column_name(statement, i)
			    : (const char *)sqlite3_column_text(statement, i);
		if (text != NULL)
			(void)table_text(stdout, text);
	}
	(void)putchar('\n');
}

static int
rows_print(sqlite3_stmt *statement, int as_json)
{
	struct json json;
	int rc;

	json_begin(&json, stdout);
	if (as_json)
		json_array(&json, NULL);
	else
		text_row(statement, 1);
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		if (as_json)
			database_json_row(statement, &json);
		else
			text_row(statement, 0);
	}
	if (as_json) {
		json_array_end(&json);
		(void)putchar('\n');
	}
	return rc;
}

static int
statement_run(sqlite3 *db, const char *text, int as_json)
{
	sqlite3_stmt *statement;
	const char *rest;
	int result = CTL_GOOD;

	if (sqlite3_prepare_v2(db, text, -1, &statement, &rest) != SQLITE_OK)
		return database_failed(db);
	if (statement == NULL || *rest != '\0' ||
	    !sqlite3_stmt_readonly(statement)) {
		log_warnx("sql: exactly one statement that only reads");
		result = CTL_FAILED;
	} else if (rows_print(statement, as_json) != SQLITE_DONE) {
		result = database_failed(db);
	}
	(void)sqlite3_finalize(statement);
	return result;
}

int
sql_run(const struct ctl *ctl, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "db", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = NULL;
	sqlite3 *db;
	int c, result;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'd')
			return CTL_USAGE;
		path = optarg;
	}
	if (optind != argc - 1)
		return CTL_USAGE;
	if ((result = database_open(ctl, path, &db)) != CTL_GOOD)
		return result;
	result = statement_run(db, argv[optind], ctl->json);
	(void)sqlite3_close(db);
	return result;
}
