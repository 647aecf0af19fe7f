/* SPDX-License-Identifier: ISC */
/*
 * A tpxd of the test's own, in the gateway's namespace, and what becomes of its
 * processes.  The caller is the first process of a pid namespace that holds
 * nothing else: whatever runs there is of this tpxd.
 */
#ifndef CTL_LEAK_INSTANCE_H
#define CTL_LEAK_INSTANCE_H

#include <stddef.h>
#include <sys/types.h>

#include "ctl/ctl.h"
#include "ctl/leak/net.h"

/* A tmpfs that nobody else sees lies over a directory that every host has. */
#define INSTANCE_DIR "/mnt"
#define INSTANCE_SOCKET INSTANCE_DIR "/tpxd.sock"
#define INSTANCE_LOG_DIR INSTANCE_DIR "/log"

/* Sets of processes; a keeper is that of netctl. */
#define INSTANCE_SUPERVISOR 0x01U
#define INSTANCE_KEEPER 0x02U
#define INSTANCE_NETCTL 0x04U
#define INSTANCE_RELAY 0x08U
#define INSTANCE_FLOWLOG 0x10U
#define INSTANCE_DNSD 0x20U
#define INSTANCE_RESOLVER 0x40U
#define INSTANCE_DOT 0x80U
#define INSTANCE_ALL 0xffU

#define INSTANCE_PIDS 128

struct instance {
	const struct net *gateway;
	const char *libexecdir;
	const char *tpxd; /* path of the program */
	struct ctl ctl;
	pid_t pid;	/* of tpxd, 0: none */
	size_t healthy; /* processes, when all is well */
};

/* A file system and /proc of the test's own, and a configuration there. */
int instance_prepare(struct instance *, const char *conf, size_t len);

/* The guard without a tpxd: 0, or -1 when it could not be loaded. */
int instance_guard(const struct instance *, const void *image, size_t len);

int instance_start(struct instance *);

/* 1 when tpxd says that it is armed. */
int instance_is_armed(const struct instance *);

/* Sends a signal to a set; returns how many there were, supervisor first. */
size_t instance_signal(const struct instance *, unsigned int set, int signal);

/* How many of a set run, stopped ones too; reaps those that have ended. */
size_t instance_count(struct instance *, unsigned int set);

/* What tpxd and its processes have said, on standard error. */
void instance_show_log(void);

#endif
