/* SPDX-License-Identifier: ISC */
/* Ways of clients past the DNS that is answered here, see enum dns_way.  Pure.
 */
#ifndef POLICY_WAY_H
#define POLICY_WAY_H

#include <stddef.h>
#include <stdint.h>

#include "policy/rule.h"

/* The statement by which it is closed, "dns ddr no", or open, "dns ddr yes". */
const char *way_text(enum dns_way, int closed);

/*
 * The way that a question opens, or WAY_COUNT: by its name, which may be below
 * the one that is known, or by a type that is asked for of any name.  The name
 * is as policy_dns() has it.
 */
enum dns_way way_of_question(const char *name, size_t len, uint16_t type);

#endif
