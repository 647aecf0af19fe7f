/* SPDX-License-Identifier: ISC */
/*
 * The domain index that a process works with, as it came by descriptor: mapped
 * and checked.  One comes before the policy image that it belongs to, and
 * waits for that.
 */
#ifndef POLICY_LISTS_H
#define POLICY_LISTS_H

#include <stddef.h>
#include <stdint.h>

#include "policy/domain_index.h"
#include "policy/image.h"

struct lists_mapping {
	const struct domain_index *index; /* NULL: none */
	size_t size_bytes;
};

/* All zero holds none. */
struct lists {
	struct lists_mapping now; /* of the image in use */
	struct lists_mapping next;
	uint32_t generation; /* of the image that the next one waits for */
};

/* Maps and checks a sealed memfd.  -1 with errno and the reason. */
int
lists_map(struct lists_mapping *, int fd, size_t size_bytes, const char **why);

void lists_unmap(struct lists_mapping *);

/* One for an image of that generation comes.  -1 as above. */
int lists_offer(struct lists *, int fd, size_t size_bytes, uint32_t generation,
    const char **why);

/*
 * That image has come: what waits for it, or nothing, takes the place of the
 * index in use.  -1 with EINVAL and the reason when they do not belong
 * together; nothing has changed then.
 */
int lists_take(struct lists *, const struct image *, const char **why);

#endif
