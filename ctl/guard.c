/* SPDX-License-Identifier: ISC */
/*
 * tpxctl guard: the guard of `on-failure closed' without tpxd, for before the
 * network is up.  The configuration is read by a child that is user tpx.  One
 * that cannot be read closes all forwarding: what it would have closed is not
 * known, and this host can still be reached.
 */
#include <sys/wait.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memfd.h"
#include "common/output.h"
#include "common/privilege.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/netctl.h"
#include "ctl/policy.h"
#include "policy/image.h"

#define CONFIG "/etc/tpx/tpx.conf"
#define READ_BYTES 65536

struct bytes {
	char *at;
	size_t len;
};

/* The child's part: the image goes into the pipe. */
static int
image_write(const char *path, int fd)
{
	void *image;
	size_t len;
	int result;

	privilege_drop_user();
	privilege_limit("=");
	result = policy_read(path, &image, &len);
	if (result == CTL_GOOD && output_all(fd, image, len) == -1)
		result = CTL_FAILED;
	return result;
}

static int
bytes_read(int fd, struct bytes *bytes)
{
	ssize_t n;
	char *larger;

	do {
		larger = realloc(bytes->at, bytes->len + READ_BYTES);
		if (larger == NULL)
			return -1;
		bytes->at = larger;
		n = read(fd, bytes->at + bytes->len, READ_BYTES);
		if (n > 0)
			bytes->len += (size_t)n;
	} while (n > 0 || (n == -1 && errno == EINTR));
	return n == -1 ? -1 : 0;
}

/* 0 and an image, or -1; what is wrong was shown. */
static int
image_fetch(const char *path, struct bytes *bytes)
{
	const char *why = NULL;
	int ends[2], status, result;
	pid_t child;

	if (pipe(ends) == -1 || (child = fork()) == -1) {
		log_warn("guard");
		return -1;
	}
	if (child == 0) {
		close(ends[0]);
		_exit(image_write(path, ends[1]));
	}
	close(ends[1]);
	result = bytes_read(ends[0], bytes);
	close(ends[0]);
	if (waitpid(child, &status, 0) == -1 || result == -1) {
		log_warn("guard");
		return -1;
	}
	if (status != 0)
		return -1;
	if (image_check(bytes->at, bytes->len, &why) == 0)
		return 0;
	log_warnx("%s: %s", path, why);
	return -1;
}

/* Fails after it has closed: the operator has to know. */
static int
close_all(const char *dir)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(netctl_exec(dir, "guard-all", -1));
	if (child == -1 || waitpid(child, &status, 0) == -1 || status != 0)
		log_warnx("guard: nothing was changed");
	else
		log_warnx("guard: all forwarding is closed until the "
			  "configuration is in order, or `tpxctl unblock'");
	return CTL_FAILED;
}

static int
guard_load(const char *path, const char *dir)
{
	struct bytes bytes = { 0 };
	int fd;

	if (image_fetch(path, &bytes) == -1)
		return close_all(dir);
	if (image_settings((void *)bytes.at)->on_failure == ON_FAILURE_OPEN) {
		log_info("on-failure open: there is no guard");
		return CTL_GOOD;
	}
	fd = memfd_sealed("tpx-policy", bytes.at, bytes.len);
	if (fd == -1) {
		log_warn("guard");
		return close_all(dir);
	}
	return netctl_exec(dir, "guard", fd);
}

int
guard_run(const struct ctl *ctl, int argc, char *argv[])
{
	const char *path = CONFIG, *dir = TPX_LIBEXECDIR;
	int c;

	while ((c = getopt(argc, argv, "f:x:")) != -1) {
		if (c == 'f')
			path = optarg;
		else if (c == 'x')
			dir = optarg;
		else
			return CTL_USAGE;
	}
	if (optind != argc)
		return CTL_USAGE;
	if (geteuid() != 0) {
		log_warnx("not permitted: guard is for root");
		return CTL_NOT_PERMITTED;
	}
	if (client_is_running(ctl) == 1) {
		log_info("tpxd is running and guards this host");
		return CTL_GOOD;
	}
	return guard_load(path, dir);
}
