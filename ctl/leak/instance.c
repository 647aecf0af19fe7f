/* SPDX-License-Identifier: ISC */
#include "ctl/leak/instance.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memfd.h"
#include "common/output.h"
#include "common/privilege.h"
#include "ctl/client.h"
#include "ctl/netctl.h"
#include "schema/msg.h"

#define CONF INSTANCE_DIR "/tpx.conf"
#define LOG INSTANCE_DIR "/tpxd.log"

struct process {
	pid_t pid;
	pid_t parent;
	char name[16];
	char state;
};

static int
mount_own(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("tmpfs", INSTANCE_DIR, "tmpfs", MS_NOSUID | MS_NODEV,
		"mode=0755") == -1 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		NULL) == -1) {
		log_warn("mount");
		return -1;
	}
	return 0;
}

/* User tpx reads its configuration, and writes beside it. */
static int
give(const char *path)
{
	const struct passwd *user = getpwnam(PRIVILEGE_USER);

	if (user == NULL) {
		log_warnx("there is no user " PRIVILEGE_USER);
		return -1;
	}
	return chown(path, user->pw_uid, user->pw_gid);
}

int
instance_prepare(struct instance *instance, const char *conf, size_t len)
{
	int fd;

	instance->ctl.socket = INSTANCE_SOCKET;
	if (mount_own() == -1)
		return -1;
	fd = open(CONF, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1 || output_all(fd, conf, len) == -1 ||
	    mkdir(INSTANCE_LOG_DIR, 0750) == -1 || give(CONF) == -1 ||
	    give(INSTANCE_LOG_DIR) == -1 || give(INSTANCE_DIR) == -1) {
		log_warn(INSTANCE_DIR);
		return -1;
	}
	return close(fd);
}

/* What a child says goes into the log of the test. */
static void
log_redirect(void)
{
	int fd = open(LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd != -1) {
		(void)dup2(fd, STDOUT_FILENO);
		(void)dup2(fd, STDERR_FILENO);
	}
}

int
instance_guard(const struct instance *instance, const void *image, size_t len)
{
	int status, fd;
	pid_t child;

	if (net_enter(instance->gateway) == -1)
		return -1;
	fd = memfd_sealed("tpx-policy", image, len);
	child = fd == -1 ? -1 : fork();
	if (child == 0) {
		log_redirect();
		_exit(netctl_exec(instance->libexecdir, "guard", fd));
	}
	if (fd != -1)
		close(fd);
	if (child == -1 || waitpid(child, &status, 0) == -1 || status != 0) {
		log_warnx("guard: it could not be loaded; netctl says:");
		instance_show_log();
		return -1;
	}
	return 0;
}

int
instance_start(struct instance *instance)
{
	if (net_enter(instance->gateway) == -1)
		return -1;
	instance->pid = fork();
	if (instance->pid == 0) {
		log_redirect();
		execl(instance->tpxd, "tpxd", "-f", CONF, "-x",
		    instance->libexecdir, (char *)NULL);
		log_warn("%s", instance->tpxd);
		_exit(CTL_FAILED);
	}
	if (instance->pid != -1)
		return 0;
	instance->pid = 0;
	log_warn("tpxd");
	return -1;
}

static int
on_status(void *ctx, const struct client_message *message)
{
	const struct msg_ctl_status *status = message->body;
	int *armed = ctx;

	if (message->type == MSG_CTL_STATUS)
		*armed = status->state == IPC_STATE_ARMED;
	return 0;
}

int
instance_is_armed(const struct instance *instance)
{
	int armed = 0;

	return client_is_running(&instance->ctl) == 1 &&
	       client_ask(&instance->ctl, IPC_CTL_COMMAND_STATUS, on_status,
		   &armed) == CTL_GOOD &&
	       armed;
}

/* proc(5): "PID (NAME) STATE PARENT ..." */
static int
process_read(const char *pid, struct process *process)
{
	char path[300], line[128];
	FILE *file;
	int found;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	if ((file = fopen(path, "re")) == NULL)
		return -1;
	found = fgets(line, sizeof(line), file) != NULL &&
		sscanf(line, "%d (%15[^)]) %c %d", &process->pid, process->name,
		    &process->state, &process->parent) == 4;
	(void)fclose(file);
	return found && process->state != 'Z' ? 0 : -1;
}

static unsigned int
role_of(const struct instance *instance, const struct process *process)
{
	static const struct {
		const char *name;
		unsigned int role;
	} roles[] = {
		{ "tpx-netctl", INSTANCE_NETCTL },
		{ "tpx-relay", INSTANCE_RELAY },
		{ "tpx-flowlog", INSTANCE_FLOWLOG },
		{ "tpx-dnsd", INSTANCE_DNSD },
		{ "tpx-resolver", INSTANCE_RESOLVER },
		{ "tpx-dot", INSTANCE_DOT },
	};
	unsigned int role = 0; /* not yet what it will be */
	size_t i;

	if (process->pid == instance->pid)
		return INSTANCE_SUPERVISOR;
	for (i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(process->name, roles[i].name) == 0)
			role = roles[i].role;
	if (role == INSTANCE_NETCTL && process->parent == instance->pid)
		return INSTANCE_KEEPER;
	return role;
}

/* In the order of their numbers, so tpxd first. */
static size_t
pids_of(const struct instance *instance, unsigned int set,
    pid_t pids[INSTANCE_PIDS])
{
	struct process process;
	struct dirent *entry;
	size_t count = 0;
	DIR *dir = opendir("/proc");

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    process_read(entry->d_name, &process) == -1 ||
		    process.pid == 1 || count == INSTANCE_PIDS)
			continue;
		if (set == INSTANCE_ALL ||
		    (role_of(instance, &process) & set) != 0)
			pids[count++] = process.pid;
	}
	if (dir != NULL)
		(void)closedir(dir);
	return count;
}

size_t
instance_signal(const struct instance *instance, unsigned int set, int signal)
{
	pid_t pids[INSTANCE_PIDS];
	size_t i, count = pids_of(instance, set, pids);

	for (i = 0; i < count; i++)
		(void)kill(pids[i], signal);
	return count;
}

size_t
instance_count(struct instance *instance, unsigned int set)
{
	pid_t pids[INSTANCE_PIDS], ended;

	while ((ended = waitpid(-1, NULL, WNOHANG)) > 0)
		if (ended == instance->pid)
			instance->pid = 0;
	return pids_of(instance, set, pids);
}

void
instance_show_log(void)
{
	char line[2048];
	FILE *file = fopen(LOG, "re");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		(void)fputs(line, stderr);
	if (file != NULL)
		(void)fclose(file);
}
