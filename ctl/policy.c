/* SPDX-License-Identifier: ISC */
#include "ctl/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/users.h"
#include "ctl/ctl.h"
#include "policy/conf.h"
#include "policy/image.h"

/* A file's bytes for free(3), NULL with errno. */
static char *
file_read(const char *path, size_t *len)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	*len = 0;
	if (file == NULL)
		return NULL;
	do {
		char *larger;

		size = size == 0 ? 65536 : size * 2;
		if (size > CONF_BYTES_MAX ||
		    (larger = realloc(text, size)) == NULL)
			goto fail;
		text = larger;
		*len += fread(text + *len, 1, size - *len, file);
	} while (*len == size);
	if (ferror(file))
		goto fail;
	(void)fclose(file);
	return text;
fail:
	free(text);
	(void)fclose(file);
	if (errno == 0)
		errno = EFBIG;
	return NULL;
}

static void
errors_print(const struct conf_errors *errors, const char *path,
    const char *text, size_t len)
{
	struct text out = { 0 };

	conf_errors_format(errors, path, text, len, &out);
	if (out.bytes != NULL)
		(void)fputs(out.bytes, stderr);
	text_free(&out);
}

/* What is named without a slash is beside it.  A pipe has no directory. */
static int
directory_set(struct conf *conf, const char *path)
{
	char *real = realpath(path, NULL);
	int result = real == NULL ? 0 : conf_set_path(conf, real);

	if (result == -1)
		log_warn("%s", path);
	free(real);
	return result == -1 ? CTL_FAILED : CTL_GOOD;
}

int
policy_parse(const char *path, struct conf **conf)
{
	static struct conf_errors errors;
	struct users users = { 0 };
	size_t len;
	char *text;

	*conf = NULL;
	errno = 0;
	if ((text = file_read(path, &len)) == NULL) {
		log_warn("%s", path);
		return errno == EACCES ? CTL_NOT_PERMITTED : CTL_FAILED;
	}
	if (users_read(USERS_PATH, &users) == -1)
		log_warn("%s", USERS_PATH);
	if (conf_parse(text, len, &users, conf, &errors) == -1 &&
	    errors.errors == 0)
		log_warn("%s", path);
	errors_print(&errors, path, text, len);
	users_free(&users);
	free(text);
	if (*conf == NULL)
		return CTL_FAILED;
	return directory_set(*conf, path);
}

int
policy_read(const char *path, void **image, size_t *len)
{
	struct conf *conf;
	int result;

	*image = NULL;
	result = policy_parse(path, &conf);
	if (result == CTL_GOOD && image_build(conf, 1, image, len) == -1) {
		log_warn("%s", path);
		result = CTL_FAILED;
	}
	conf_free(conf);
	return result;
}
