/* SPDX-License-Identifier: ISC */
/*
 * The users of passwd(5) and the groups of group(5), read from their files
 * alone: a sandbox has no way to the services of nsswitch.conf(5).
 */
#ifndef COMMON_USERS_H
#define COMMON_USERS_H

#include <stddef.h>
#include <stdint.h>

#define USERS_PATH "/etc/passwd"
#define GROUPS_PATH "/etc/group"
#define USERS_NAME_BYTES 64 /* NUL included */

struct user {
	char name[USERS_NAME_BYTES];
	uint32_t uid; /* or a group's gid; never UINT32_MAX */
};

/* All zero has no user. */
struct users {
	struct user *items;
	size_t count;
	const struct users *groups; /* not owned, or NULL: none is known */
};

/*
 * Appends the users, or groups, of a file.  Lines that are none are passed
 * over, and those with a name that has no room or other bytes than printable
 * ASCII.  0, or -1 with errno and those before it.
 */
int users_read(const char *path, struct users *);

/* The first of that name, or NULL. */
const struct user *users_find(const struct users *, const char *name);

void users_free(struct users *); /* leaves none */

#endif
