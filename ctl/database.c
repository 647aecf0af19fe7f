/* SPDX-License-Identifier: ISC */
/*
 * Reads a log that may hold anything: its schema runs no code, and its text is
 * escaped where it is shown.
 */
#include "ctl/database.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "ctl/client.h"
#include "ctl/json.h"
#include "policy/conf.h"
#include "schema/flowlog.sql.h"

#define BUSY_MS 2000
#define DATABASE_PATH_BYTES sizeof(((struct msg_ctl_status *)0)->log_path)

static int
on_status(void *ctx, const struct client_message *message)
{
	const struct msg_ctl_status *status = message->body;

	if (message->type == MSG_CTL_STATUS)
		memcpy(ctx, status->log_path, sizeof(status->log_path));
	return 0;
}

/*
 * The path of the log: what tpxd says, or the usual one when none answers.
 * Whoever may not ask it would be shown another log than that of this tpxd.
 */
static int
database_find(const struct ctl *ctl, char path[DATABASE_PATH_BYTES])
{
	int result;

	path[0] = '\0';
	if (client_is_running(ctl) != 0) {
		result =
		    client_ask(ctl, IPC_CTL_COMMAND_STATUS, on_status, path);
		if (result == CTL_NOT_PERMITTED)
			return result;
	}
	if (path[0] == '\0')
		(void)snprintf(path, DATABASE_PATH_BYTES, "%s",
		    CONF_LOG_DIR "/" FLOWLOG_FILE);
	return CTL_GOOD;
}

static int
open_failed(const char *path)
{
	log_warn("%s", path);
	return errno == EACCES ? CTL_NOT_PERMITTED : CTL_FAILED;
}

int
database_open(const struct ctl *ctl, const char *path, struct sqlite3 **out)
{
	char found[DATABASE_PATH_BYTES];
	int result;

	if (path == NULL) {
		if ((result = database_find(ctl, found)) != CTL_GOOD)
			return result;
		path = found;
	}
	/* sqlite would not say why. */
	if (access(path, R_OK) == -1)
		return open_failed(path);
	if (sqlite3_open_v2(path, out, SQLITE_OPEN_READONLY, NULL) !=
		SQLITE_OK ||
	    sqlite3_busy_timeout(*out, BUSY_MS) != SQLITE_OK ||
	    sqlite3_exec(*out, "PRAGMA trusted_schema = OFF", NULL, NULL,
		NULL) != SQLITE_OK) {
		result = database_failed(*out);
		(void)sqlite3_close(*out);
		return result;
	}
	return CTL_GOOD;
}

int
database_failed(struct sqlite3 *db)
{
	log_warnx("flow log: %s", sqlite3_errmsg(db));
	return CTL_FAILED;
}

void
database_json_row(struct sqlite3_stmt *statement, struct json *json)
{
	const char *key;
	int i;

	json_object(json, NULL);
	for (i = 0; i < sqlite3_column_count(statement); i++) {
		key = sqlite3_column_name(statement, i);
		switch (sqlite3_column_type(statement, i)) {
		case SQLITE_INTEGER:
			json_int(json, key, sqlite3_column_int64(statement, i));
			break;
		case SQLITE_FLOAT:
			json_real(
			    json, key, sqlite3_column_double(statement, i));
			break;
		default: /* text, and NULL as well; a blob as text */
			json_string(json, key,
			    (const char *)sqlite3_column_text(statement, i));
		}
	}
	json_object_end(json);
}
