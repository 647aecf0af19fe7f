/* SPDX-License-Identifier: ISC */
/* Makes, seals, checks and maps memfds. */
#include "common/memfd.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/output.h"

#define SIZE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define ALL_SEALS (SIZE_SEALS | F_SEAL_WRITE)

static int
memfd_abandon(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return -1;
}

int
memfd_sealed(const char *name, const void *bytes, size_t len)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return -1;
	if (output_all(fd, bytes, len) == -1 ||
	    fcntl(fd, F_ADD_SEALS, ALL_SEALS) == -1)
		return memfd_abandon(fd);
	return fd;
}

int
memfd_shared(const char *name, size_t len, void **map)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return -1;
	if (ftruncate(fd, (off_t)len) == -1 ||
	    fcntl(fd, F_ADD_SEALS, SIZE_SEALS) == -1)
		return memfd_abandon(fd);
	*map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*map == MAP_FAILED)
		return memfd_abandon(fd);
	return fd;
}

int
memfd_read_only(int fd)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(fd)];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int
memfd_check(int fd, size_t len, int seals)
{
	struct stat status;
	int has = fcntl(fd, F_GET_SEALS);

	if (has == -1 || (has & seals) != seals) {
		errno = EPERM;
		return -1;
	}
	if (fstat(fd, &status) == -1)
		return -1;
	if (status.st_size < 0 || (size_t)status.st_size != len || len == 0) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

const void *
memfd_map_sealed(int fd, size_t len)
{
	void *map;

	if (memfd_check(fd, len, ALL_SEALS) == -1)
		return NULL;
	map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	return map == MAP_FAILED ? NULL : map;
}

void *
memfd_map_shared(int fd, size_t len, int write)
{
	void *map;

	if (memfd_check(fd, len, SIZE_SEALS) == -1)
		return NULL;
	map = mmap(NULL, len, write ? PROT_READ | PROT_WRITE : PROT_READ,
	    MAP_SHARED, fd, 0);
	return map == MAP_FAILED ? NULL : map;
}
