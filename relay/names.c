/* SPDX-License-Identifier: ISC */
#include "relay/names.h"

#include <sys/mman.h>

#include "common/clock.h"
#include "common/memfd.h"
#include "policy/binding.h"

static struct {
	const struct binding_table *table[LIMIT_WORKERS];
	uint64_t count;	      /* tables at and above this are NULL */
	struct binding found; /* by the last look-up */
} names;

int
names_add(uint64_t worker, int fd)
{
	size_t len = binding_table_bytes();
	const struct binding_table *old = names.table[worker];
	const struct binding_table *table = memfd_map_shared(fd, len, 0);

	if (table == NULL)
		return -1;
	if (old != NULL)
		munmap((void *)(uintptr_t)old, len);
	names.table[worker] = table;
	if (names.count <= worker)
		names.count = worker + 1;
	return 0;
}

static const struct binding *
look_up(
    const struct addr *client, const struct addr *server, const char *wanted)
{
	static const struct binding none = BINDING_NONE;
	uint32_t now_s = (uint32_t)(clock_mono_us() / 1000000);
	uint64_t i;

	names.found = none;
	for (i = 0; i < names.count; i++)
		if (names.table[i] != NULL)
			binding_find(names.table[i], client, server, wanted,
			    now_s, &names.found);
	return &names.found;
}

void
names_find(struct flow_start *start)
{
	const struct binding *found;

	if (start->host != NULL || names.count == 0)
		return;
	found = look_up(&start->src, &start->dst, NULL);
	if (found->verdict == BINDING_UNKNOWN)
		return;
	start->host = found->name;
	start->by_dns = 1;
}

enum flow_agreement
names_compare(
    const struct addr *client, const struct addr *server, const char *host)
{
	static const enum flow_agreement agreements[] = {
		[BINDING_UNKNOWN] = FLOW_AGREEMENT_UNKNOWN,
		[BINDING_AGREES] = FLOW_AGREEMENT_YES,
		[BINDING_CONTRADICTS] = FLOW_AGREEMENT_NO,
	};

	if (names.count == 0)
		return FLOW_AGREEMENT_UNKNOWN;
	return agreements[look_up(client, server, host)->verdict];
}
