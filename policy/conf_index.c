/* SPDX-License-Identifier: ISC */
#include "policy/conf_index.h"

#include <errno.h>
#include <string.h>

#include "policy/conf_parse.h"
#include "policy/domain_build.h"
#include "policy/domain_list.h"

#define IDS_TRIED 16
#define ID_FACTOR 0x5851f42d4c957f2dULL /* Knuth's, of MMIX */

static int
add_patterns(struct domain_builder *builder, const struct conf_domains *domains,
    uint16_t list)
{
	size_t i;

	for (i = 0; i < domains->count; i++) {
		const struct conf_pattern *pattern = &domains->patterns[i];

		if (domain_builder_add(builder, list, pattern->below,
			pattern->name, strlen(pattern->name)) == -1)
			return -1;
	}
	return 0;
}

/* 1 when something is wrong with what is in the file. */
static int
add_file(struct domain_builder *builder, const struct conf *conf,
    const struct conf_domains *domains, uint16_t list, struct text *out)
{
	static struct conf_errors errors;
	const struct conf_file *file = &domains->file;
	char path[CONF_FULL_PATH_BYTES];
	size_t count;

	memset(&errors, 0, sizeof(errors));
	if (domain_list_read(
		file->text, file->len, list, builder, &count, &errors) == -1)
		return -1;
	conf_path(conf, file->path, path);
	conf_errors_format(&errors, path, file->text, file->len, out);
	return errors.errors > 0;
}

static int
add_lists(
    struct domain_builder *builder, const struct conf *conf, struct text *out)
{
	int result, bad = 0;
	uint16_t list;

	for (list = 0; list < conf->domains_count; list++) {
		const struct conf_domains *domains = &conf->domains[list];

		if (domains->file.text == NULL)
			result = add_patterns(builder, domains, list);
		else
			result = add_file(builder, conf, domains, list, out);
		if (result == -1)
			return -1;
		bad |= result;
	}
	if (bad)
		errno = EINVAL;
	return bad ? -1 : 0;
}

/* Names that stand too close by one id are apart by another. */
static int
finish(struct domain_builder *builder, struct conf *conf, uint64_t id,
    void **bytes, size_t *len)
{
	unsigned int i;
	int result;

	for (i = 0; i < IDS_TRIED; i++, id = id * ID_FACTOR | 1) {
		result = domain_builder_finish(
		    builder, id, (uint32_t)conf->domains_count, bytes, len);
		if (result == 0)
			conf->domains_id = id;
		if (result == 0 || errno != EAGAIN)
			return result;
	}
	return -1;
}

int
conf_index_build(
    struct conf *conf, uint64_t id, void **bytes, size_t *len, struct text *out)
{
	struct domain_builder builder = { 0 };
	int result;

	*bytes = NULL;
	*len = 0;
	if (conf->domains_count == 0)
		return 0;
	result = add_lists(&builder, conf, out);
	if (result == 0)
		result = finish(&builder, conf, id, bytes, len);
	domain_builder_free(&builder);
	return result;
}
