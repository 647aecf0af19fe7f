/* SPDX-License-Identifier: ISC */
/* Files of addresses, as people publish them.  Pure. */
#ifndef POLICY_TABLE_LIST_H
#define POLICY_TABLE_LIST_H

#include <stddef.h>

#include "policy/conf.h"

/*
 * Adds to every table the prefixes of its file, if that was read, up to
 * LIMIT_TABLE_PREFIXES: an address or a prefix a line, blank lines, # comments,
 * lines that end in CR LF.  -1 with ENOMEM, or with EINVAL when files are bad:
 * then what is wrong is in out, with file, line and column.
 */
int table_lists_read(struct conf *, struct text *out);

#endif
