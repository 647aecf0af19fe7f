/* SPDX-License-Identifier: ISC */
/* Owns the map.  Believes no byte of it before image_check() has. */
#include "policy/mapping.h"

#include <sys/mman.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "common/memfd.h"

void
mapping_free(struct mapping *mapping)
{
	if (mapping->image != NULL)
		munmap((void *)(uintptr_t)mapping->image, mapping->size_bytes);
	mapping->image = NULL;
}

int
mapping_replace(
    struct mapping *mapping, int fd, size_t size_bytes, const char **why)
{
	const void *bytes = memfd_map_sealed(fd, size_bytes);

	if (bytes == NULL) {
		*why = strerror(errno);
		return -1;
	}
	if (image_check(bytes, size_bytes, why) == -1) {
		munmap((void *)(uintptr_t)bytes, size_bytes);
		errno = EINVAL;
		return -1;
	}
	mapping_free(mapping);
	mapping->image = bytes;
	mapping->size_bytes = size_bytes;
	return 0;
}
