/* SPDX-License-Identifier: ISC */
/*
 * Applies schema/flowlog.sql.h.  Tables change only by a migration; views are
 * made anew whenever their text differs, so a new word needs no migration.
 */
#include "flowlog/migrate.h"

#include <sqlite3.h>
#include <stddef.h>
#include <string.h>

#include "schema/dns.h"
#include "schema/flow.h"
#include "schema/flowlog.sql.h"

/* The n-th takes a database from user_version n to n + 1. */
static const char *const migrations[] = { FLOWLOG_TABLES_1, FLOWLOG_TABLES_2,
	FLOWLOG_TABLES_3, FLOWLOG_TABLES_4, FLOWLOG_TABLES_5, FLOWLOG_TABLES_6,
	FLOWLOG_TABLES_7 };

#define VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

#define WORDS_MOST 6

struct words {
	const char *column;
	const char *(*word)(unsigned int);
	unsigned int count;
};

static const struct words host_sources = { "f.host_source",
	flow_host_source_word, FLOW_HOST_COUNT };
static const struct words sources = { "f.source", flow_source_word,
	FLOW_SOURCE_COUNT };
static const struct words captures = { "f.capture", flow_capture_word,
	FLOW_CAPTURE_COUNT };
static const struct words actions = { "f.action", flow_action_word,
	FLOW_ACTION_COUNT };
static const struct words closes = { "f.close", flow_close_word,
	FLOW_CLOSE_COUNT };
static const struct words severities = { "severity", event_severity_word,
	SEVERITY_COUNT };

static const struct words transports = { "q.transport", dns_transport_word,
	DNS_TRANSPORT_COUNT };
static const struct words rcodes = { "q.rcode", dns_rcode_word,
	DNS_RCODE_COUNT };
static const struct words dns_sources = { "q.source", dns_source_word,
	DNS_SOURCE_COUNT };
static const struct words securities = { "q.dnssec", dns_security_word,
	DNS_SECURITY_COUNT };
static const struct words dns_actions = { "q.action", flow_action_word,
	FLOW_ACTION_COUNT };
static const struct words dns_captures = { "q.capture", flow_capture_word,
	FLOW_CAPTURE_COUNT };

/* words: what each %s of the text stands for. */
static const struct view {
	const char *name;
	const char *text;
	const struct words *words[WORDS_MOST];
} views[] = {
	{ "flows", FLOWLOG_VIEW_FLOWS,
	    { &host_sources, &captures, &actions, &closes, &sources } },
	{ "dns", FLOWLOG_VIEW_DNS,
	    { &transports, &rcodes, &dns_sources, &securities, &dns_actions,
		&dns_captures } },
	{ "dns_blocked", FLOWLOG_VIEW_DNS_BLOCKED, { NULL } },
	{ "events", FLOWLOG_VIEW_EVENTS, { &severities } },
	{ "drops", FLOWLOG_VIEW_DROPS, { NULL } },
	{ "top_hosts", FLOWLOG_VIEW_TOP_HOSTS, { NULL } },
	{ "top_clients", FLOWLOG_VIEW_TOP_CLIENTS, { NULL } },
	{ "denied", FLOWLOG_VIEW_DENIED, { NULL } },
	{ "failed", FLOWLOG_VIEW_FAILED, { NULL } },
	{ "hourly", FLOWLOG_VIEW_HOURLY, { NULL } },
	{ "unnamed", FLOWLOG_VIEW_UNNAMED, { NULL } },
	{ "long_flows", FLOWLOG_VIEW_LONG_FLOWS, { NULL } },
	{ "gaps", FLOWLOG_VIEW_GAPS, { NULL } },
};

#define VIEWS (sizeof(views) / sizeof(views[0]))

/* Numbers without a word stay NULL. */
static void
word_append(sqlite3_str *text, unsigned int number, const char *word)
{
	if (word != NULL && strcmp(word, "?") != 0)
		sqlite3_str_appendf(text, " WHEN %u THEN %Q", number, word);
}

