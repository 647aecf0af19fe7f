/* SPDX-License-Identifier: ISC */
/*
 * tpxctl guard: the guard of `on-failure closed' without tpxd, for before the
 * network is up.  The configuration is read by a child that is user tpx.  One
 * that cannot be read closes all forwarding: what it would have closed is not
 * known, and this host can still be reached.  What a guard of before closes
 * stays closed.
 *
 * Whether a tpxd guards this host, only the kernel can tell: one that answers
 * may not have begun to, and be stopped before it does.
 */
#include <sys/wait.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memfd.h"
#include "common/output.h"
#include "ctl/ctl.h"
#include "ctl/fetch.h"
#include "ctl/netctl.h"
#include "ctl/policy.h"
#include "policy/conf.h"
#include "policy/image.h"

/* The child's part: the image goes into the pipe. */
static int
image_write(const char *path, int fd)
{
	void *image;
	size_t len;
	int result;

	result = policy_read(path, &image, &len);
	if (result == CTL_GOOD && output_all(fd, image, len) == -1)
		result = CTL_FAILED;
	return result;
}

/* 0 and an image, or -1; what is wrong was shown. */
static int
image_fetch(const char *path, struct fetched *fetched)
{
	const char *why = NULL;

	if (fetch_as_user(path, image_write, fetched) == -1)
		return -1;
	if (image_check(fetched->bytes, fetched->len, &why) == 0)
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
	struct fetched fetched = { 0 };
	int fd;

	if (image_fetch(path, &fetched) == -1)
		return close_all(dir);
	if (image_settings((void *)fetched.bytes)->on_failure ==
	    ON_FAILURE_OPEN) {
		log_info("on-failure open: there is no guard");
		return CTL_GOOD;
	}
	fd = memfd_sealed("tpx-policy", fetched.bytes, fetched.len);
	if (fd == -1) {
		log_warn("guard");
		return close_all(dir);
	}
	return netctl_exec(dir, "guard", fd);
}

int
guard_run(const struct ctl *ctl, int argc, char *argv[])
{
	const char *path = CONF_FILE, *dir = TPX_LIBEXECDIR;
	int c;

	(void)ctl;
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
	return guard_load(path, dir);
}
