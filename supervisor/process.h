/* SPDX-License-Identifier: ISC */
/* What a process uses, from proc(5). */
#ifndef SUPERVISOR_PROCESS_H
#define SUPERVISOR_PROCESS_H

#include <sys/types.h>

#include <stdint.h>

struct process_usage {
	uint64_t rss_kib;
	uint64_t cpu_ms; /* user and system */
};

/* It wants a processor (or has one), so it is no worse than starved. */
int process_is_runnable(pid_t);

/* It has been stopped by a signal, not by a lack of anything. */
int process_is_stopped(pid_t);

/* All zero when the process is gone. */
struct process_usage process_usage(pid_t);

#endif
