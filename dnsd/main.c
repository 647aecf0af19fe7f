/* SPDX-License-Identifier: ISC */
/* tpx-dnsd [-v] index: started by tpxd, with a message socket on fd 3. */
#include "common/program.h"
#include "dnsd/dnsd.h"
#include "dnsd/sandbox.h"

int
main(int argc, char *argv[])
{
	struct dnsd *dnsd;

	program_begin(argc, argv, "tpx-dnsd", 1);
	sandbox_setup(&dnsd_sandbox, DNSD_CHANNEL_FD);
	dnsd = dnsd_new();
	sandbox_run(&dnsd_sandbox, NULL);
	dnsd_loop(dnsd);
	dnsd_shutdown(dnsd);
	return 0;
}
