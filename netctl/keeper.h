/* SPDX-License-Identifier: ISC */
/*
 * The keeper holds the netlink socket that owns the capture table and does
 * nothing: it forks a worker, waits, and forks another when that one died.  So
 * tables and a live lease outlive any worker.  That neither is left stopped
 * when tpxd dies, it goes on then, and with it the worker.
 */
#ifndef NETCTL_KEEPER_H
#define NETCTL_KEEPER_H

/*
 * Returns in each new worker, with the number of workers before it.  The
 * keeper itself never returns: it exits with the worker's code when that left
 * by itself, and 1 when workers keep dying.
 */
unsigned int keeper_run(void);

#endif
