/* SPDX-License-Identifier: ISC */
/*
 * The canonical text of a configuration: every setting, one statement a line,
 * always in the same order.  Parsing it again gives the same text.
 */
#ifndef POLICY_PRINT_H
#define POLICY_PRINT_H

#include "policy/conf.h"
#include "policy/text.h"

void print_conf(const struct conf *, struct text *);

/* "3s", "1500ms": in the largest unit that is exact. */
void print_duration(uint64_t ms, struct text *);

/* "4G", "1500": in the largest of T, G, M, K that is exact. */
void print_size(uint64_t bytes, struct text *);

#endif
