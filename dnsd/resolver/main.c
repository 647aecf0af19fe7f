/* SPDX-License-Identifier: ISC */
/* tpx-resolver [-v]: started by tpxd, with a message socket on fd 3. */
#include <signal.h>
#include <unistd.h>

#include "common/log.h"
#include "dnsd/resolver/resolver.h"
#include "dnsd/resolver/sandbox.h"

int
main(int argc, char *argv[])
{
	struct resolver *resolver;
	int verbose = 0;
	int c;

	while ((c = getopt(argc, argv, "v")) != -1) {
		if (c != 'v')
			return 2;
		verbose = 1;
	}
	if (optind != argc)
		return 2;
	log_init("tpx-resolver", -1, verbose);
	/* The end is the supervisor's to announce, also for signals. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sandbox_setup(&resolver_sandbox, RESOLVER_CHANNEL_FD);
	resolver = resolver_new();
	sandbox_run_toward(&resolver_sandbox, resolver_ports(resolver));
	resolver_loop(resolver);
	resolver_shutdown(resolver);
	return 0;
}
