/* SPDX-License-Identifier: ISC */
/* Reads and writes the rows of policy/routes.h below /proc/sys. */
#include "netctl/sysctl.h"

#include <sys/mman.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "policy/routes.h"

#define VALUE_BYTES 32
#define SYSCTLS_MOST 8

/* Not known: it could not be read, as while its kernel module is not loaded. */
struct remembered {
	atomic_int known;
	char value[VALUE_BYTES];
};

static struct remembered *remembered; /* one a row */

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
sysctl_share(void)
{
	remembered = mmap(NULL, SYSCTLS_MOST * sizeof(*remembered),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (remembered == MAP_FAILED)
		fatal("memory of settings");
}

/* Who dies in the middle leaves it to the next. */
void
sysctl_remember(void)
{
	struct remembered *row;
	size_t i;

	for (i = 0; i < route_sysctl_count && i < SYSCTLS_MOST; i++) {
		row = &remembered[i];
		if (atomic_load(&row->known))
			continue;
		sysctl_read(route_sysctls[i].name, row->value);
		atomic_store(&row->known, row->value[0] != '\0');
	}
}

void
sysctl_apply(void)
{
	size_t i;

	sysctl_remember();
	for (i = 0; i < route_sysctl_count && i < SYSCTLS_MOST; i++) {
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
		if (!atomic_load(&remembered[i].known) ||
		    strcmp(now, remembered[i].value) == 0)
			continue;
		if (sysctl_write(route_sysctls[i].name, remembered[i].value) ==
		    -1)
			log_warn("sysctl %s", route_sysctls[i].name);
	}
}
