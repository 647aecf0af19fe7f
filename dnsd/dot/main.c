/* SPDX-License-Identifier: ISC */
/* tpx-dot [-v]: started by tpxd, with a message socket on fd 3. */
#include <signal.h>
#include <unistd.h>

#include "common/log.h"
#include "dnsd/dot/dot.h"
#include "dnsd/dot/sandbox.h"

int
main(int argc, char *argv[])
{
	struct dot *dot;
	int verbose = 0;
	int c;

	while ((c = getopt(argc, argv, "v")) != -1) {
		if (c != 'v')
			return 2;
		verbose = 1;
	}
	if (optind != argc)
		return 2;
	log_init("tpx-dot", -1, verbose);
	/* The end is the supervisor's to announce, also for signals. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sandbox_setup(&dot_sandbox, DOT_CHANNEL_FD);
	dot = dot_new();
	sandbox_run_toward(&dot_sandbox, dot_ports(dot));
	dot_loop(dot);
	dot_shutdown(dot);
	return 0;
}
