/* SPDX-License-Identifier: ISC */
/* Owns the maps.  Reads tables that other processes write meanwhile. */
#include "policy/bindings.h"

#include <sys/mman.h>

#include "common/memfd.h"
#include "schema/limits.h"

static struct {
	const struct binding_table *table[LIMIT_WORKERS];
	uint64_t count;	      /* tables at and above this are NULL */
	struct binding found; /* by the last look-up */
} bindings;

int
bindings_add(uint64_t worker, int fd)
{
	size_t len = binding_table_bytes();
	const struct binding_table *old = bindings.table[worker];
	const struct binding_table *table = memfd_map_shared(fd, len, 0);

	if (table == NULL)
		return -1;
	if (old != NULL)
		munmap((void *)(uintptr_t)old, len);
	bindings.table[worker] = table;
	if (bindings.count <= worker)
		bindings.count = worker + 1;
	return 0;
}

const struct binding *
bindings_find(const struct addr *client, const struct addr *server,
    const char *wanted, uint32_t at_s)
{
	static const struct binding none = BINDING_NONE;
	uint64_t i;

	bindings.found = none;
	for (i = 0; i < bindings.count; i++)
		if (bindings.table[i] != NULL)
			binding_find(bindings.table[i], client, server, wanted,
			    at_s, &bindings.found);
	return &bindings.found;
}
