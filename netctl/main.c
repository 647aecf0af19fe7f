/* SPDX-License-Identifier: ISC */
/*
 * tpx-netctl [-v]: started by tpxd, with a message socket on fd 3.
 * For tpxctl, as root, without a tpxd:
 * tpx-netctl guard: loads the guard of the policy image in the memfd on fd 3.
 * tpx-netctl guard-all: loads a guard against all forwarding.
 * tpx-netctl unblock: removes what a tpxd has left.
 */
#include <sys/stat.h>

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
#include "policy/mapping.h"

static void
serve(void)
{
	struct netctl *netctl;
	unsigned int restarts;

	sysctl_share();
	restarts = keeper_run();
	routing_open();
	if (restarts > 0)
		capture_adopt();
	netctl = netctl_new(restarts);
	sandbox_run(&netctl_sandbox, NULL);
	netctl_loop(netctl);
	netctl_shutdown(netctl);
}

/* For guard. */
static struct mapping policy;
static struct render_local local;

static void
policy_map(void)
{
	struct stat status;
	const char *why;

	if (fstat(NETCTL_CHANNEL_FD, &status) == -1)
		fatal("policy image");
	if (mapping_replace(
		&policy, NETCTL_CHANNEL_FD, (size_t)status.st_size, &why) == -1)
		fatalx("policy image: %s", why);
	local.uid = geteuid();
}

static int
guard(void)
{
	return capture_guard_only(policy.image, &local);
}

static const struct mode {
	const char *name;
	void (*prepare)(void);
	int (*run)(void);
	int highest_fd; /* of what it was given */
} modes[] = {
	{ "guard", policy_map, guard, NETCTL_CHANNEL_FD },
	{ "guard-all", NULL, capture_guard_all, STDERR_FILENO },
	{ "unblock", NULL, capture_unblock, STDERR_FILENO },
};

static const struct mode *
mode_of(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	return NULL;
}

int
main(int argc, char *argv[])
{
	const struct mode *mode = argc == 2 ? mode_of(argv[1]) : NULL;
	int verbose = argc == 2 && strcmp(argv[1], "-v") == 0;

	log_init("tpx-netctl", -1, verbose);
	if (argc != 1 + (mode != NULL) + verbose)
		return 2;
	/* The end is the supervisor's to announce, also for signals. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	privilege_drop_user();
	sandbox_setup(&netctl_sandbox,
	    mode != NULL ? mode->highest_fd : NETCTL_CHANNEL_FD);
	nft_open();
	if (mode == NULL) {
		serve();
		return 0;
	}
	if (mode->prepare != NULL)
		mode->prepare();
	routing_open();
	/* libnftables would look for users of a number's name (nss(5)). */
	sandbox_run(&netctl_sandbox, NULL);
	return mode->run() == -1;
}
