/* SPDX-License-Identifier: ISC */
/*
 * Seeds for fuzz_image: the images of configurations, as this version makes
 * them.  usage: seed_image DIRECTORY CONFIGURATION...
 * Configurations with errors make none.
 */
#include <err.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy/conf.h"
#include "policy/image.h"

static struct user user[] = { { "www-data", 33 }, { "build", 1200 } };
static const struct users users = { user, 2 };
static struct conf_errors errors;
static char text[1 << 20];

/* 1 when there is an image. */
static int
image_of(const char *path, void **bytes, size_t *len)
{
	struct conf *conf;
	int fd = open(path, O_RDONLY | O_CLOEXEC), made;
	ssize_t n = fd == -1 ? -1 : read(fd, text, sizeof(text));

	if (n == -1)
		err(1, "%s", path);
	close(fd);
	if (conf_parse(text, (size_t)n, &users, &conf, &errors) == -1)
		return 0;
	made = image_build(conf, 1, bytes, len) == 0;
	conf_free(conf);
	return made;
}

static void
seed_write(const char *path, const void *bytes, size_t len)
{
	FILE *out = fopen(path, "we");

	if (out == NULL || fwrite(bytes, 1, len, out) != len ||
	    fclose(out) != 0)
		err(1, "%s", path);
}

int
main(int argc, char *argv[])
{
	char path[4096];
	void *bytes;
	size_t len;
	int i, made = 0;

	for (i = 2; i < argc; i++) {
		if (!image_of(argv[i], &bytes, &len))
			continue;
		(void)snprintf(
		    path, sizeof(path), "%s/%s", argv[1], basename(argv[i]));
		seed_write(path, bytes, len);
		free(bytes);
		made++;
	}
	if (made == 0)
		errx(1, "no configuration made an image");
	return 0;
}
