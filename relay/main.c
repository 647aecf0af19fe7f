/* SPDX-License-Identifier: ISC */
/* tpx-relay [-v] index: started by tpxd, with a message socket on fd 3. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "relay/relay.h"
#include "relay/sandbox.h"

int
main(int argc, char *argv[])
{
	struct relay *relay;
	int verbose = 0;
	int c;

	while ((c = getopt(argc, argv, "v")) != -1) {
		if (c != 'v')
			return 2;
		verbose = 1;
	}
	if (optind != argc - 1)
		return 2;
	log_init("tpx-relay", atoi(argv[optind]), verbose);
	/* The end is the supervisor's to announce, also for signals. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sandbox_setup(&relay_sandbox, RELAY_CHANNEL_FD);
	relay = relay_new();
	sandbox_run(&relay_sandbox, NULL);
	relay_loop(relay);
	relay_shutdown(relay);
	return 0;
}