/* A CASE expression for sqlite3_free(), NULL when memory is short. */
static char *
words_case(const struct words *words)
{
	sqlite3_str *text = sqlite3_str_new(NULL);
	unsigned int n;

	if (words == NULL) {
		sqlite3_str_appendall(text, "NULL");
		return sqlite3_str_finish(text);
	}
	sqlite3_str_appendf(text, "CASE %s", words->column);
	for (n = 0; n < words->count; n++)
		word_append(text, n, words->word(n));
	sqlite3_str_appendall(text, " END");
	return sqlite3_str_finish(text);
}

static char *
view_text(const struct view *view)
{
	char *cases[WORDS_MOST];
	char *select, *text = NULL;
	size_t i;

	for (i = 0; i < WORDS_MOST; i++)
		cases[i] = words_case(view->words[i]);
	_Static_assert(WORDS_MOST == 6, "each is an argument");
	select = sqlite3_mprintf(view->text, cases[0], cases[1], cases[2],
	    cases[3], cases[4], cases[5]);
	if (select != NULL)
		text =
		    sqlite3_mprintf("CREATE VIEW %s AS %s", view->name, select);
	for (i = 0; i < WORDS_MOST; i++)
		sqlite3_free(cases[i]);
	sqlite3_free(select);
	return text;
}

static int
get_version(sqlite3 *db, int *version)
{
	sqlite3_stmt *statement;
	int rc =
	    sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL);

	if (rc != SQLITE_OK)
		return rc;
	if ((rc = sqlite3_step(statement)) == SQLITE_ROW)
		*version = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int
tables_migrate(sqlite3 *db, int version)
{
	char *pragma;
	int rc = SQLITE_OK;

	if (version == VERSION)
		return SQLITE_OK;
	for (; version < VERSION && rc == SQLITE_OK; version++)
		rc = sqlite3_exec(db, migrations[version], NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return rc;
	pragma = sqlite3_mprintf("PRAGMA user_version = %d", VERSION);
	if (pragma == NULL)
		return SQLITE_NOMEM;
	rc = sqlite3_exec(db, pragma, NULL, NULL, NULL);
	sqlite3_free(pragma);
	return rc;
}

/* SQLITE_ROW: there with this text, SQLITE_DONE: not so. */
static int
view_is(sqlite3 *db, const char *name, const char *text)
{
	sqlite3_stmt *statement;
	int rc = sqlite3_prepare_v2(db,
	    "SELECT 1 FROM sqlite_schema WHERE type = 'view'"
	    " AND name = ?1 AND sql = ?2",
	    -1, &statement, NULL);

	if (rc != SQLITE_OK)
		return rc;
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, text, -1, SQLITE_STATIC);
	rc = sqlite3_step(statement);
	sqlite3_finalize(statement);
	return rc;
}

static int
view_migrate(sqlite3 *db, const struct view *view)
{
	char *text = view_text(view);
	char *drop = sqlite3_mprintf("DROP VIEW IF EXISTS %s", view->name);
	int rc = SQLITE_NOMEM;

	if (text != NULL && drop != NULL)
		rc = view_is(db, view->name, text);
	if (rc == SQLITE_DONE) {
		rc = sqlite3_exec(db, drop, NULL, NULL, NULL);
		if (rc == SQLITE_OK)
			rc = sqlite3_exec(db, text, NULL, NULL, NULL);
	} else if (rc == SQLITE_ROW) {
		rc = SQLITE_OK;
	}
	sqlite3_free(text);
	sqlite3_free(drop);
	return rc;
}

static int
all_migrate(sqlite3 *db, int version)
{
	int rc = tables_migrate(db, version);
	size_t i;

	for (i = 0; i < VIEWS && rc == SQLITE_OK; i++)
		rc = view_migrate(db, &views[i]);
	return rc;
}

int
migrate(struct sqlite3 *db)
{
	int version = 0;
	int rc = get_version(db, &version);

	if (rc != SQLITE_OK)
		return rc;
	if (version > VERSION)
		return SQLITE_SCHEMA;
	rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return rc;
	rc = all_migrate(db, version);
	if (rc == SQLITE_OK)
		return sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}
