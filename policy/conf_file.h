/* SPDX-License-Identifier: ISC */
/*
 * Files whose text becomes part of the policy.  Pure: somebody else opens
 * them, as the user and within the sandbox that it runs with.
 */
#ifndef POLICY_CONF_FILE_H
#define POLICY_CONF_FILE_H

#include <stddef.h>

#include "policy/conf.h"

/*
 * A whole file: 0 and bytes for free(3), -1 with errno.  EFBIG when there are
 * more than max_bytes.
 */
typedef int
conf_read_fn(const char *path, size_t max_bytes, char **bytes, size_t *len);

/*
 * Reads and checks every file that a tree names; conf_set_path() has said
 * where they are.  What is wrong is added to the errors of its text, at the
 * name of the file: -1 with EINVAL then, or with ENOMEM.
 */
int conf_files_read(struct conf *, conf_read_fn *, struct conf_errors *);

#endif
