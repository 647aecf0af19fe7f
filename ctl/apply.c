/* SPDX-License-Identifier: ISC */
/*
 * tpxctl apply, reload: another configuration without a restart.  It is read
 * here, as user tpx as tpxd would read it, so that what is wrong with it is
 * shown to who asks and nothing waits for a large file.
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

static int
bytes_seal(const struct policy_bytes *bytes, struct client_config *config)
{
	config->image =
	    memfd_sealed("tpx-policy", bytes->image, bytes->image_bytes);
	config->image_bytes = bytes->image_bytes;
	if (config->image == -1 || bytes->domains.bytes == NULL)
		return config->image == -1 ? -1 : 0;
	config->domains = memfd_sealed(
	    "tpx-domains", bytes->domains.bytes, bytes->domains.size_bytes);
	config->domains_bytes = bytes->domains.size_bytes;
	return config->domains == -1 ? -1 : 0;
}

/* What is permitted is what the caller was when it connected. */
static int
config_make(void *ctx, struct client_config *config)
{
	const struct apply *apply = ctx;
	struct policy_bytes bytes;
	int result;

	privilege_drop_user();
	privilege_limit("=");
	result = policy_read_whole(apply->path, &bytes) == CTL_GOOD ? 0 : -1;
	if (result == 0 && (result = bytes_seal(&bytes, config)) == -1)
		log_warn("%s", apply->path);
	policy_free(&bytes);
	return result;
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
	result = client_apply(ctl, apply->confirm_s, config_make, apply);
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
