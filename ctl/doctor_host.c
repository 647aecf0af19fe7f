/* SPDX-License-Identifier: ISC */
/* Accounts, directories, limits, and other programs of this host. */
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/privilege.h"
#include "ctl/doctor.h"
#include "policy/conf.h"

#define SPACE_LEAST (256ULL << 20)
#define DESCRIPTORS_LEAST 16384
#define NETWORKD "/run/systemd/netif/state" /* it has been started */
#define KEEPS "ManageForeignRoutingPolicyRules=no"

enum health
check_user(const struct patient *patient, struct text *found)
{
	int has_user = getpwnam(PRIVILEGE_USER) != NULL;
	int has_group = getgrnam(PRIVILEGE_USER) != NULL;

	(void)patient;
	if (has_user && has_group)
		return HEALTH_FINE;
	text_printf(found, "there is no %s%s%s " PRIVILEGE_USER,
	    has_user ? "" : "user", has_user || has_group ? "" : " and no ",
	    has_group ? "" : "group");
	return HEALTH_ILL;
}

enum health
check_log_owner(const struct patient *patient, struct text *found)
{
	const struct passwd *user = getpwnam(PRIVILEGE_USER);
	const char *dir;
	struct stat status;

	/* check_user() says so. */
	if (patient->image == NULL || user == NULL)
		return HEALTH_FINE;
	dir = image_log_dir(patient->image);
	if (stat(dir, &status) == -1)
		text_printf(found, "%s: %s", dir, strerror(errno));
	else if (!S_ISDIR(status.st_mode))
		text_printf(found, "%s is no directory", dir);
	else if (status.st_uid != user->pw_uid)
		text_printf(found, "%s belongs to uid %u", dir, status.st_uid);
	else if ((status.st_mode & S_IRWXU) != S_IRWXU)
		text_printf(
		    found, "%s has mode %03o", dir, status.st_mode & 0777U);
	else
		return HEALTH_FINE;
	return HEALTH_ILL;
}

enum health
check_log_space(const struct patient *patient, struct text *found)
{
	struct statvfs space;
	uint64_t free_bytes;
	const char *dir;

	if (patient->image == NULL)
		return HEALTH_FINE;
	/* check_log_owner() says so. */
	dir = image_log_dir(patient->image);
	if (statvfs(dir, &space) == -1)
		return HEALTH_FINE;
	free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
	if (free_bytes >= SPACE_LEAST)
		return HEALTH_FINE;
	text_printf(
	    found, "%s: %" PRIu64 " MiB are free", dir, free_bytes >> 20);
	return HEALTH_ILL;
}

/* The hard limit, as anybody may read it (proc_pid_limits(5)); -1: not there.
 */
static int
descriptors_of(uint32_t pid, uint64_t *most)
{
	char path[64], line[256];
	FILE *file;
	int found = 0;

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/limits", pid);
	if ((file = fopen(path, "re")) == NULL)
		return -1;
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = sscanf(line, "Max open files %*u %" SCNu64, most) == 1;
	(void)fclose(file);
	return found ? 0 : -1;
}

/* Of a relay that runs, or of what would be started from here. */
enum health
check_descriptors(const struct patient *patient, struct text *found)
{
	int is_relay = patient->pid != 0;
	uint64_t most;

	if (descriptors_of(
		is_relay ? patient->pid : (uint32_t)getpid(), &most) == -1) {
		text_puts(found, "the limits of processes cannot be read");
		return HEALTH_UNKNOWN;
	}
	if (most >= DESCRIPTORS_LEAST)
		return HEALTH_FINE;
	text_printf(found, "%s have at most %" PRIu64 " descriptors",
	    is_relay ? "relays" : "processes that are started here", most);
	return HEALTH_ILL;
}

/* Sockets at port 53 of a table as proc(5) has it: how many. */
static unsigned int
sockets_at_53(const char *table, int listening)
{
	unsigned int port, state, count = 0;
	char path[64], line[512];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/net/%s", table);
	if ((file = fopen(path, "re")) == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "%*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x",
			&port, &state) == 2 &&
		    port == DNS_PORT && (!listening || state == 0x0a))
			count++;
	(void)fclose(file);
	return count;
}

enum health
check_resolver(const struct patient *patient, struct text *found)
{
	static const struct {
		const char *table;
		int listening;
	} tables[] = {
		{ "udp", 0 },
		{ "udp6", 0 },
		{ "tcp", 1 },
		{ "tcp6", 1 },
	};
	unsigned int count = 0;
	size_t i;

	if (patient->image == NULL ||
	    image_dns(patient->image)->mode == DNS_OFF)
		return HEALTH_FINE;
	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		count += sockets_at_53(tables[i].table, tables[i].listening);
	if (count == 0)
		return HEALTH_FINE;
	text_printf(found, "%u sockets of this host are at port 53", count);
	return HEALTH_ILL;
}

enum health
check_clock(const struct patient *patient, struct text *found)
{
	struct timex clock = { 0 };

	if (patient->image == NULL ||
	    image_dns(patient->image)->mode == DNS_OFF ||
	    !image_dns(patient->image)->validate)
		return HEALTH_FINE;
	if (adjtimex(&clock) != -1 && (clock.status & STA_UNSYNC) == 0)
		return HEALTH_FINE;
	text_puts(found, "nothing keeps this host's clock right");
	return HEALTH_ILL;
}

static int
file_has(const char *path, const char *line)
{
	char text[512];
	FILE *file = fopen(path, "re");
	int has = 0;

	if (file == NULL)
		return 0;
	while (!has && fgets(text, sizeof(text), file) != NULL)
		has = strncmp(text, line, strlen(line)) == 0;
	(void)fclose(file);
	return has;
}

enum health
check_networkd(const struct patient *patient, struct text *found)
{
	(void)patient;
	if (access(NETWORKD, F_OK) == -1 ||
	    file_has("/etc/systemd/networkd.conf", KEEPS) ||
	    file_has("/etc/systemd/networkd.conf.d/tpx.conf", KEEPS))
		return HEALTH_FINE;
	text_puts(found, "systemd-networkd removes rules of others");
	return HEALTH_ILL;
}
