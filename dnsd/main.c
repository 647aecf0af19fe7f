/* SPDX-License-Identifier: ISC */
/* tpx-dnsd [-v] index: started by tpxd, with a message socket on fd 3. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "dnsd/dnsd.h"
#include "dnsd/sandbox.h"

int
main(int argc, char *argv[])
{
	struct dnsd *dnsd;
	int verbose = 0;
	int c;

	while ((c = getopt(argc, argv, "v")) != -1) {
		if (c != 'v')
			return 2;
		verbose = 1;
	}
	if (optind != argc - 1)
		return 2;
	log_init("tpx-dnsd", atoi(argv[optind]), verbose);
	/* The end is the supervisor's to announce, also for signals. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sandbox_setup(&dnsd_sandbox, DNSD_CHANNEL_FD);
	dnsd = dnsd_new();
	sandbox_run(&dnsd_sandbox, NULL);
	dnsd_loop(dnsd);
	dnsd_shutdown(dnsd);
	return 0;
}
