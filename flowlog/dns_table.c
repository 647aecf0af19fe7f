/* SPDX-License-Identifier: ISC */
/*
 * Owns the statements on the table of questions.  Values reach SQL only as
 * bound parameters; what a client has asked for is text by then, of which
 * dns_name_text() has escaped whatever is not plain.
 */
#include "flowlog/dns_table.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "common/addr.h"
#include "flowlog/bind.h"
#include "flowlog/store.h"

/*
 * Another row may have that time; this many further ones are tried, more than
 * there are workers.  A worker gives times one behind the other to what it has
 * read at once, so each step goes beyond that: else who comes second would look
 * at all of it.
 */
#define IDS_TRIED 128
#define ID_STEP_US 67

enum statement { ADD, ADD_TOGETHER, RULE, FIND, REMOVE_BEFORE, STATEMENTS };

#define TOGETHER 16 /* rows of one statement */
#define COLUMNS 19
#define ROW "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define ROWS4 ROW ", " ROW ", " ROW ", " ROW
#define INTO                                                       \
	" INTO query (id, client, cport, server, transport,"       \
	" capture, qname, qtype, rcode, answers, ttl, latency_us," \
	" source, dnssec, ede, action, rule, worker, one_in) VALUES "

static const char *const texts[STATEMENTS] = {
	[ADD] = "INSERT OR IGNORE" INTO ROW,
	/* What stands before a row that cannot be added, is added. */
	[ADD_TOGETHER] =
	    "INSERT OR FAIL" INTO ROWS4 ", " ROWS4 ", " ROWS4 ", " ROWS4,
	[RULE] = "SELECT rule FROM rule_number"
		 " WHERE generation = ?1 AND number = ?2",
	[FIND] = "SELECT 1 FROM query WHERE id = ?1 AND client = ?2"
		 " AND cport = ?3 AND qname IS ?4 AND qtype IS ?5",
	[REMOVE_BEFORE] = "DELETE FROM query WHERE id IN (SELECT id FROM query"
			  " WHERE id < ?1 ORDER BY id LIMIT ?2)",
};

/* What a record is as text, for as long as it is bound. */
struct texts {
	char client[ADDR_TEXT_BYTES];
	char server[ADDR_TEXT_BYTES];
	char name[DNS_NAME_TEXT_BYTES];
	char type[DNS_WORD_BYTES];
	const char *type_word;
	/* Each byte may become six: \u00XX does not occur, \\ddd does. */
	char answers[LIMIT_DNS_SUMMARY_BYTES * 6 + 3];
};

struct dns_table {
	struct store *store;
	sqlite3_stmt *statements[STATEMENTS];
	struct texts text[TOGETHER];
};

static char *
append(char *to, const char *text)
{
	while (*text != '\0') {
		/* The only such bytes that dns_name_text() gives. */
		if (*text == '\\' || *text == '"')
			*to++ = '\\';
		*to++ = *text++;
	}
	return to;
}

/* The address or the name of an item; of other types the type. */
static char *
item_append(char *to, const struct dns_item *item)
{
	char text[DNS_NAME_TEXT_BYTES];
	struct addr addr = { { [10] = 0xff, [11] = 0xff } };

	if (item->bytes == 0)
		return append(to, dns_type_text(item->type, text));
	if (item->type != DNS_TYPE_A && item->type != DNS_TYPE_AAAA)
		return append(to, dns_name_text(item->data, text));
	memcpy(addr.byte + sizeof(addr.byte) - item->bytes, item->data,
	    item->bytes);
	return append(to, addr_format(&addr, text));
}

/* A JSON array of those items that the record has; NULL: none. */
static const char *
answers_text(const struct dns_record *record, char *buf)
{
	struct dns_item item;
	size_t at = 0;
	char *to = buf;

	while (dns_record_item(record, &at, &item) == 0) {
		*to = to == buf ? '[' : ',';
		to++;
		*to++ = '"';
		to = item_append(to, &item);
		*to++ = '"';
	}
	if (to == buf)
		return NULL;
	*to++ = ']';
	*to = '\0';
	return buf;
}

