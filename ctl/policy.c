/* SPDX-License-Identifier: ISC */
/*
 * Reads a configuration with the rights of its caller, who may have given up
 * some; the same checks as in tpxd say what is wrong with it.
 */
#include "ctl/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/users.h"
#include "ctl/ctl.h"
#include "policy/conf.h"
#include "policy/conf_file.h"
#include "policy/conf_index.h"
#include "policy/image.h"
#include "policy/table_list.h"

/* A file's bytes for free(3), NULL with errno.  A pipe is fine. */
static char *
text_read(const char *path, size_t *len)
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

	free(real);
	return result;
}

static int
lists_build(struct conf *conf, struct policy_bytes *out)
{
	struct text text = { 0 };
	int result, tables = table_lists_read(conf, &text);

	if (tables == -1 && errno != EINVAL)
		log_warn("tables");

	/* Nobody who writes a list can foresee that. */
	result = conf_index_build(conf, (uint64_t)clock_real_us() | 1,
	    &out->domains, &out->domains_bytes, &text);
	if (result == -1 && errno != EINVAL)
		log_warn("domains");
	if (text.len > 0)
		(void)fputs(text.bytes, stderr);
	text_free(&text);
	return tables == -1 ? -1 : result;
}

/* What is wrong goes to errors, or to the log when they stay empty. */
static struct conf *
conf_load(const char *path, const char *text, size_t len,
    struct policy_bytes *out, struct conf_errors *errors)
{
	struct users groups = { 0 }, users = { .groups = &groups };
	struct conf *conf;
	int result;

	if (users_read(USERS_PATH, &users) == -1)
		log_warn("%s", USERS_PATH);
	if (users_read(GROUPS_PATH, &groups) == -1)
		log_warn("%s", GROUPS_PATH);
	result = conf_parse(text, len, &users, &conf, errors);
	users_free(&users);
	users_free(&groups);
	if (result == 0 && (directory_set(conf, path) == -1 ||
			       conf_files_read(conf, file_read, errors) == -1 ||
			       lists_build(conf, out) == -1)) {
		conf_free(conf);
		conf = NULL;
	}
	if (conf == NULL && errors->errors == 0)
		log_warnx("%s: not loaded", path);
	return conf;
}

static int
parse(const char *path, struct conf **conf, struct policy_bytes *out)
{
	static struct conf_errors errors;
	size_t len;
	char *text;

	*conf = NULL;
	memset(out, 0, sizeof(*out));
	errno = 0;
	if ((text = text_read(path, &len)) == NULL) {
		log_warn("%s", path);
		return errno == EACCES ? CTL_NOT_PERMITTED : CTL_FAILED;
	}
	*conf = conf_load(path, text, len, out, &errors);
	errors_print(&errors, path, text, len);
	free(text);
	return *conf == NULL ? CTL_FAILED : CTL_GOOD;
}

void
policy_free(struct policy_bytes *bytes)
{
	free(bytes->image);
	free(bytes->domains);
}

int
policy_parse(const char *path, struct conf **conf)
{
	struct policy_bytes bytes;
	int result = parse(path, conf, &bytes);

	policy_free(&bytes);
	return result;
}

int
policy_read_whole(const char *path, struct policy_bytes *out)
{
	struct conf *conf;
	int result = parse(path, &conf, out);

	if (result == CTL_GOOD &&
	    image_build(conf, 1, &out->image, &out->image_bytes) == -1) {
		log_warnx("%s: %s", path, image_build_error(errno));
		result = CTL_FAILED;
	}
	conf_free(conf);
	return result;
}

int
policy_read(const char *path, void **image, size_t *len)
{
	struct policy_bytes bytes;
	int result = policy_read_whole(path, &bytes);

	*image = bytes.image;
	*len = bytes.image_bytes;
	free(bytes.domains);
	return result;
}
