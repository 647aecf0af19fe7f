/* SPDX-License-Identifier: ISC */
/* tpx-dot [-v]: started by tpxd, with a message socket on fd 3. */
#include "common/program.h"
#include "dnsd/dot/dot.h"
#include "dnsd/dot/sandbox.h"

int
main(int argc, char *argv[])
{
	struct dot *dot;

	program_begin(argc, argv, "tpx-dot", 0);
	sandbox_setup(&dot_sandbox, DOT_CHANNEL_FD);
	dot = dot_new();
	sandbox_run_toward(&dot_sandbox, dot_ports(dot));
	dot_loop(dot);
	dot_shutdown(dot);
	return 0;
}
