/* SPDX-License-Identifier: ISC */
/*
 * One question to tpxd over its control socket (unix(7), SOCK_SEQPACKET).
 * What comes back is checked by ipc_accept(); nothing is waited for longer
 * than five seconds, but for a configuration to be in force.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "ctl/ctl.h"
#include "schema/msg.h"

struct client_message {
	enum msg_type type;
	const void *body;
	size_t len; /* of body */
	int fd;	    /* -1: none; closed after the handler, who may dup(2) it */
};

/* 0, or -1 when the answer is no use any more; the failure was explained. */
typedef int client_fn(void *ctx, const struct client_message *);

/* For answers that are but their end. */
int client_ignore(void *ctx, const struct client_message *);

/*
 * Asks, and hands every message before CTL_END to the handler.  Returns an
 * enum ctl_exit and has explained any failure.
 */
int client_ask(const struct ctl *, enum ipc_command, client_fn *, void *ctx);

/* Sealed memfds (common/memfd.h) and their sizes; fd -1: there is none. */
struct client_config {
	int image;
	int domains; /* the domain index of that image */
	size_t image_bytes;
	size_t domains_bytes;
};

/*
 * Hands tpxd a configuration: make() gives it, or -1 when it has explained why
 * not; what it has opened is closed here.  It runs once the connection is
 * there, so it may give up the right to open one.
 */
int client_apply(const struct ctl *, uint32_t confirm_s,
    int (*make)(void *ctx, struct client_config *), void *ctx);

/* Has flows ended, and says how many those were. */
int client_kill(const struct ctl *, const struct msg_kill *, uint64_t *count);

/* 1 when something answers on the socket, 0 when not, -1 with errno. */
int client_is_running(const struct ctl *);

#define CLIENT_PATH_BYTES sizeof(((struct msg_ctl_status *)0)->config_path)

/* Asks for the file that the running tpxd was started with. */
int client_config_path(const struct ctl *, char path[CLIENT_PATH_BYTES]);

#endif
