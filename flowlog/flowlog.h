/* SPDX-License-Identifier: ISC */
/* The process that alone writes the flow log. */
#ifndef FLOWLOG_FLOWLOG_H
#define FLOWLOG_FLOWLOG_H

/* Messages to and from the supervisor go over this descriptor. */
#define FLOWLOG_CHANNEL_FD 3

struct flowlog;
struct sandbox_path;

/*
 * Waits for the configuration and the order to start, and opens the database.
 * Fatal when that fails.
 */
struct flowlog *flowlog_new(void);

/* The one directory that the process may still use. */
const struct sandbox_path *flowlog_paths(const struct flowlog *);

/* Returns when the supervisor has gone or has asked for the end. */
void flowlog_loop(struct flowlog *);

/* Writes what waits and closes the database. */
void flowlog_shutdown(struct flowlog *);

#endif
