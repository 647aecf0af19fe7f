/* SPDX-License-Identifier: ISC */
/* How a program that tpxd starts begins. */
#ifndef COMMON_PROGRAM_H
#define COMMON_PROGRAM_H

/*
 * Reads "[-v]", or "[-v] index" for one of several, begins the log, and leaves
 * the end to the supervisor, also when signals come.  Exits with 2 when it was
 * called otherwise.  name is kept, not copied.
 */
void program_begin(int argc, char *argv[], const char *name, int has_index);

/*
 * What this process is woken for does not push aside who is running: it gets
 * no less of the CPU, but finds more to do at a time (SCHED_BATCH, sched(7)).
 */
void program_give_way(void);

#endif
