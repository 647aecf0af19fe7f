/* SPDX-License-Identifier: ISC */
/* Reads and writes the rows of policy/routes.h below /proc/sys. */
#include "netctl/sysctl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "policy/routes.h"

#define VALUE_BYTES 32
#define SYSCTLS_MOST 8

/* Empty: it could not be read, as while its kernel module is not loaded. */
static char remembered[SYSCTLS_MOST][VALUE_BYTES];

static int
sysctl_open(const char *name, int flags)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/proc/sys/%s", name);
	return open(path, flags | O_CLOEXEC);
}

static void
sysctl_read(const char *name, char value[VALUE_BYTES])
{
	ssize_t n;
	int fd = sysctl_open(name, O_RDONLY);

	value[0] = '\0';
	if (fd == -1)
		return;
	if ((n = read(fd, value, VALUE_BYTES - 1)) > 0) {
		value[n] = '\0';
		value[strcspn(value, "\n")] = '\0';
	}
	close(fd);
}

static int
sysctl_write(const char *name, const char *value)
{
	int fd = sysctl_open(name, O_WRONLY);
	ssize_t n;

	if (fd == -1)
		return -1;
	n = write(fd, value, strlen(value));
	close(fd);
	return n == -1 ? -1 : 0;
}

int
sysctl_number(const char *name, uint64_t *value)
{
	char text[VALUE_BYTES], *end;

	sysctl_read(name, text);
	*value = strtoull(text, &end, 10);
	return end == text || *end != '\0' ? -1 : 0;
}

void
sysctl_remember(void)
{
	size_t i;

	for (i = 0; i < route_sysctl_count && i < SYSCTLS_MOST; i++)
		sysctl_read(route_sysctls[i].name, remembered[i]);
}

void
sysctl_apply(void)
{
	size_t i;

	for (i = 0; i < route_sysctl_count && i < SYSCTLS_MOST; i++) {
		if (remembered[i][0] == '\0')
			sysctl_read(route_sysctls[i].name, remembered[i]);
		if (sysctl_write(
			route_sysctls[i].name, route_sysctls[i].value) == -1)
			log_warn("sysctl %s", route_sysctls[i].name);
	}
}

void
sysctl_restore(void)
{
	char now[VALUE_BYTES];
	size_t i;

	for (i = 0; i < route_sysctl_count && i < SYSCTLS_MOST; i++) {
		sysctl_read(route_sysctls[i].name, now);
		if (remembered[i][0] == '\0' || strcmp(now, remembered[i]) == 0)
			continue;
		if (sysctl_write(route_sysctls[i].name, remembered[i]) == -1)
			log_warn("sysctl %s", route_sysctls[i].name);
	}
}
