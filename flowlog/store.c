/* SPDX-License-Identifier: ISC */
/*
 * Owns the sqlite connection.  Values from other processes reach SQL only as
 * bound parameters.  Once open it must never wait for a lock: there is no busy
 * handler then.
 */
#include "flowlog/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "flowlog/bind.h"
#include "flowlog/migrate.h"
#include "schema/flowlog.sql.h"

#define OPEN_BUSY_MS 5000
#define PAGE_BYTES 4096
/* Of the quota, what the write-ahead log may keep. */
#define WAL_BYTES_MAX (16U << 20)
#define WAL_SHARE 4
#define CHECKPOINT_PAGES 1000
#define CHECKPOINT_PAGES_MIN 16
#define SHRINK_PAGES "256"
/* Old rows go once 15/16 of the pages are used. */
#define NEARLY(pages) ((pages) - (pages) / 16)

enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	ADD_FLOW,
	SAME_FLOW,
	ADD_EVENT,
	ADD_LOSS,
	FORGET_RULES,
	ADD_RULE,
	NUMBER_RULE,
	FORGET_UPSTREAMS,
	ADD_UPSTREAM,
	NUMBER_UPSTREAM,
	GET_COUNTER,
	SET_COUNTER,
	REMOVE_OLDEST,
	REMOVE_BEFORE,
	REMOVE_EVENTS,
	REMOVE_LOSSES,
	OLDEST,
	LAST_ID,
	SUM_LOSSES,
	PAGES,
	FREE_PAGES,
	SHRINK,
	STATEMENTS
};

/* A generation's rows beyond this many back are of no use to anybody. */
#define GENERATIONS_KEPT "64"

/* Texts that numbers stand for: of rules, and of upstreams. */
#define FORGET_NUMBERS(table)                                 \
	"DELETE FROM " table "_number WHERE generation >= ?1" \
	" OR generation < ?1 - " GENERATIONS_KEPT
#define ADD_TEXT(table) "INSERT OR IGNORE INTO " table " (text) VALUES (?1)"
#define NUMBER_TEXT(table)                                        \
	"INSERT OR REPLACE INTO " table "_number VALUES (?1, ?2," \
	" (SELECT id FROM " table " WHERE text = ?3))"

#define REMOVE_OLD(table)                                               \
	"DELETE FROM " table " WHERE id IN (SELECT id FROM (SELECT id," \
	" time_us FROM " table " ORDER BY id LIMIT ?2) WHERE time_us < ?1)"

static const char *const texts[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[ADD_FLOW] = "INSERT OR IGNORE INTO flow (id, start_us, end_us, proto,"
		     " src, sport, dst, dport, capture, uid, action, up_bytes,"
		     " down_bytes, up_packets, down_packets, connect_us,"
		     " rtt_us, close, error, worker, final, rule, host_source,"
		     " host, upstream, source, ech, dns_agrees)"
		     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
		     " ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,"
		     " ?20, ?21, (SELECT rule FROM rule_number"
		     " WHERE generation = ?22 AND number = ?23), ?24,"
		     " nullif(?25, ''), (SELECT upstream FROM upstream_number"
		     " WHERE generation = ?22 AND number = ?26), ?27, ?28,"
		     " ?29)",
	[SAME_FLOW] = "SELECT count(*) FROM flow WHERE id = ?1 AND"
		      " start_us = ?2 AND sport = ?3 AND dport = ?4",
	[ADD_EVENT] = "INSERT INTO event (time_us, severity, process, kind,"
		      " actor, message, data) VALUES (?1, ?2, ?3, ?4,"
		      " nullif(?5, ''), ?6,"
		      " CASE WHEN json_valid(?7) THEN ?7 END)",
	[ADD_LOSS] = "INSERT INTO loss (time_us, source, kind, count)"
		     " VALUES (?1, ?2, ?3, ?4)",
	[FORGET_RULES] = FORGET_NUMBERS("rule"),
	[ADD_RULE] = ADD_TEXT("rule"),
	[NUMBER_RULE] = NUMBER_TEXT("rule"),
	[FORGET_UPSTREAMS] = FORGET_NUMBERS("upstream"),
	[ADD_UPSTREAM] = ADD_TEXT("upstream"),
	[NUMBER_UPSTREAM] = NUMBER_TEXT("upstream"),
	[GET_COUNTER] = "SELECT value FROM counter WHERE name = ?1",
	[SET_COUNTER] = "INSERT OR REPLACE INTO counter VALUES (?1, ?2)",
	[REMOVE_OLDEST] = "DELETE FROM flow WHERE id IN ("
			  "SELECT * FROM (SELECT id FROM flow"
			  " WHERE " STORE_FUTURE " LIMIT ?1) UNION ALL "
			  "SELECT * FROM (SELECT id FROM flow"
			  " ORDER BY end_us LIMIT ?1) LIMIT ?1)",
	[REMOVE_BEFORE] = "DELETE FROM flow WHERE id IN (SELECT id FROM flow"
			  " WHERE end_us < ?1 ORDER BY end_us LIMIT ?2)",
	[REMOVE_EVENTS] = REMOVE_OLD("event"),
	[REMOVE_LOSSES] = REMOVE_OLD("loss"),
	[OLDEST] = "SELECT min(end_us) FROM flow WHERE NOT " STORE_FUTURE,
	[LAST_ID] = "SELECT max(id) FROM flow WHERE id < ?1",
	[SUM_LOSSES] = "SELECT CAST(total(count) AS INTEGER) FROM loss"
		       " WHERE source = ?1 AND kind = ?2",
	[PAGES] = "PRAGMA page_count",
	[FREE_PAGES] = "PRAGMA freelist_count",
	[SHRINK] = "PRAGMA incremental_vacuum(" SHRINK_PAGES ")",
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	uint64_t rows;
	uint64_t taken;
	/* What the open transaction changes. */
	int64_t rows_pending;
	uint64_t taken_pending;
	uint64_t max_pages; /* 0: no limit */
};

