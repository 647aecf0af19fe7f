/* SPDX-License-Identifier: ISC */
/*
 * tpxctl pause, resume, confirm: commands without arguments that change
 * something.  tpxd answers when it is done.
 */
#include <stddef.h>

#include "ctl/client.h"
#include "ctl/ctl.h"

static int
ask(const struct ctl *ctl, int argc, enum ipc_command command)
{
	if (argc != 1)
		return CTL_USAGE;
	return client_ask(ctl, command, client_ignore, NULL);
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

int
confirm_run(const struct ctl *ctl, int argc, char *argv[])
{
	(void)argv;
	return ask(ctl, argc, IPC_CTL_COMMAND_CONFIRM);
}
