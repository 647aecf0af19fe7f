/* SPDX-License-Identifier: ISC */
/* tpx-resolver [-v]: started by tpxd, with a message socket on fd 3. */
#include "common/program.h"
#include "dnsd/resolver/resolver.h"
#include "dnsd/resolver/sandbox.h"

int
main(int argc, char *argv[])
{
	struct resolver *resolver;

	program_begin(argc, argv, "tpx-resolver", 0);
	program_give_way();
	sandbox_setup(&resolver_sandbox, RESOLVER_CHANNEL_FD);
	resolver = resolver_new();
	sandbox_run_toward(&resolver_sandbox, resolver_ports(resolver));
	resolver_loop(resolver);
	resolver_shutdown(resolver);
	return 0;
}
