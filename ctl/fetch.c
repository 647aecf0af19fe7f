/* SPDX-License-Identifier: ISC */
/* Believes nothing of what comes: checking it is the caller's. */
#include "ctl/fetch.h"

#include <sys/wait.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/privilege.h"

#define READ_BYTES 65536

static int
read_all(int fd, struct fetched *fetched)
{
	ssize_t n;
	char *larger;

	do {
		larger = realloc(fetched->bytes, fetched->len + READ_BYTES);
		if (larger == NULL)
			return -1;
		fetched->bytes = larger;
		n = read(fd, fetched->bytes + fetched->len, READ_BYTES);
		if (n > 0)
			fetched->len += (size_t)n;
	} while (n > 0 || (n == -1 && errno == EINTR));
	return n == -1 ? -1 : 0;
}

int
fetch_as_user(const char *path, fetch_fn *make, struct fetched *fetched)
{
	int ends[2], status, result;
	pid_t child;

	if (pipe(ends) == -1 || (child = fork()) == -1) {
		log_warn("%s", path);
		return -1;
	}
	if (child == 0) {
		close(ends[0]);
		privilege_drop_user();
		privilege_limit("=");
		_exit(make(path, ends[1]));
	}
	close(ends[1]);
	result = read_all(ends[0], fetched);
	close(ends[0]);
	if (waitpid(child, &status, 0) == -1 || result == -1) {
		log_warn("%s", path);
		return -1;
	}
	return status == 0 ? 0 : -1;
}
