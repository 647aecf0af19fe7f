/* SPDX-License-Identifier: ISC */
/* tpx-flowlog [-v]: started by tpxd, with a message socket on fd 3. */
#include <sys/stat.h>

#include "common/program.h"
#include "flowlog/flowlog.h"
#include "flowlog/sandbox.h"

int
main(int argc, char *argv[])
{
	struct flowlog *flowlog;

	program_begin(argc, argv, "tpx-flowlog", 0);
	program_give_way();
	(void)umask(027); /* the group reads */
	sandbox_setup(&flowlog_sandbox, FLOWLOG_CHANNEL_FD);
	flowlog = flowlog_new();
	sandbox_run(&flowlog_sandbox, flowlog_paths(flowlog));
	flowlog_loop(flowlog);
	flowlog_shutdown(flowlog);
	return 0;
}
