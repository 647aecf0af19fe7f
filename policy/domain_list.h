/* SPDX-License-Identifier: ISC */
/* A file of domains, as people publish them.  Pure. */
#ifndef POLICY_DOMAIN_LIST_H
#define POLICY_DOMAIN_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "policy/conf.h"
#include "policy/domain_build.h"

/*
 * One name or "*.name" a line, or a line of hosts(5): an address and names, of
 * which those of every host itself, such as localhost, are passed over.  Blank
 * lines, # comments, lines that end in CR LF.  What is wrong goes to errors,
 * with places in this text, of which *count names were good.  -1 with ENOMEM
 * or EOVERFLOW when there is no room for more.
 */
int domain_list_read(const char *text, size_t len, uint16_t list,
    struct domain_builder *, size_t *count, struct conf_errors *);

/* "name" or "*.name" to name; *below says which.  NULL, or why it is none. */
const char *domain_pattern(
    const char *text, size_t len, char name[LIMIT_DOMAIN_BYTES], int *below);

#endif
