/* SPDX-License-Identifier: ISC */
#include "common/file.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static int
size_check(int fd, size_t max_bytes, size_t *size)
{
	struct stat status;

	if (fstat(fd, &status) == -1)
		return -1;
	if (!S_ISREG(status.st_mode) || status.st_size < 0) {
		errno = EINVAL;
		return -1;
	}
	if ((uintmax_t)status.st_size > max_bytes) {
		errno = EFBIG;
		return -1;
	}
	*size = (size_t)status.st_size;
	return 0;
}

static int
read_all(int fd, size_t max_bytes, char **bytes, size_t *len)
{
	size_t size;
	ssize_t n;

	if (size_check(fd, max_bytes, &size) == -1)
		return -1;
	/* One more than its size shows a file that grows meanwhile. */
	*bytes = malloc(size + 1);
	if (*bytes == NULL)
		return -1;
	while ((n = read(fd, *bytes + *len, size + 1 - *len)) > 0)
		*len += (size_t)n;
	if (n == 0 && *len <= size) {
		(*bytes)[*len] = '\0';
		return 0;
	}
	if (n == 0)
		errno = ETXTBSY;
	free(*bytes);
	return -1;
}

int
file_read(const char *path, size_t max_bytes, char **bytes, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int result, error;

	*bytes = NULL;
	*len = 0;
	if (fd == -1)
		return -1;
	result = read_all(fd, max_bytes, bytes, len);
	error = errno;
	close(fd);
	errno = error;
	if (result == -1)
		*bytes = NULL;
	return result;
}
