/* SPDX-License-Identifier: ISC */
/* Reads /proc/PID/stat, which the kernel lets everyone read. */
#include "supervisor/process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static ssize_t
stat_read(pid_t pid, char *text, size_t size)
{
	char path[32];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return -1;
	n = read(fd, text, size - 1);
	close(fd);
	if (n > 0)
		text[n] = '\0';
	return n;
}

/* The fields behind the name, which stands in parentheses and may hold any. */
static const char *
fields_read(pid_t pid, char *text, size_t size)
{
	const char *fields;

	if (pid <= 0 || stat_read(pid, text, size) <= 0)
		return NULL;
	fields = strrchr(text, ')');
	return fields == NULL ? NULL : fields + 1;
}

static int
is_in_state(pid_t pid, char state)
{
	char text[1024];
	const char *fields = fields_read(pid, text, sizeof(text));

	return fields != NULL && fields[0] == ' ' && fields[1] == state;
}

int
process_is_runnable(pid_t pid)
{
	return is_in_state(pid, 'R');
}

int
process_is_stopped(pid_t pid)
{
	return is_in_state(pid, 'T');
}

struct process_usage
process_usage(pid_t pid)
{
	struct process_usage usage = { 0 };
	uint64_t user, kernel, pages;
	char text[1024];
	const char *fields = fields_read(pid, text, sizeof(text));

	if (fields == NULL ||
	    sscanf(fields,
		" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64
		" %" SCNu64 " %*d %*d %*d %*d %*d %*d %*u %*u %" SCNu64,
		&user, &kernel, &pages) != 3)
		return usage;
	usage.cpu_ms = (user + kernel) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
	usage.rss_kib = pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	return usage;
}
