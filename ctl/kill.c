/* SPDX-License-Identifier: ISC */
/* tpxctl kill: ends live flows, one by its id or all of a client. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/addr.h"
#include "common/log.h"
#include "ctl/client.h"
#include "ctl/ctl.h"

static int
take_id(const char *text, uint64_t *id)
{
	char *end;

	errno = 0;
	*id = strtoull(text, &end, 10);
	if (errno == 0 && *end == '\0' && text[0] >= '0' && text[0] <= '9' &&
	    *id > 0 && *id <= IPC_ID_MAX)
		return 0;
	log_warnx("'%s' is no id of a flow: see `tpxctl flows --live'", text);
	return -1;
}

static int
take_client(const char *text, struct msg_kill *kill)
{
	struct prefix prefix;

	if (prefix_parse(text, &prefix) == -1 || prefix.bits != 128) {
		log_warnx("--client: '%s' is no address", text);
		return -1;
	}
	memcpy(&kill->client_high, prefix.addr.byte, 8);
	memcpy(&kill->client_low, prefix.addr.byte + 8, 8);
	return 0;
}

static int
kill_do(const struct ctl *ctl, const struct msg_kill *kill)
{
	uint64_t count;
	int result = client_kill(ctl, kill, &count);

	if (result != CTL_GOOD)
		return result;
	if (ctl->json)
		(void)printf("{\"killed\":%" PRIu64 "}\n", count);
	else if (count > 0)
		(void)printf(
		    "%" PRIu64 " flow%s ended\n", count, count == 1 ? "" : "s");
	if (count > 0)
		return CTL_GOOD;
	log_warnx("no such flow is open");
	return CTL_FAILED;
}

int
kill_run(const struct ctl *ctl, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "client", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	struct msg_kill kill = { 0 };
	int c, client = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'c' || take_client(optarg, &kill) == -1)
			return CTL_USAGE;
		client = 1;
	}
	if (argc - optind != !client)
		return CTL_USAGE;
	if (!client && take_id(argv[optind], &kill.flow) == -1)
		return CTL_USAGE;
	return kill_do(ctl, &kill);
}
