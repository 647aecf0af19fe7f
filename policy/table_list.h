/* SPDX-License-Identifier: ISC */
/* Files of addresses, as people publish them.  Pure. */
#ifndef POLICY_TABLE_LIST_H
#define POLICY_TABLE_LIST_H

#include <stddef.h>

#include "policy/conf.h"

/*
 * Adds the prefixes of a text to a table, up to LIMIT_TABLE_PREFIXES: an
 * address or a prefix a line, blank lines, # comments, lines that end in CR
 * LF.  What is wrong goes to errors, with places in this text.  -1 with ENOMEM.
 */
int table_list_read(const char *text, size_t len, struct conf_table *,
    struct conf_errors *errors);

/*
 * The prefixes of every table whose file was read.  -1 with ENOMEM, or with
 * EINVAL when files are bad: then what is wrong is in out, with file, line and
 * column.
 */
int table_lists_read(struct conf *, struct text *out);

#endif
