/* SPDX-License-Identifier: ISC */
/* A database that cannot be used makes room for a new one, and is kept. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "flowlog/store.h"
#include "schema/flowlog.sql.h"

/* Renames dir/flows.db and a suffix; one that is not there is no failure. */
static int
aside(const char *dir, const char *name, const char *suffix)
{
	char from[STORE_PATH_BYTES], to[STORE_PATH_BYTES];

	if (snprintf(from, sizeof(from), "%s/" FLOWLOG_FILE "%s", dir,
		suffix) >= (int)sizeof(from) ||
	    snprintf(to, sizeof(to), "%s/%s%s", dir, name, suffix) >=
		(int)sizeof(to)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return rename(from, to) == -1 && errno != ENOENT ? -1 : 0;
}

int
store_set_aside(const char *dir, int64_t now_us, char name[STORE_PATH_BYTES])
{
	time_t now = (time_t)(now_us / 1000000);
	struct tm utc;
	char when[32];

	if (gmtime_r(&now, &utc) == NULL)
		return -1;
	(void)strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &utc);
	(void)snprintf(name, STORE_PATH_BYTES, FLOWLOG_FILE ".bad-%s", when);
	/* sqlite finds a WAL by the name of its database. */
	if (aside(dir, name, "-wal") == -1 || aside(dir, name, "-shm") == -1)
		return -1;
	return aside(dir, name, "");
}