#define ROWS_COUNTER "rows"

/* Steps a bound statement that gives no rows, and resets it. */
static int
run(struct store *store, enum statement which)
{
	sqlite3_stmt *statement = store->statements[which];
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
		continue;
	(void)sqlite3_reset(statement);
	return rc == SQLITE_DONE ? 0 : store_error(store, rc);
}

/* Steps a bound statement that gives at most one number. */
static int
number(struct store *store, enum statement which, int64_t *value)
{
	sqlite3_stmt *statement = store->statements[which];
	int rc = sqlite3_step(statement);

	*value = 0;
	if (rc == SQLITE_ROW)
		*value = sqlite3_column_int64(statement, 0);
	(void)sqlite3_reset(statement);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return 0;
	return store_error(store, rc);
}

struct sqlite3 *
store_handle(struct store *store)
{
	return store->db;
}

static int
prepare(struct store *store)
{
	size_t i;
	int rc;

	for (i = 0; i < STATEMENTS; i++) {
		rc = sqlite3_prepare_v3(store->db, texts[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL);
		if (rc != SQLITE_OK)
			return store_error(store, rc);
	}
	return 0;
}

static int
configure(struct store *store)
{
	static const char pragmas[] = "PRAGMA auto_vacuum = INCREMENTAL;"
				      "PRAGMA journal_mode = WAL;"
				      "PRAGMA synchronous = NORMAL;"
				      "PRAGMA temp_store = MEMORY;"
				      "PRAGMA trusted_schema = OFF;";
	int persist = 1;
	int rc;

	(void)sqlite3_extended_result_codes(store->db, 1);
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	/* Readers without write access need the WAL to be there. */
	(void)sqlite3_file_control(
	    store->db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	rc = sqlite3_exec(store->db, pragmas, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = migrate(store->db);
	return rc == SQLITE_OK ? 0 : store_error(store, rc);
}

static void
release(struct store *store)
{
	size_t i;

	for (i = 0; i < STATEMENTS; i++)
		(void)sqlite3_finalize(store->statements[i]);
	(void)sqlite3_close(store->db);
	free(store);
}

int
store_open_once(const char *dir, struct store **out)
{
	struct store *store = calloc(1, sizeof(*store));
	char path[STORE_PATH_BYTES];
	int saved, rc;

	*out = NULL;
	if (store == NULL)
		return -1;
	if (snprintf(path, sizeof(path), "%s/" FLOWLOG_FILE, dir) >=
	    (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		goto fail;
	}
	rc = sqlite3_open_v2(path, &store->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
	    NULL);
	if (rc != SQLITE_OK) {
		(void)store_error(store, rc);
		goto fail;
	}
	/* A reader that is there already may hold a lock for a moment. */
	(void)sqlite3_busy_timeout(store->db, OPEN_BUSY_MS);
	if (configure(store) == -1 || prepare(store) == -1 ||
	    store_get_counter(store, ROWS_COUNTER, &store->rows) == -1)
		goto fail;
	(void)sqlite3_busy_timeout(store->db, 0);
	*out = store;
	return 0;
fail:
	saved = errno;
	release(store);
	errno = saved;
	return -1;
}

void
store_close(struct store *store)
{
	if (store == NULL)
		return;
	(void)sqlite3_wal_checkpoint_v2(
	    store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	release(store);
}

static int
set_pragma(struct store *store, const char *name, uint64_t value)
{
	char *text = sqlite3_mprintf("PRAGMA %s = %llu", name, value);
	int rc = SQLITE_NOMEM;

	if (text != NULL)
		rc = sqlite3_exec(store->db, text, NULL, NULL, NULL);
	sqlite3_free(text);
	return rc == SQLITE_OK ? 0 : store_error(store, rc);
}

int
store_set_max(struct store *store, uint64_t max_bytes)
{
	uint64_t wal = WAL_BYTES_MAX;
	uint64_t checkpoint = CHECKPOINT_PAGES;
	uint64_t pages = UINT32_MAX - 1;

	store->max_pages = 0;
	if (max_bytes > 0) {
		if (max_bytes / WAL_SHARE < wal)
			wal = max_bytes / WAL_SHARE;
		if (wal / PAGE_BYTES / 2 < checkpoint)
			checkpoint = wal / PAGE_BYTES / 2;
		if (checkpoint < CHECKPOINT_PAGES_MIN)
			checkpoint = CHECKPOINT_PAGES_MIN;
		pages = (max_bytes - wal) / PAGE_BYTES;
		store->max_pages = pages;
	}
	(void)sqlite3_wal_autocheckpoint(store->db, (int)checkpoint);
	if (set_pragma(store, "max_page_count", pages) == -1)
		return -1;
	return set_pragma(store, "journal_size_limit", wal);
}

uint64_t
store_transaction_rows(const struct store *store)
{
	/*
	 * About 30 rows fill a page: this is a sixtieth of the quota.  With the
	 * longest names 10 do, and it is still less than NEARLY() leaves.
	 */
	return store->max_pages == 0 ? UINT64_MAX : store->max_pages / 2 + 1;
}

/*
 * sqlite reads a page once; whoever overwrites the file would be noticed by the
 * next process only.  By sqlite's own descriptor: to close another one would
 * give up its locks (fcntl(2)).
 */
static int
header_check(struct store *store)
{
	static const char magic[16] = "SQLite format 3";
	sqlite3_file *file = NULL;
	char header[sizeof(magic)];

	if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_FILE_POINTER,
		&file) != SQLITE_OK ||
	    file == NULL || file->pMethods == NULL ||
	    file->pMethods->xRead(file, header, sizeof(header), 0) !=
		SQLITE_OK ||
	    memcmp(header, magic, sizeof(magic)) == 0)
		return 0;
	errno = EBADMSG;
	return -1;
}

int
store_begin(struct store *store)
{
	if (header_check(store) == -1)
		return -1;
	store->rows_pending = 0;
	store->taken_pending = 0;
	return run(store, BEGIN);
}

int
store_commit(struct store *store)
{
	uint64_t rows = store->rows + (uint64_t)store->rows_pending;

	if (rows != store->rows &&
	    store_set_counter(store, ROWS_COUNTER, rows) == -1)
		return -1;
	if (run(store, COMMIT) == -1)
		return -1;
	store->rows = rows;
	store->taken += store->taken_pending;
	return 0;
}

void
store_rollback(struct store *store)
{
	int saved = errno;

	/* Some failures have ended the transaction already. */
	if (!sqlite3_get_autocommit(store->db))
		(void)run(store, ROLLBACK);
	errno = saved;
}

/* A row with this id is there: the same one sent again, or another's. */
static int
check_taken(struct store *store, const struct flow_record *record)
{
	sqlite3_stmt *same = store->statements[SAME_FLOW];
	int is_same;

	(void)sqlite3_bind_int64(same, 1, (int64_t)record->id);
	(void)sqlite3_bind_int64(same, 2, record->start_us);
	(void)sqlite3_bind_int64(same, 3, record->sport);
	(void)sqlite3_bind_int64(same, 4, record->dport);
	is_same = sqlite3_step(same) == SQLITE_ROW &&
		  sqlite3_column_int64(same, 0) > 0;
	(void)sqlite3_reset(same);
	if (is_same)
		return 0;
	store->taken_pending++;
	return store_add_loss(store, record->start_us,
	    flow_loss_source(LOSS_ID_TAKEN), flow_loss_kind(LOSS_ID_TAKEN), 1);
}

int
store_add_flow(
    struct store *store, const struct flow_record *record, int *added)
{
	sqlite3_stmt *add = store->statements[ADD_FLOW];
	const int64_t numbers[] = { [1] = (int64_t)record->id,
		[2] = record->start_us,
		[3] = record->start_us + (int64_t)record->duration_us,
		[4] = record->proto,
		[6] = record->sport,
		[8] = record->dport,
		[9] = record->capture,
		[11] = record->action,
		[12] = (int64_t)record->up_bytes,
		[13] = (int64_t)record->down_bytes,
		[14] = record->up_packets,
		[15] = record->down_packets,
		[18] = record->close,
		[21] = record->final,
		[22] = record->generation,
		[23] = record->rule,
		[24] = record->host_source };
	int i;

	/* The places of other kinds are bound again below. */
	for (i = 1; i < (int)(sizeof(numbers) / sizeof(numbers[0])); i++)
		(void)sqlite3_bind_int64(add, i, numbers[i]);
	bind_address(add, 5, record->src);
	bind_address(add, 7, record->dst);
	bind_unless(add, 10, record->uid, FLOW_UID_NONE);
	bind_unless(add, 16, record->connect_us, FLOW_CONNECT_NONE);
	bind_unless(add, 17, record->rtt_us, 0);
	bind_error(add, 19, record->error);
	bind_unless(add, 20, record->worker, LIMIT_FLOW_WORKER);
	(void)sqlite3_bind_text(add, 25, record->host, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(add, 26, record->upstream);
	(void)sqlite3_bind_int64(add, 27, record->source);
	(void)sqlite3_bind_int64(add, 28, record->ech);
	bind_unless(
	    add, 29, flow_agrees(record->dns_agrees), FLOW_AGREES_UNKNOWN);
	if (run(store, ADD_FLOW) == -1)
		return -1;
	*added = sqlite3_changes(store->db);
	store->rows_pending += *added;
	return *added ? 0 : check_taken(store, record);
}

int
store_add_event(struct store *store, const struct msg_event *event)
{
	sqlite3_stmt *add = store->statements[ADD_EVENT];

	(void)sqlite3_bind_int64(add, 1, event->time_us);
	(void)sqlite3_bind_int64(add, 2, (int64_t)event->severity);
	bind_printable(add, 3, event->process);
	bind_printable(add, 4, event->kind);
	bind_printable(add, 5, event->actor);
	bind_printable(add, 6, event->message);
	bind_printable(add, 7, event->data);
	return run(store, ADD_EVENT);
}

int
store_add_loss(struct store *store, int64_t time_us, const char *source,
    const char *kind, uint64_t count)
{
	sqlite3_stmt *add = store->statements[ADD_LOSS];

	(void)sqlite3_bind_int64(add, 1, time_us);
	(void)sqlite3_bind_text(add, 2, source, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(add, 3, kind, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(add, 4, (int64_t)count);
	return run(store, ADD_LOSS);
}

int
store_sum_losses(
    struct store *store, const char *source, const char *kind, uint64_t *sum)
{
	sqlite3_stmt *statement = store->statements[SUM_LOSSES];
	int64_t value;

	(void)sqlite3_bind_text(statement, 1, source, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(statement, 2, kind, -1, SQLITE_STATIC);
	if (number(store, SUM_LOSSES, &value) == -1)
		return -1;
	*sum = (uint64_t)value;
	return 0;
}

static int
forget(struct store *store, enum statement which, uint32_t generation)
{
	(void)sqlite3_bind_int64(store->statements[which], 1, generation);
	return run(store, which);
}

int
store_forget_rules(struct store *store, uint32_t generation)
{
	if (forget(store, FORGET_RULES, generation) == -1)
		return -1;
	return forget(store, FORGET_UPSTREAMS, generation);
}

/* which is followed by the statement that numbers it. */
static int
add_text(struct store *store, enum statement which, uint32_t generation,
    uint16_t number, const char *text)
{
	sqlite3_stmt *add = store->statements[which];
	sqlite3_stmt *set = store->statements[which + 1];

	(void)sqlite3_bind_text(add, 1, text, -1, SQLITE_STATIC);
	if (run(store, which) == -1)
		return -1;
	(void)sqlite3_bind_int64(set, 1, generation);
	(void)sqlite3_bind_int64(set, 2, number);
	(void)sqlite3_bind_text(set, 3, text, -1, SQLITE_STATIC);
	return run(store, which + 1);
}

int
store_add_rule(
    struct store *store, uint32_t generation, uint16_t rule, const char *text)
{
	return add_text(store, ADD_RULE, generation, rule, text);
}

int
store_add_upstream(struct store *store, uint32_t generation, uint16_t upstream,
    const char *text)
{
	return add_text(store, ADD_UPSTREAM, generation, upstream, text);
}

int
store_get_counter(struct store *store, const char *name, uint64_t *value)
{
	int64_t found;

	(void)sqlite3_bind_text(
	    store->statements[GET_COUNTER], 1, name, -1, SQLITE_STATIC);
	if (number(store, GET_COUNTER, &found) == -1)
		return -1;
	*value = (uint64_t)found;
	return 0;
}

int
store_set_counter(struct store *store, const char *name, uint64_t value)
{
	sqlite3_stmt *set = store->statements[SET_COUNTER];

	(void)sqlite3_bind_text(set, 1, name, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(set, 2, (int64_t)value);
	return run(store, SET_COUNTER);
}

static int
remove_run(struct store *store, enum statement which, uint64_t *removed)
{
	if (run(store, which) == -1)
		return -1;
	*removed = (uint64_t)sqlite3_changes64(store->db);
	store->rows_pending -= (int64_t)*removed;
	return 0;
}

static int
remove_others(struct store *store, int64_t before_us, uint64_t count)
{
	static const enum statement removals[] = { REMOVE_EVENTS,
		REMOVE_LOSSES };
	sqlite3_stmt *statement;
	size_t i;

	for (i = 0; i < sizeof(removals) / sizeof(removals[0]); i++) {
		statement = store->statements[removals[i]];
		(void)sqlite3_bind_int64(statement, 1, before_us);
		(void)sqlite3_bind_int64(statement, 2, (int64_t)count);
		if (run(store, removals[i]) == -1)
			return -1;
	}
	return 0;
}

int
store_remove_oldest(struct store *store, uint64_t count, uint64_t *removed)
{
	int64_t oldest_us;

	(void)sqlite3_bind_int64(
	    store->statements[REMOVE_OLDEST], 1, (int64_t)count);
	if (remove_run(store, REMOVE_OLDEST, removed) == -1 ||
	    number(store, OLDEST, &oldest_us) == -1)
		return -1;
	return remove_others(store, oldest_us, count);
}

int
store_remove_before(
    struct store *store, int64_t before_us, uint64_t count, uint64_t *removed)
{
	sqlite3_stmt *statement = store->statements[REMOVE_BEFORE];

	(void)sqlite3_bind_int64(statement, 1, before_us);
	(void)sqlite3_bind_int64(statement, 2, (int64_t)count);
	if (remove_run(store, REMOVE_BEFORE, removed) == -1)
		return -1;
	return remove_others(store, before_us, count);
}

int
store_is_near_max(struct store *store)
{
	int64_t pages, vacant;

	if (store->max_pages == 0 || number(store, PAGES, &pages) == -1 ||
	    number(store, FREE_PAGES, &vacant) == -1)
		return 0;
	return (uint64_t)(pages - vacant) > NEARLY(store->max_pages);
}

int
store_shrink(struct store *store)
{
	int64_t pages;

	if (store->max_pages == 0)
		return 0;
	if (number(store, PAGES, &pages) == -1)
		return -1;
	if ((uint64_t)pages <= store->max_pages)
		return 0;
	if (run(store, SHRINK) == -1)
		return -1;
	/* sqlite does not take a limit below the present size. */
	return set_pragma(store, "max_page_count", store->max_pages);
}

int
store_last_id(struct store *store, uint64_t before, uint64_t *id)
{
	int64_t last;

	(void)sqlite3_bind_int64(
	    store->statements[LAST_ID], 1, (int64_t)before);
	if (number(store, LAST_ID, &last) == -1)
		return -1;
	*id = (uint64_t)last;
	return 0;
}

uint64_t
store_rows(const struct store *store)
{
	return store->rows;
}

uint64_t
store_taken(const struct store *store)
{
	return store->taken;
}

static uint64_t
file_bytes(const struct store *store, int which)
{
	sqlite3_file *file = NULL;
	sqlite3_int64 size = 0;

	(void)sqlite3_file_control(store->db, "main", which, &file);
	if (file == NULL || file->pMethods == NULL ||
	    file->pMethods->xFileSize(file, &size) != SQLITE_OK)
		return 0;
	return (uint64_t)size;
}

uint64_t
store_size_bytes(const struct store *store)
{
	return file_bytes(store, SQLITE_FCNTL_FILE_POINTER) +
	       file_bytes(store, SQLITE_FCNTL_JOURNAL_POINTER);
}
