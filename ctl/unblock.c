/* SPDX-License-Identifier: ISC */
/*
 * tpxctl unblock: removes a guard that was left behind.  tpx-netctl does it,
 * which knows what belongs to tpx; no tpxd is needed, and none may run: it
 * would put the guard back.
 */
#include <unistd.h>

#include "common/log.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/netctl.h"

int
unblock_run(const struct ctl *ctl, int argc, char *argv[])
{
	const char *dir = TPX_LIBEXECDIR;
	int c;

	while ((c = getopt(argc, argv, "x:")) != -1) {
		if (c != 'x')
			return CTL_USAGE;
		dir = optarg;
	}
	if (optind != argc)
		return CTL_USAGE;
	if (geteuid() != 0) {
		log_warnx("not permitted: unblock is for root");
		return CTL_NOT_PERMITTED;
	}
	if (client_is_running(ctl) == 1) {
		log_warnx(
		    "tpxd is running and guards this host: stop it first");
		return CTL_FAILED;
	}
	return netctl_exec(dir, "unblock", -1);
}
