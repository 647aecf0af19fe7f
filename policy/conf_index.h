/* SPDX-License-Identifier: ISC */
/* The domain index of a configuration.  Pure. */
#ifndef POLICY_CONF_INDEX_H
#define POLICY_CONF_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "policy/conf.h"

/*
 * Builds the index of all lists of a tree whose files were read, and puts its
 * id into the tree, from where image_build() takes it: so before that.  id: at
 * random, not 0; where names cannot be kept with that, others are tried.  0 and
 * bytes for free(3), or NULL when there is no list; -1 with errno as of
 * domain_builder_finish(), or with EINVAL when files are bad: then what is
 * wrong is in out, with file, line and column.
 */
int conf_index_build(
    struct conf *, uint64_t id, void **bytes, size_t *len, struct text *out);

#endif
