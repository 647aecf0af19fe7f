/* SPDX-License-Identifier: ISC */
/* tpx-flowlog [-v]: started by tpxd, with a message socket on fd 3. */
#include <sys/stat.h>

#include <signal.h>
#include <unistd.h>

#include "common/log.h"
#include "flowlog/flowlog.h"
#include "flowlog/sandbox.h"

int
main(int argc, char *argv[])
{
	struct flowlog *flowlog;
	int verbose = 0;
	int c;

	while ((c = getopt(argc, argv, "v")) != -1) {
		if (c != 'v')
			return 2;
		verbose = 1;
	}
	if (optind != argc)
		return 2;
	log_init("tpx-flowlog", -1, verbose);
	/* The end is the supervisor's to announce, also for signals. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	(void)umask(027); /* the group reads */
	sandbox_setup(&flowlog_sandbox, FLOWLOG_CHANNEL_FD);
	flowlog = flowlog_new();
	sandbox_run(&flowlog_sandbox, flowlog_paths(flowlog));
	flowlog_loop(flowlog);
	flowlog_shutdown(flowlog);
	return 0;
}
