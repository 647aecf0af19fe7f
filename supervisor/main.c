/* SPDX-License-Identifier: ISC */
/* tpxd [-n] [-v] [-f file] [-x libexecdir] */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "common/standard.h"
#include "policy/conf.h"
#include "supervisor/tpxd.h"

int
main(int argc, char *argv[])
{
	struct tpxd_options options = {
		.config_path = CONF_FILE,
		.libexecdir = TPX_LIBEXECDIR,
	};
	int c;

	while ((c = getopt(argc, argv, "nvf:x:")) != -1) {
		if (c == 'n')
			options.check_only = 1;
		else if (c == 'v')
			options.verbose = 1;
		else if (c == 'f')
			options.config_path = optarg;
		else if (c == 'x')
			options.libexecdir = optarg;
		else
			break;
	}
	if (c != -1 || optind != argc) {
		(void)fprintf(stderr,
		    "usage: tpxd [-n] [-v] [-f file] [-x libexecdir]\n");
		return 2;
	}
	log_init("tpxd", -1, options.verbose);
	standard_begin(0);
	signal(SIGPIPE, SIG_IGN);
	if (options.check_only)
		return tpxd_check(options.config_path);
	return tpxd_loop(tpxd_new(&options));
}