static void
bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	(void)sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

/* client, cport, qname, qtype: by which a question told twice is known. */
static void
bind_key(sqlite3_stmt *statement, const struct dns_record *record,
    const struct texts *text, const int at[4])
{
	bind_text(statement, at[0], text->client);
	(void)sqlite3_bind_int(statement, at[1], record->cport);
	bind_text(
	    statement, at[2], record->name_bytes == 0 ? NULL : text->name);
	bind_text(
	    statement, at[3], record->name_bytes == 0 ? NULL : text->type_word);
}

static void
texts_fill(const struct dns_record *record, struct texts *text)
{
	struct addr addr;

	memcpy(addr.byte, record->client, sizeof(addr.byte));
	(void)addr_format(&addr, text->client);
	memcpy(addr.byte, record->server, sizeof(addr.byte));
	(void)addr_format(&addr, text->server);
	if (record->name_bytes != 0)
		(void)dns_name_text(record->rest, text->name);
	text->type_word = dns_type_text(record->qtype, text->type);
}

/* Of a blocked question; a rule that nobody knows any more is none. */
static void
bind_rule(struct dns_table *table, sqlite3_stmt *statement, int at,
    const struct dns_record *record)
{
	sqlite3_stmt *rule = table->statements[RULE];

	(void)sqlite3_bind_null(statement, at);
	if (record->rule == DNS_RULE_NONE)
		return;
	(void)sqlite3_bind_int64(rule, 1, record->generation);
	(void)sqlite3_bind_int64(rule, 2, record->rule);
	if (sqlite3_step(rule) == SQLITE_ROW)
		(void)sqlite3_bind_value(
		    statement, at, sqlite3_column_value(rule, 0));
	(void)sqlite3_reset(rule);
}

/* The n-th row of a statement that adds some; its id, too. */
static void
bind_record(struct dns_table *table, sqlite3_stmt *statement, int n,
    const struct dns_record *record)
{
	struct texts *text = &table->text[n];
	int row = n * COLUMNS;
	const int key[4] = { row + 2, row + 3, row + 7, row + 8 };

	texts_fill(record, text);
	bind_key(statement, record, text, key);
	(void)sqlite3_bind_int64(statement, row + 1, record->time_us);
	bind_text(statement, row + 4, text->server);
	(void)sqlite3_bind_int(statement, row + 5, record->transport);
	(void)sqlite3_bind_int(statement, row + 6, record->capture);
	(void)sqlite3_bind_int(statement, row + 9, record->rcode);
	bind_text(statement, row + 10, answers_text(record, text->answers));
	bind_unless(statement, row + 11, record->ttl_s, DNS_TTL_NONE);
	(void)sqlite3_bind_int64(statement, row + 12, record->latency_us);
	(void)sqlite3_bind_int(statement, row + 13, record->source);
	(void)sqlite3_bind_int(statement, row + 14, record->security);
	bind_unless(statement, row + 15, record->ede, DNS_EDE_NONE);
	(void)sqlite3_bind_int(statement, row + 16, record->action);
	bind_rule(table, statement, row + 17, record);
	(void)sqlite3_bind_int(statement, row + 18, record->worker);
	bind_unless(statement, row + 19, record->one_in, 1);
}

/* Runs a statement that gives no rows. */
static int
run(struct dns_table *table, enum statement which)
{
	sqlite3_stmt *statement = table->statements[which];
	int rc = sqlite3_step(statement);

	(void)sqlite3_reset(statement);
	return rc == SQLITE_DONE ? 0 : store_error(table->store, rc);
}

