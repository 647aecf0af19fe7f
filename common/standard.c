/* SPDX-License-Identifier: ISC */
#include "common/standard.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/log.h"

void
standard_begin(int reads_input)
{
	int fd;

	do {
		if ((fd = open("/dev/null", O_RDWR)) == -1)
			fatal("/dev/null");
	} while (fd <= STDERR_FILENO);
	if (!reads_input && dup2(fd, STDIN_FILENO) == -1)
		fatal("standard input");
	close(fd);
}
