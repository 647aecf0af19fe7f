/* SPDX-License-Identifier: ISC */
/* Ways of clients past the DNS that is answered here, see enum dns_way.  Pure.
 */
#ifndef POLICY_WAY_H
#define POLICY_WAY_H

#include <stddef.h>

#include "policy/rule.h"

/* The statement by which it is closed, "dns ddr no", or open, "dns ddr yes". */
const char *way_text(enum dns_way, int closed);

/*
 * The way that a name opens, with all names below it, or WAY_COUNT.  The name
 * is as policy_dns() has it.
 */
enum dns_way way_of_name(const char *name, size_t len);

#endif
