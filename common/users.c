/* SPDX-License-Identifier: ISC */
/* Reads what root wrote. */
#include "common/users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "name:password:uid:..." to a user; -1 when it is none. */
static int
line_parse(const char *line, struct user *user)
{
	size_t i, len = strcspn(line, ":");
	const char *uid = line + len;
	unsigned long value;
	char *end;

	memset(user, 0, sizeof(*user));
	if (len == 0 || len >= sizeof(user->name) || *uid != ':')
		return -1;
	for (i = 0; i < len; i++)
		if (line[i] <= ' ' || line[i] > '~')
			return -1;
	memcpy(user->name, line, len);
	uid++;
	uid += strcspn(uid, ":");
	if (uid[0] != ':' || uid[1] < '0' || uid[1] > '9')
		return -1;
	errno = 0;
	value = strtoul(uid + 1, &end, 10);
	if (*end != ':' || errno != 0 || value >= UINT32_MAX)
		return -1;
	user->uid = (uint32_t)value;
	return 0;
}

static int
append(struct users *users, const struct user *user)
{
	struct user *items =
	    reallocarray(users->items, users->count + 1, sizeof(*items));

	if (items == NULL)
		return -1;
	users->items = items;
	items[users->count++] = *user;
	return 0;
}

int
users_read(const char *path, struct users *users)
{
	FILE *file = fopen(path, "re");
	struct user user;
	char *line = NULL;
	size_t size = 0;
	int result = 0;

	if (file == NULL)
		return -1;
	while (result == 0 && getline(&line, &size, file) != -1)
		if (line_parse(line, &user) == 0)
			result = append(users, &user);
	if (ferror(file))
		result = -1;
	free(line);
	(void)fclose(file);
	return result;
}

const struct user *
users_find(const struct users *users, const char *name)
{
	size_t i;

	for (i = 0; i < users->count; i++)
		if (strcmp(users->items[i].name, name) == 0)
			return &users->items[i];
	return NULL;
}

void
users_free(struct users *users)
{
	free(users->items);
	memset(users, 0, sizeof(*users));
}
