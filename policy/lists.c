/* SPDX-License-Identifier: ISC */
/* Owns the maps.  Believes no byte of them before they are checked. */
#include "policy/lists.h"

#include <sys/mman.h>

#include <errno.h>
#include <string.h>

#include "common/memfd.h"
#include "policy/match_dns.h"

void
lists_unmap(struct lists_mapping *mapping)
{
	if (mapping->index != NULL)
		munmap((void *)(uintptr_t)mapping->index, mapping->size_bytes);
	mapping->index = NULL;
	mapping->size_bytes = 0;
}

int
lists_map(
    struct lists_mapping *mapping, int fd, size_t size_bytes, const char **why)
{
	const void *bytes = memfd_map_sealed(fd, size_bytes);

	if (bytes == NULL) {
		*why = strerror(errno);
		return -1;
	}
	if (domain_index_check(bytes, size_bytes, why) == -1) {
		munmap((void *)(uintptr_t)bytes, size_bytes);
		errno = EINVAL;
		return -1;
	}
	mapping->index = bytes;
	mapping->size_bytes = size_bytes;
	return 0;
}

int
lists_offer(struct lists *lists, int fd, size_t size_bytes, uint32_t generation,
    const char **why)
{
	lists_unmap(&lists->next);
	lists->generation = generation;
	return lists_map(&lists->next, fd, size_bytes, why);
}

int
lists_take(struct lists *lists, const struct image *image, const char **why)
{
	struct lists_mapping none = { 0 };

	if (lists->next.index != NULL &&
	    lists->generation != image_settings(image)->generation)
		lists_unmap(&lists->next);
	if (!policy_index_fits(image, lists->next.index)) {
		*why = "lists of domains of another configuration";
		errno = EINVAL;
		return -1;
	}
	lists_unmap(&lists->now);
	lists->now = lists->next;
	lists->next = none;
	return 0;
}
