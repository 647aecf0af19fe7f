/* SPDX-License-Identifier: ISC */
/*
 * The database of the flow log (sqlite3, WAL).  One process writes it; readers
 * of group tpx never hold it up.
 *
 * Functions that return int give 0, or -1 with errno: EAGAIN when another
 * process holds the write lock, ENOSPC when the disk or the quota is full,
 * EBADMSG when the file is damaged, EACCES when it may not be used, EIO for
 * anything else.  None but the opening ones waits.  After a failure inside a
 * transaction only store_rollback() is due.
 */
#ifndef FLOWLOG_STORE_H
#define FLOWLOG_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "schema/msg.h"

struct sqlite3;
struct store;

#define STORE_PATH_BYTES 4096

/*
 * Opens FLOWLOG_FILE in dir, or makes it (with the process's umask), and
 * brings its tables and views up to date.  -1 with ENOTSUP when a newer
 * version of tpx made it, and EBADMSG when it is no database: then
 * store_set_aside() makes room for another.  EACCES: this process may not read
 * and write it, and did not come to within some seconds.
 */
int store_open(const char *dir, struct store **);

/* The same, but gives up at once when it gets EACCES. */
int store_open_once(const char *dir, struct store **);

/* Checkpoints and closes; readers can still open the files.  NULL is fine. */
void store_close(struct store *);

/*
 * Renames a closed database to FLOWLOG_FILE.bad-TIME and writes that name.
 * -1 with errno of rename(2) or ENAMETOOLONG.
 */
int
store_set_aside(const char *dir, int64_t now_us, char name[STORE_PATH_BYTES]);

/*
 * The most the database and its log may take, 0: no limit.  An old database
 * that is larger shrinks by and by.
 */
int store_set_max(struct store *, uint64_t max_bytes);

/* Flows that one transaction should add at most, to stay within that. */
uint64_t store_transaction_rows(const struct store *);

/* EBADMSG also when somebody else has overwritten the file's beginning. */
int store_begin(struct store *);
int store_commit(struct store *);
void store_rollback(struct store *);

/* *added is 1 when it was new, 0 when its id is in the log already. */
int store_add_flow(struct store *, const struct flow_record *, int *added);

/* Strings are bounded, and escaped where they are not printable ASCII. */
int store_add_event(struct store *, const struct msg_event *);

int store_add_loss(struct store *, int64_t time_us, const char *source,
    const char *kind, uint64_t count);
/* Of those that are in the log. */
int store_sum_losses(
    struct store *, const char *source, const char *kind, uint64_t *sum);

/*
 * What a rule's or an upstream's number means in a generation from now on.
 * store_forget_rules() comes first: it drops what is known of this generation
 * and of higher ones, which can only be of an earlier tpxd.  Rows written
 * before keep their text.
 */
int store_forget_rules(struct store *, uint32_t generation);
int store_add_rule(
    struct store *, uint32_t generation, uint16_t number, const char *text);
int store_add_upstream(
    struct store *, uint32_t generation, uint16_t number, const char *text);

/* Numbers that survive a restart; 0 when never set. */
int store_get_counter(struct store *, const char *name, uint64_t *value);
int store_set_counter(struct store *, const char *name, uint64_t value);

/*
 * SQL, of flow.end_us: what has not been yet.  Relays say when flows were, and
 * rows of one that was taken over would else be the newest for ever, in whose
 * place all others leave.  A day is for clocks that are put back.
 */
#define STORE_FUTURE \
	"end_us > (CAST(strftime('%s', 'now') AS INTEGER) + 86400) * 1000000"

/*
 * Removes up to count rows: the oldest, before which those of the future count,
 * or only those that ended before
 * before_us.  *removed counts flows.  Events and losses older than every flow
 * that is left, or than before_us, go with them.
 */
int store_remove_oldest(struct store *, uint64_t count, uint64_t *removed);
int store_remove_before(
    struct store *, int64_t before_us, uint64_t count, uint64_t *removed);

/* 1 when the quota is nearly used up, so that old rows have to go. */
int store_is_near_max(struct store *);

/* Gives free pages back when the file is larger than the quota. */
int store_shrink(struct store *);

/* The highest flow id in the log that is less than before, 0: none. */
int store_last_id(struct store *, uint64_t before, uint64_t *id);

/*
 * For the files of other tables: the connection, and errno for a result code
 * that means failure; returns -1.
 */
struct sqlite3 *store_handle(struct store *);
int store_error(struct store *, int rc);

uint64_t store_rows(const struct store *);  /* flows in the log */
uint64_t store_taken(const struct store *); /* LOSS_ID_TAKEN since it is open */
uint64_t store_size_bytes(const struct store *); /* with its WAL */

#endif
