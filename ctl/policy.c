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

#include "common/log.h"
#include "ctl/ctl.h"
#include "policy/conf.h"
#include "policy/image.h"

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

static int
parse(const char *path, struct conf **conf, struct load_domains *domains)
{
	size_t len;
	char *text, *real;

	*conf = NULL;
	domains->bytes = NULL;
	errno = 0;
	if ((text = text_read(path, &len)) == NULL) {
		log_warn("%s", path);
		return errno == EACCES ? CTL_NOT_PERMITTED : CTL_FAILED;
	}
	real = realpath(path, NULL);
	*conf = load_conf(path, real, text, len, domains);
	free(real);
	free(text);
	return *conf == NULL ? CTL_FAILED : CTL_GOOD;
}

void
policy_free(struct policy_bytes *bytes)
{
	free(bytes->image);
	free(bytes->domains.bytes);
}

int
policy_parse(const char *path, struct conf **conf)
{
	struct load_domains domains;
	int result = parse(path, conf, &domains);

	free(domains.bytes);
	return result;
}

int
policy_read_whole(const char *path, struct policy_bytes *out)
{
	struct conf *conf;
	int result = parse(path, &conf, &out->domains);

	out->image = NULL;
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
	free(bytes.domains.bytes);
	return result;
}
