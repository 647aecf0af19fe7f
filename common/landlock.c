/* SPDX-License-Identifier: ISC */
/* Restricts the calling process by Landlock; nothing here can widen. */
#include "common/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sandbox.h"

#define CREATE_VERSION 1U
#define RULE_PATH_BENEATH 1
#define RULE_NET_PORT 2

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_REMOVE_DIR (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_CHAR (1ULL << 6)
#define FS_MAKE_DIR (1ULL << 7)
#define FS_MAKE_REG (1ULL << 8)
#define FS_MAKE_SOCK (1ULL << 9)
#define FS_MAKE_FIFO (1ULL << 10)
#define FS_MAKE_BLOCK (1ULL << 11)
#define FS_MAKE_SYM (1ULL << 12)
#define FS_REFER (1ULL << 13)
#define FS_TRUNCATE (1ULL << 14)
#define FS_IOCTL_DEV (1ULL << 15)
#define NET_BIND_TCP (1ULL << 0)
#define NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0)
#define SCOPE_SIGNAL (1ULL << 1)

#define FILE_ONLY (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)

struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scope;
};

struct path_beneath {
	uint64_t access;
	int32_t parent_fd;
} __attribute__((packed));

struct net_port {
	uint64_t access;
	uint64_t port;
};

/* Which rights each version of the interface brought. */
static const struct {
	int abi;
	struct ruleset adds;
	const char *name;
} versions[] = {
	{ 1, { (1ULL << 13) - 1, 0, 0 }, "files" },
	{ 2, { FS_REFER, 0, 0 }, "moving files" },
	{ 3, { FS_TRUNCATE, 0, 0 }, "truncation" },
	{ 4, { 0, NET_BIND_TCP | NET_CONNECT_TCP, 0 }, "tcp" },
	{ 5, { FS_IOCTL_DEV, 0, 0 }, "device ioctls" },
	{ 6, { 0, 0, SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL }, "scopes" },
};

#define VERSIONS (sizeof(versions) / sizeof(versions[0]))

static const struct {
	unsigned int access;
	uint64_t fs;
} rights[] = {
	{ SANDBOX_READ, FS_READ_FILE | FS_READ_DIR },
	{ SANDBOX_EXECUTE, FS_READ_FILE | FS_EXECUTE },
	{ SANDBOX_WRITE, FS_WRITE_FILE | FS_TRUNCATE },
	{ SANDBOX_CREATE,
	    FS_MAKE_REG | FS_MAKE_SOCK | FS_REMOVE_FILE | FS_REFER },
};

static struct ruleset
handled(int abi)
{
	struct ruleset set = { 0 };
	size_t i;

	for (i = 0; i < VERSIONS; i++) {
		if (abi < versions[i].abi) {
			log_debug("sandbox: this kernel's Landlock lacks %s",
			    versions[i].name);
			continue;
		}
		set.fs |= versions[i].adds.fs;
		set.net |= versions[i].adds.net;
		set.scope |= versions[i].adds.scope;
	}
	return set;
}

static void
path_allow(int ruleset, const struct sandbox_path *path, uint64_t handled_fs)
{
	struct path_beneath rule = { 0 };
	struct stat status;
	size_t i;

	rule.parent_fd = open(path->path, O_PATH | O_CLOEXEC);
	/* What is not there cannot be opened later either. */
	if (rule.parent_fd == -1 && errno == ENOENT)
		return;
	if (rule.parent_fd == -1 || fstat(rule.parent_fd, &status) == -1)
		fatal("sandbox: %s", path->path);
	for (i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
		if (path->access & rights[i].access)
			rule.access |= rights[i].fs;
	if (!S_ISDIR(status.st_mode))
		rule.access &= FILE_ONLY;
	rule.access &= handled_fs;
	if (syscall(LANDLOCK_SYS_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule,
		0) == -1)
		fatal("sandbox: Landlock rule for %s", path->path);
	close(rule.parent_fd);
}

static void
paths_allow(int ruleset, const struct sandbox_path *path, uint64_t handled_fs)
{
	for (; path != NULL && path->path != NULL; path++)
		path_allow(ruleset, path, handled_fs);
}

/* Without the right to be handled, every port is open. */
static void
ports_allow(int ruleset, const uint16_t *port, uint64_t handled_net)
{
	struct net_port rule = { .access = NET_CONNECT_TCP };

	if ((handled_net & NET_CONNECT_TCP) == 0)
		return;
	for (; *port != 0; port++) {
		rule.port = *port;
		if (syscall(LANDLOCK_SYS_ADD_RULE, ruleset, RULE_NET_PORT,
			&rule, 0) == -1)
			fatal("sandbox: Landlock rule for port %u", *port);
	}
}

void
landlock_enter(const struct sandbox *sandbox, const struct sandbox_path *extra,
    const uint16_t *ports)
{
	struct ruleset set;
	long abi = syscall(LANDLOCK_SYS_CREATE, NULL, 0, CREATE_VERSION);
	int fd;

	if (abi == -1) {
		log_warn("sandbox: no Landlock, so only its user's rights keep "
			 "this process from files");
		return;
	}
	set = handled((int)abi);
	if (sandbox->may_signal)
		set.scope &= ~SCOPE_SIGNAL;
	if (sandbox->may_bind)
		set.net &= ~NET_BIND_TCP;
	if (sandbox->may_connect)
		set.net &= ~NET_CONNECT_TCP;
	fd = (int)syscall(LANDLOCK_SYS_CREATE, &set, sizeof(set), 0);
	if (fd == -1)
		fatal("sandbox: Landlock");
	paths_allow(fd, sandbox->paths, set.fs);
	paths_allow(fd, extra, set.fs);
	ports_allow(fd, ports, set.net);
	if (syscall(LANDLOCK_SYS_RESTRICT, fd, 0) == -1)
		fatal("sandbox: Landlock");
	close(fd);
}
