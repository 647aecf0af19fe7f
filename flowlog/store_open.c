/* SPDX-License-Identifier: ISC */
/*
 * Opening with patience.  Root, when it opens the database at the same moment,
 * makes the WAL and its index for itself, and gives them to the database's
 * owner only then: until it has, they are closed to this process.
 */
#include <errno.h>
#include <sqlite3.h>

#include "flowlog/store.h"

#define AGAIN_MS 20
#define TRIES 250 /* as long as for a lock */

int
store_open(const char *dir, struct store **out)
{
	int tries = 1;

	while (store_open_once(dir, out) == -1) {
		if (errno != EACCES || tries++ == TRIES)
			return -1;
		(void)sqlite3_sleep(AGAIN_MS);
	}
	return 0;
}
