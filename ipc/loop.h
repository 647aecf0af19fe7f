/* SPDX-License-Identifier: ISC */
/* The event loop that every process of tpx runs on. */
#ifndef IPC_LOOP_H
#define IPC_LOOP_H

struct event_base;

/* Event priorities: messages go before everything else. */
enum { LOOP_MESSAGES, LOOP_WORK, LOOP_PRIORITIES };

/*
 * An epoll loop for one thread that takes no orders from the environment.
 * callbacks: how many of LOOP_WORK, the default priority, run before new
 * events are asked for, so that a heartbeat does not wait behind a long queue;
 * 0: all of them.  NULL without memory or epoll.
 */
struct event_base *ipc_loop_new(int callbacks);

#endif
