/* SPDX-License-Identifier: ISC */
/*
 * The tables of every dnsd, see policy/binding.h: one set of them in a process
 * that reads.  Another process writes them meanwhile and nothing in them is
 * believed.  No look-up is a system call.
 */
#ifndef POLICY_BINDINGS_H
#define POLICY_BINDINGS_H

#include <stdint.h>

#include "policy/binding.h"

/*
 * Maps the table of that worker's dnsd, which is below LIMIT_WORKERS, for
 * reading, in the place of what was there before.  -1 with errno: not a table.
 */
int bindings_add(uint64_t worker, int fd);

/*
 * What all of them know of that address, as of that time, which may lie behind:
 * what has ended since is there until another needs its place.  wanted: a name
 * to be compared, or NULL.  It lasts until the next call.
 */
const struct binding *bindings_find(const struct addr *client,
    const struct addr *server, const char *wanted, uint32_t at_s);

#endif
