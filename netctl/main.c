/* SPDX-License-Identifier: ISC */
/*
 * tpx-netctl [-v]: started by tpxd, with a message socket on fd 3.
 * tpx-netctl unblock: removes what a tpxd has left; for tpxctl, as root.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/privilege.h"
#include "netctl/capture.h"
#include "netctl/keeper.h"
#include "netctl/netctl.h"
#include "netctl/nft.h"
#include "netctl/routing.h"
#include "netctl/sandbox.h"
#include "netctl/sysctl.h"

static void
serve(void)
{
	struct netctl *netctl;
	unsigned int restarts = keeper_run();

	routing_open();
	if (restarts > 0)
		capture_adopt();
	netctl = netctl_new(restarts);
	sandbox_run(&netctl_sandbox, NULL);
	netctl_loop(netctl);
	netctl_shutdown(netctl);
}

int
main(int argc, char *argv[])
{
	int unblock = argc == 2 && strcmp(argv[1], "unblock") == 0;
	int verbose = argc == 2 && strcmp(argv[1], "-v") == 0;

	log_init("tpx-netctl", -1, verbose);
	if (argc != 1 + unblock + verbose)
		return 2;
	/* The end is the supervisor's to announce, also for signals. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	privilege_drop_user();
	sandbox_setup(
	    &netctl_sandbox, unblock ? STDERR_FILENO : NETCTL_CHANNEL_FD);
	nft_open();
	sysctl_remember();
	if (!unblock) {
		serve();
		return 0;
	}
	routing_open();
	return capture_unblock() == -1;
}
