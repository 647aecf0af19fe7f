/* SPDX-License-Identifier: ISC */
/*
 * Opens password files, as user tpx.  What is in them goes to relays and must
 * reach no log, no answer and no memory that is freed unwiped.
 */
#include "supervisor/secrets.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/memfd.h"
#include "common/privilege.h"
#include "policy/secret.h"

/* A password, a newline, and one byte that shows that it is too long. */
#define TEXT_BYTES (LIMIT_CREDENTIAL_BYTES + 2)

static const char *
check_access(const struct stat *status)
{
	if (!S_ISREG(status->st_mode))
		return "is no regular file";
	if (status->st_uid != 0 && status->st_uid != geteuid())
		return "belongs to another user";
	if ((status->st_mode & S_IWGRP) != 0)
		return "can be written by its group";
	if ((status->st_mode & S_IRGRP) != 0 && status->st_gid != getgid())
		return "can be read by another group than `" PRIVILEGE_USER "'";
	if ((status->st_mode & S_IRWXO) != 0)
		return "can be read by everybody: it should be 0640";
	return NULL;
}

/* NULL, or why not. */
static const char *
text_read(int fd, char *text, size_t *len)
{
	ssize_t n;

	*len = 0;
	while (*len < TEXT_BYTES &&
	       (n = read(fd, text + *len, TEXT_BYTES - *len)) != 0) {
		if (n == -1)
			return strerror(errno);
		*len += (size_t)n;
	}
	return NULL;
}

static const char *
secret_read(const char *path, struct secret *secret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char text[TEXT_BYTES];
	struct stat status;
	const char *why;
	size_t len;

	if (fd == -1)
		return strerror(errno);
	if (fstat(fd, &status) == -1)
		why = strerror(errno);
	else if ((why = check_access(&status)) == NULL &&
		 (why = text_read(fd, text, &len)) == NULL)
		why = secret_set(secret, text, len);
	explicit_bzero(text, sizeof(text));
	close(fd);
	return why;
}

int
secrets_read(
    const struct image *image, struct secrets *out, char *why, size_t size)
{
	static struct secret secrets[LIMIT_UPSTREAMS];
	uint32_t i, count = image_upstream_count(image);
	const char *reason = NULL;

	out->fd = -1;
	out->size_bytes = count * sizeof(secrets[0]);
	for (i = 0; i < count && reason == NULL; i++) {
		const struct image_upstream *upstream =
		    image_upstream(image, i);
		const char *path =
		    image_upstream_password_file(image, upstream);

		if (path[0] == '\0')
			continue;
		reason = secret_read(path, &secrets[i]);
		if (reason != NULL)
			(void)snprintf(why, size,
			    "upstream %s: password file %.200s: %s",
			    upstream->name, path, reason);
	}
	if (reason == NULL && count > 0) {
		out->fd = memfd_sealed("tpx-secrets", secrets, out->size_bytes);
		if (out->fd == -1) {
			reason = strerror(errno);
			(void)snprintf(why, size, "passwords: %s", reason);
		}
	}
	explicit_bzero(secrets, sizeof(secrets));
	return reason == NULL ? 0 : -1;
}

int
secrets_copy(const struct secrets *secrets, struct secrets *copy)
{
	*copy = *secrets;
	if (secrets->fd == -1)
		return 0;
	copy->fd = fcntl(secrets->fd, F_DUPFD_CLOEXEC, 0);
	return copy->fd == -1 ? -1 : 0;
}

void
secrets_free(struct secrets *secrets)
{
	if (secrets->fd != -1)
		close(secrets->fd);
	secrets->fd = -1;
}
