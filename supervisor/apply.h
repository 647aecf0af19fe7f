/* SPDX-License-Identifier: ISC */
/*
 * A new configuration on its way into force.  The relays and the flow log get
 * it first; when every relay has shown that it works with it, netctl puts it
 * into force in one transaction.  All of it or nothing: what cannot be put into
 * force is taken back everywhere.  The way back waits for nobody longer than a
 * lease, and the kernel is asked until it takes it.  One at a time.
 */
#ifndef SUPERVISOR_APPLY_H
#define SUPERVISOR_APPLY_H

#include <stddef.h>
#include <stdint.h>

struct config;
struct config_domains;
struct tpxd;

/*
 * Begins with the policy image in fd and the domain index that belongs to it;
 * both stay the caller's.  confirm_s: the configuration before comes back after
 * that time, if not 0 and nobody confirms.  How it ends is told by
 * control_applied().  -1 when it cannot begin, with the reason in why (of size
 * bytes).
 */
int apply_begin(struct tpxd *, int fd, size_t size_bytes,
    const struct config_domains *, uint32_t confirm_s, char *why, size_t size);

/* Keeps what is in force on trial.  -1 when nothing is. */
int apply_confirm(struct tpxd *);

/* A relay has answered, or time has passed. */
void apply_step(struct tpxd *);

/*
 * netctl has put the present configuration into force, or could not.  Who
 * asked for one that could not is told when the one before is everywhere
 * again, or the kernel does not take that either.
 */
void apply_netctl(struct tpxd *, int done);

/* The one by which the kernel's rules were made, in an older copy at most. */
const struct config *apply_in_force(const struct tpxd *);

/* 1 until the kernel has it: a new netctl must not keep what it finds. */
int apply_under_way(void);

/* Why the one before is on its way back, for who asked for another; or NULL. */
const char *apply_refusal(void);

/* Seconds left to confirm what is in force, or -1 when nothing is on trial. */
int apply_trial_s(void);

#endif
