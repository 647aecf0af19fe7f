/* SPDX-License-Identifier: ISC */
/*
 * The policy image that a process works with, as it came by descriptor: mapped
 * and checked, and replaced as a whole.
 */
#ifndef POLICY_MAPPING_H
#define POLICY_MAPPING_H

#include <stddef.h>

#include "policy/image.h"

/* All zero holds no image. */
struct mapping {
	const struct image *image; /* NULL: none yet */
	size_t size_bytes;
};

/*
 * Maps the memfd of a CONFIG message and, if it is in order, lets go of the
 * image before it.  -1 with errno and the reason; the old image stays.
 */
int
mapping_replace(struct mapping *, int fd, size_t size_bytes, const char **why);

/* Lets go of the image, if there is one. */
void mapping_free(struct mapping *);

#endif
