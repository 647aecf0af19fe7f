/* SPDX-License-Identifier: ISC */
/* For tests of the flow log: directories, records, and questions in SQL. */
#ifndef TESTS_FLOWLOG_FIXTURE_H
#define TESTS_FLOWLOG_FIXTURE_H

#include <dirent.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "schema/flow.h"

#define FIXTURE_PATH 512

static inline void
fixture_dir(char path[FIXTURE_PATH])
{
	(void)snprintf(path, FIXTURE_PATH, "/tmp/tpx-flowlog-XXXXXX");
	assert_non_null(mkdtemp(path));
}

static inline void
fixture_dir_remove(const char *path)
{
	char name[2 * FIXTURE_PATH];
	const struct dirent *entry;
	DIR *dir = opendir(path);

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		(void)snprintf(
		    name, sizeof(name), "%s/%s", path, entry->d_name);
		(void)unlink(name);
	}
	closedir(dir);
	(void)rmdir(path);
}

/* Row number n of a relay: everything in it is in order. */
static inline struct flow_record
fixture_record(unsigned int worker, uint64_t n)
{
	struct flow_record record = {
		.id = (n + 1) * FLOW_ID_STEP + worker,
		.start_us = 1700000000123456 + (int64_t)n * 1000,
		.start_mono_us = 1000000,
		.duration_us = 2500,
		.up_bytes = 100,
		.down_bytes = 2000 + n,
		.connect_us = 1500,
		.rtt_us = 300,
		.uid = FLOW_UID_NONE,
		.upstream = FLOW_UPSTREAM_NONE,
		.generation = 1,
		.rule = FLOW_RULE_DEFAULT,
		.sport = 40000,
		.dport = 443,
		.src = { [10] = 0xff, 0xff, 192, 0, 2, 1 },
		.dst = { [10] = 0xff, 0xff, 198, 51, 100, 7 },
		.proto = IPPROTO_TCP,
		.action = FLOW_ACTION_RELAY,
		.close = FLOW_CLOSE_CLIENT_FIN,
		.final = 1,
		.worker = (uint8_t)worker,
	};

	return record;
}

/* A name of so many bytes. */
static inline void
fixture_name(char name[FLOW_HOST_BYTES], size_t len)
{
	size_t i;

	memset(name, 0, FLOW_HOST_BYTES);
	for (i = 0; i < len; i++)
		name[i] = i % 50 == 49 && i + 1 < len ? '.' : 'a';
}

/* Puts a record into a slot of an arena, as a relay does. */
static inline void
fixture_slot(struct flow_arena *arena, uint32_t slot,
    const struct flow_record *record, enum flow_slot_state state)
{
	memcpy(
	    &arena->slot[slot].entry, record, sizeof(arena->slot[slot].entry));
	flow_slot_set_host(arena, arena->slots, slot, record->host);
	atomic_store(&arena->slot[slot].state, state);
}

/* The first column of the first row of an answer, "" when there is none. */
static inline const char *
fixture_sql(const char *dir, const char *question)
{
	static char answer[4096];
	char path[2 * FIXTURE_PATH];
	sqlite3_stmt *statement;
	const char *text = NULL;
	sqlite3 *db;
	int rc;

	(void)snprintf(path, sizeof(path), "%s/flows.db", dir);
	rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
	assert_int_equal(rc, SQLITE_OK);
	(void)sqlite3_busy_timeout(db, 5000);
	if (sqlite3_prepare_v2(db, question, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", question, sqlite3_errmsg(db));
	rc = sqlite3_step(statement);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		fail_msg("%s: %s", question, sqlite3_errmsg(db));
	if (rc == SQLITE_ROW)
		text = (const char *)sqlite3_column_text(statement, 0);
	(void)snprintf(answer, sizeof(answer), "%s", text == NULL ? "" : text);
	(void)sqlite3_finalize(statement);
	(void)sqlite3_close(db);
	return answer;
}

static inline long
fixture_count(const char *dir, const char *question)
{
	return strtol(fixture_sql(dir, question), NULL, 10);
}

#endif
