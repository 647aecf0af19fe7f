/* SPDX-License-Identifier: ISC */
/*
 * Log lines on standard error: "tpx-relay[0]: subject first, no full stop".
 * Untrusted bytes in arguments are escaped (everything outside printable
 * ASCII as \xNN) and a line is cut at 1024 bytes, so that no peer can forge a
 * line or drive a terminal.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

/*
 * name is kept, not copied.  index < 0: no index is shown.  verbose: debug
 * lines are shown too.
 */
void log_init(const char *name, int index, int verbose);

/*
 * log_warn() adds ": " and strerror(errno), as fatal() does.  errno is
 * preserved.
 */
void log_warn(const char *, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *, ...) __attribute__((format(printf, 1, 2)));

/* For broken invariants and start-up only: log and exit 1. */
void fatal(const char *, ...) __attribute__((format(printf, 1, 2), noreturn));
void fatalx(const char *, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
