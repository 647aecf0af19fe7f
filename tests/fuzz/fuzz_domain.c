/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as an index: refused, or names can be looked up in it.  And any
 * bytes as a list: what is read of it makes an index that is good.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/domain_index.h"
#include "policy/domain_list.h"

static struct conf_errors errors;

static void
look_up(const struct domain_index *index, const char *bytes, size_t size)
{
	struct domain_set set;

	domain_index_find(index, bytes, size, &set);
	domain_index_find(
	    index, bytes, size < LIMIT_DOMAIN_BYTES ? size : 253, &set);
	domain_index_find(index, "a.b.example", 11, &set);
}

static void
check_index(const uint8_t *data, size_t size)
{
	void *bytes = malloc(size + 1);
	const char *why;

	if (bytes == NULL)
		return;
	memcpy(bytes, data, size);
	if (domain_index_check(bytes, size, &why) == 0)
		look_up(bytes, bytes, size);
	else if (why == NULL)
		abort();
	free(bytes);
}

static void
check_list(const char *text, size_t size)
{
	struct domain_builder builder = { 0 };
	const char *why;
	size_t count, len;
	void *bytes;

	memset(&errors, 0, sizeof(errors));
	if (domain_list_read(text, size, 1, &builder, &count, &errors) == -1 ||
	    domain_builder_finish(&builder, 1, 2, &bytes, &len) == -1 ||
	    domain_index_check(bytes, len, &why) == -1)
		abort();
	look_up(bytes, text, size);
	free(bytes);
	domain_builder_free(&builder);
}

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_index(data, size);
	check_list((const char *)data, size);
	return 0;
}
