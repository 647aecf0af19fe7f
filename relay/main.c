/* SPDX-License-Identifier: ISC */
/* tpx-relay [-v] index: started by tpxd, with a message socket on fd 3. */
#include "common/program.h"
#include "relay/relay.h"
#include "relay/sandbox.h"

int
main(int argc, char *argv[])
{
	struct relay *relay;

	program_begin(argc, argv, "tpx-relay", 1);
	sandbox_setup(&relay_sandbox, RELAY_CHANNEL_FD);
	relay = relay_new();
	sandbox_run(&relay_sandbox, NULL);
	relay_loop(relay);
	relay_shutdown(relay);
	return 0;
}
