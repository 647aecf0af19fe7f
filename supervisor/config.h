/* SPDX-License-Identifier: ISC */
/* Reading the configuration file and turning it into a policy image. */
#ifndef SUPERVISOR_CONFIG_H
#define SUPERVISOR_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "policy/image.h"
#include "supervisor/secrets.h"

struct config_domains {
	int fd; /* the sealed domain index; -1: the image has no lists */
	size_t size_bytes;
};

/* One loaded configuration; immutable, also for the processes that map it. */
struct config {
	int fd; /* the sealed memfd */
	const struct image *image;
	size_t size_bytes;
	struct secrets secrets; /* of its upstreams */
	struct config_domains domains;
	int64_t loaded_at_us; /* CLOCK_REALTIME */
};

/*
 * Reads, checks and loads path, which is absolute, and the password files that
 * it names.  Everything that is wrong goes to standard error; -1 then.
 */
int config_load(const char *path, uint32_t generation, struct config *);

/*
 * Takes a policy image of somebody else over, sealed in a memfd of that size,
 * as a copy with a generation of its own, with the domain index that belongs to
 * it, and reads the password files that it names.  The descriptors stay the
 * caller's.  -1 with the reason.
 */
int config_adopt(int fd, size_t size_bytes, const struct config_domains *,
    uint32_t generation, struct config *, char *why, size_t size);

/* The same policy with another generation.  -1 with errno. */
int
config_copy(const struct config *, uint32_t generation, struct config *copy);

void config_free(struct config *);

/*
 * Writes its canonical form, without any password, to standard output.  -1 as
 * above.
 */
int config_print(const char *path);

#endif
