/* SPDX-License-Identifier: ISC */
/*
 * tpxctl apply, reload, confirm: another configuration without a restart.  It
 * is read here, as user tpx as tpxd would read it, so that what is wrong with
 * it is shown to who asks and nothing waits for a large file.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memfd.h"
#include "common/privilege.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/policy.h"

struct apply {
	const char *path;
	uint32_t confirm_s; /* 0: for good */
};

/* What is permitted is what the caller was when it connected. */
static int
image_send(void *ctx, size_t *size_bytes)
{
	const struct apply *apply = ctx;
	void *image;
	int fd;

	privilege_drop_user();
	privilege_limit("=");
	if (policy_read(apply->path, &image, size_bytes) != CTL_GOOD)
		return -1;
	fd = memfd_sealed("tpx-policy", image, *size_bytes);
	if (fd == -1)
		log_warn("%s", apply->path);
	free(image);
	return fd;
}

static int
apply_do(const struct ctl *ctl, struct apply *apply)
{
	static char path[CLIENT_PATH_BYTES];
	int result;

	if (apply->path == NULL) {
		result = client_config_path(ctl, path);
		if (result != CTL_GOOD)
			return result;
		apply->path = path;
	}
	result = client_apply(ctl, apply->confirm_s, image_send, apply);
	if (result == CTL_GOOD && apply->confirm_s != 0)
		(void)printf("in force; `tpxctl confirm' within %u s keeps "
			     "it, else the one before comes back\n",
		    apply->confirm_s);
	return result;
}

static int
take_seconds(const char *text, uint32_t *seconds)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9' ||
	    value == 0 || value > LIMIT_CONFIRM_S) {
		log_warnx("--confirm: seconds, 1 to %d", LIMIT_CONFIRM_S);
		return -1;
	}
	*seconds = (uint32_t)value;
	return 0;
}

int
apply_run(const struct ctl *ctl, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "confirm", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	struct apply apply = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "f:", options, NULL)) != -1) {
		if (c == 'f')
			apply.path = optarg;
		else if (c != 'c' ||
			 take_seconds(optarg, &apply.confirm_s) == -1)
			return CTL_USAGE;
	}
	return optind == argc ? apply_do(ctl, &apply) : CTL_USAGE;
}

int
reload_run(const struct ctl *ctl, int argc, char *argv[])
{
	struct apply apply = { 0 };

	(void)argv;
	return argc == 1 ? apply_do(ctl, &apply) : CTL_USAGE;
}
