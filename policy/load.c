/* SPDX-License-Identifier: ISC */
/* Reads the accounts of this host, and files that an operator names. */
#include "policy/load.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/output.h"
#include "common/users.h"
#include "policy/conf.h"
#include "policy/conf_file.h"
#include "policy/conf_index.h"
#include "policy/table_list.h"
#include "policy/text.h"

static void
show(struct text *text)
{
	if (text->len > 0)
		(void)output_all(STDERR_FILENO, text->bytes, text->len);
	text_free(text);
}

static void
errors_show(const struct conf_errors *errors, const char *path,
    const char *bytes, size_t len)
{
	struct text text = { 0 };

	conf_errors_format(errors, path, bytes, len, &text);
	show(&text);
}

/* -1 when its lists of domains, or its tables, are not in order. */
static int
lists_build(struct conf *conf, struct load_domains *domains)
{
	struct text text = { 0 };
	int result, tables = table_lists_read(conf, &text);

	if (tables == -1 && errno != EINVAL)
		log_warn("tables");
	/* Nobody who writes a list can foresee that. */
	result = conf_index_build(conf, (uint64_t)clock_real_us() | 1,
	    &domains->bytes, &domains->size_bytes, &text);
	if (result == -1 && errno != EINVAL)
		log_warn("domains");
	show(&text);
	return tables == -1 ? -1 : result;
}

static int
files_read(struct conf *conf, const char *real, struct load_domains *domains,
    struct conf_errors *errors)
{
	if (real != NULL && conf_set_path(conf, real) == -1)
		return -1;
	if (conf_files_read(conf, file_read, errors) == -1)
		return -1;
	return lists_build(conf, domains);
}

static struct conf *
parse(const char *text, size_t len, struct conf_errors *errors)
{
	struct users groups = { 0 }, users = { .groups = &groups };
	struct conf *conf = NULL;

	if (users_read(USERS_PATH, &users) == -1)
		log_warn("%s", USERS_PATH);
	if (users_read(GROUPS_PATH, &groups) == -1)
		log_warn("%s", GROUPS_PATH);
	(void)conf_parse(text, len, &users, &conf, errors);
	users_free(&users);
	users_free(&groups);
	return conf;
}

struct conf *
load_conf(const char *path, const char *real, const char *text, size_t len,
    struct load_domains *domains)
{
	static struct conf_errors errors;
	struct conf *conf = parse(text, len, &errors);

	domains->bytes = NULL;
	domains->size_bytes = 0;
	if (conf != NULL && files_read(conf, real, domains, &errors) == -1) {
		free(domains->bytes);
		domains->bytes = NULL;
		conf_free(conf);
		conf = NULL;
	}
	if (conf == NULL && errors.errors == 0)
		log_warnx("%s: not loaded", path);
	errors_show(&errors, path, text, len);
	return conf;
}
