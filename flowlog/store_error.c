/* SPDX-License-Identifier: ISC */
/* What sqlite says went wrong, as errno. */
#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "common/log.h"
#include "flowlog/store.h"

static const struct {
	int code; /* primary result code */
	int error;
} errors[] = {
	{ SQLITE_BUSY, EAGAIN },
	{ SQLITE_LOCKED, EAGAIN },
	{ SQLITE_FULL, ENOSPC },
	{ SQLITE_CORRUPT, EBADMSG },
	{ SQLITE_NOTADB, EBADMSG },
	{ SQLITE_SCHEMA, ENOTSUP },
	{ SQLITE_NOMEM, ENOMEM },
	{ SQLITE_READONLY, EACCES },
};

int
store_error(struct store *store, int rc)
{
	struct sqlite3 *db = store_handle(store);
	const char *why = sqlite3_errmsg(db);
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].code == (rc & 0xff)) {
			log_debug("store: %s", why);
			errno = errors[i].error;
			return -1;
		}
	errno = sqlite3_system_errno(db);
	if (rc == SQLITE_CANTOPEN && (errno == EACCES || errno == ENOENT))
		return -1;
	/* Nothing else says what it was. */
	log_warnx("store: %s (%d, %s)", why, rc, strerror(errno));
	errno = EIO;
	return -1;
}
