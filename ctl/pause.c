/* SPDX-License-Identifier: ISC */
/*
 * tpxctl pause, resume: captured traffic goes past tpx, or to it again.  tpxd
 * answers when the kernel does so.
 */
#include <stddef.h>

#include "ctl/client.h"
#include "ctl/ctl.h"

static int
on_message(void *ctx, const struct client_message *message)
{
	(void)ctx;
	(void)message;
	return 0;
}

static int
ask(const struct ctl *ctl, int argc, enum ipc_command command)
{
	if (argc != 1)
		return CTL_USAGE;
	return client_ask(ctl, command, on_message, NULL);
}

int
pause_run(const struct ctl *ctl, int argc, char *argv[])
{
	(void)argv;
	return ask(ctl, argc, IPC_CTL_COMMAND_PAUSE);
}

int
resume_run(const struct ctl *ctl, int argc, char *argv[])
{
	(void)argv;
	return ask(ctl, argc, IPC_CTL_COMMAND_RESUME);
}
