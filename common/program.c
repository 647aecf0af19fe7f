/* SPDX-License-Identifier: ISC */
#include "common/program.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"

void
program_begin(int argc, char *argv[], const char *name, int has_index)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE };
	int verbose = 0;
	size_t i;
	int c;

	while ((c = getopt(argc, argv, "v")) != -1) {
		if (c != 'v')
			exit(2);
		verbose = 1;
	}
	if (optind != argc - has_index)
		exit(2);
	log_init(name, has_index ? atoi(argv[optind]) : -1, verbose);
	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_IGN);
}

void
program_give_way(void)
{
	static const struct sched_param none;

	if (sched_setscheduler(0, SCHED_BATCH, &none) == -1)
		log_debug("scheduling in batches is not possible here");
}
