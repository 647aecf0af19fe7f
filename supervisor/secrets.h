/* SPDX-License-Identifier: ISC */
/* Reading the password files that a policy image names. */
#ifndef SUPERVISOR_SECRETS_H
#define SUPERVISOR_SECRETS_H

#include <stddef.h>

#include "policy/image.h"

/* Sealed in a memfd; fd -1 when the image has no upstream. */
struct secrets {
	int fd;
	size_t size_bytes;
};

/*
 * A file must be root's or the own user's, not writable by anybody else, and
 * readable at most by the own group.  -1 with a text that names the upstream
 * and the file, never what is in it.
 */
int
secrets_read(const struct image *, struct secrets *, char *why, size_t size);

/* The same ones for another generation.  -1 with errno. */
int secrets_copy(const struct secrets *, struct secrets *copy);

void secrets_free(struct secrets *);

#endif
