/* SPDX-License-Identifier: ISC */
/* What `tpxctl status' is told: counts, every process, and what is amiss. */
#ifndef SUPERVISOR_STATUS_H
#define SUPERVISOR_STATUS_H

#include <stdint.h>

struct ipc_channel;
struct tpxd;

/* Sends all of the answer to request id but its end. */
void status_answer(struct tpxd *, struct ipc_channel *, uint32_t id);

#endif
