/* SPDX-License-Identifier: ISC */
/* What tpxd says about itself, and two ways to print it. */
#ifndef CTL_STATUS_H
#define CTL_STATUS_H

#include <stddef.h>
#include <stdio.h>

#include "ctl/ctl.h"
#include "schema/msg.h"

#define STATUS_PROCESSES (LIMIT_WORKERS + 8)
#define STATUS_ALARMS 64

struct status {
	struct msg_ctl_status main;
	struct msg_ctl_process processes[STATUS_PROCESSES];
	size_t nprocesses;
	struct msg_ctl_text alarms[STATUS_ALARMS];
	size_t nalarms;
	struct msg_dns_stats dns;
	struct msg_log_stats log;
};

/* Asks for it; returns an enum ctl_exit and has explained any failure. */
int status_ask(const struct ctl *, struct status *);

/* The keys are a contract, as tpxctl(8) has them: none is left out. */
void status_print_json(const struct status *, FILE *);

/* At most twenty lines, however many processes there are. */
void status_print_text(const struct status *, FILE *);

#endif