/* 1 when the row of that id is this very question; -1 with errno. */
static int
is_there(struct dns_table *table, const struct dns_record *record,
    const struct texts *text, int64_t id)
{
	static const int key[4] = { 2, 3, 4, 5 };
	sqlite3_stmt *statement = table->statements[FIND];
	int rc;

	(void)sqlite3_bind_int64(statement, 1, id);
	bind_key(statement, record, text, key);
	rc = sqlite3_step(statement);
	(void)sqlite3_reset(statement);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return rc == SQLITE_ROW;
	return store_error(table->store, rc);
}

int
dns_table_add(
    struct dns_table *table, const struct dns_record *record, int *added)
{
	sqlite3_stmt *statement = table->statements[ADD];
	int64_t id = record->time_us;
	int found, i;

	bind_record(table, statement, 0, record);
	*added = 0;
	for (i = 0; i < IDS_TRIED; i++, id += ID_STEP_US) {
		(void)sqlite3_bind_int64(statement, 1, id);
		if (run(table, ADD) == -1)
			return -1;
		if (sqlite3_changes(store_handle(table->store)) != 0) {
			*added = 1;
			return 0;
		}
		found = is_there(table, record, &table->text[0], id);
		if (found != 0)
			return found == 1 ? 0 : -1;
	}
	*added = -1;
	return 0;
}

/* How many were added: those before one whose id is taken; -1 with errno. */
static int
add_together(
    struct dns_table *table, const struct dns_record *const records[TOGETHER])
{
	sqlite3_stmt *statement = table->statements[ADD_TOGETHER];
	int i, rc;

	for (i = 0; i < TOGETHER; i++)
		bind_record(table, statement, i, records[i]);
	rc = sqlite3_step(statement);
	(void)sqlite3_reset(statement);
	if (rc != SQLITE_DONE && (rc & 0xff) != SQLITE_CONSTRAINT)
		return store_error(table->store, rc);
	return sqlite3_changes(store_handle(table->store));
}

static int
add_some(struct dns_table *table,
    const struct dns_record *const records[TOGETHER], int count,
    struct dns_added *added)
{
	int is_new, i = 0;

	if (count == TOGETHER && (i = add_together(table, records)) == -1)
		return -1;
	added->rows += (uint64_t)i;
	for (; i < count; i++) {
		if (dns_table_add(table, records[i], &is_new) == -1)
			return -1;
		added->rows += is_new == 1;
		added->lost += is_new == -1;
	}
	return 0;
}

int
dns_table_add_all(struct dns_table *table, const void *bytes, size_t len,
    struct dns_added *added)
{
	const struct dns_record *records[TOGETHER];
	const uint8_t *at = bytes, *end = at + len;
	int count;

	while (at < end) {
		for (count = 0; count < TOGETHER && at < end; count++) {
			records[count] = (const void *)at;
			at += dns_record_bytes(records[count]);
		}
		if (add_some(table, records, count, added) == -1)
			return -1;
	}
	return 0;
}

int
dns_table_remove_before(
    struct dns_table *table, int64_t before_us, uint64_t count)
{
	sqlite3_stmt *statement = table->statements[REMOVE_BEFORE];

	(void)sqlite3_bind_int64(statement, 1, before_us);
	(void)sqlite3_bind_int64(statement, 2, (int64_t)count);
	return run(table, REMOVE_BEFORE);
}

void
dns_table_free(struct dns_table *table)
{
	size_t i;

	if (table == NULL)
		return;
	for (i = 0; i < STATEMENTS; i++)
		(void)sqlite3_finalize(table->statements[i]);
	free(table);
}

struct dns_table *
dns_table_new(struct store *store)
{
	struct dns_table *table = calloc(1, sizeof(*table));
	int saved, rc;
	size_t i;

	if (table == NULL)
		return NULL;
	table->store = store;
	for (i = 0; i < STATEMENTS; i++) {
		rc = sqlite3_prepare_v3(store_handle(store), texts[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &table->statements[i], NULL);
		if (rc == SQLITE_OK)
			continue;
		(void)store_error(store, rc);
		saved = errno;
		dns_table_free(table);
		errno = saved;
		return NULL;
	}
	return table;
}
