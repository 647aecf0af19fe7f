/* SPDX-License-Identifier: ISC */
/* Opens the configuration and the list of users, as user tpx. */
#include "supervisor/config.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memfd.h"
#include "common/output.h"
#include "common/privilege.h"
#include "common/users.h"
#include "policy/conf.h"
#include "policy/mapping.h"
#include "policy/print.h"

struct source {
	char *text;
	size_t len;
};

static int
read_all(int fd, struct source *source)
{
	struct stat status;
	ssize_t n;

	if (fstat(fd, &status) == -1)
		return -1;
	if (!S_ISREG(status.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	if (status.st_size < 0 || (uintmax_t)status.st_size > CONF_BYTES_MAX) {
		errno = EFBIG;
		return -1;
	}
	/* One more than its size shows a file that grows meanwhile. */
	source->text = malloc((size_t)status.st_size + 1);
	if (source->text == NULL)
		return -1;
	while ((n = read(fd, source->text + source->len,
		    (size_t)status.st_size + 1 - source->len)) > 0)
		source->len += (size_t)n;
	return n == -1 ? -1 : 0;
}

static int
source_read(const char *path, struct source *source)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int result;

	memset(source, 0, sizeof(*source));
	if (fd == -1) {
		log_warn("%s", path);
		if (errno == EACCES)
			log_warnx("it is read as user `%s', never as root",
			    PRIVILEGE_USER);
		return -1;
	}
	result = read_all(fd, source);
	if (result == -1)
		log_warn("%s", path);
	close(fd);
	return result;
}

static void
errors_show(const struct conf_errors *errors, const char *path,
    const struct source *source)
{
	struct text text = { 0 };

	conf_errors_format(errors, path, source->text, source->len, &text);
	if (text.bytes != NULL)
		(void)output_all(STDERR_FILENO, text.bytes, text.len);
	text_free(&text);
}

static struct conf *
conf_read(const char *path)
{
	static struct conf_errors errors;
	struct users users = { 0 };
	struct source source;
	struct conf *conf = NULL;

	if (users_read(USERS_PATH, &users) == -1)
		log_warn("%s", USERS_PATH);
	if (source_read(path, &source) == 0) {
		if (conf_parse(source.text, source.len, &users, &conf,
			&errors) == -1 &&
		    errno != EINVAL)
			log_warn("%s", path);
		errors_show(&errors, path, &source);
	}
	users_free(&users);
	free(source.text);
	return conf;
}

int
config_print(const char *path)
{
	struct conf *conf = conf_read(path);
	struct text text = { 0 };
	int result;

	if (conf == NULL)
		return -1;
	print_conf(conf, &text);
	conf_free(conf);
	result = text_check(&text);
	/* stdio(3) would first ask what kind of file this is. */
	if (result == 0)
		result = output_all(STDOUT_FILENO, text.bytes, text.len);
	if (result == -1)
		log_warn("standard output");
	text_free(&text);
	return result;
}

static int
image_seal(const void *bytes, size_t len, struct config *config)
{
	config->fd = memfd_sealed("tpx-policy", bytes, len);
	if (config->fd == -1)
		return -1;
	config->image = memfd_map_sealed(config->fd, len);
	if (config->image == NULL) {
		close(config->fd);
		return -1;
	}
	config->size_bytes = len;
	config->loaded_at_us = clock_real_us();
	return 0;
}

int
config_load(const char *path, uint32_t generation, struct config *config)
{
	struct conf *conf = conf_read(path);
	void *bytes = NULL;
	size_t len;
	int result;

	if (conf == NULL)
		return -1;
	result = image_build(conf, generation, &bytes, &len);
	conf_free(conf);
	if (result == 0)
		result = image_seal(bytes, len, config);
	free(bytes);
	if (result == -1)
		log_warn("%s", path);
	return result;
}

int
config_copy(
    const struct config *config, uint32_t generation, struct config *copy)
{
	void *bytes = malloc(config->size_bytes);
	int result;

	if (bytes == NULL)
		return -1;
	memcpy(bytes, config->image, config->size_bytes);
	image_stamp(bytes, generation);
	result = image_seal(bytes, config->size_bytes, copy);
	free(bytes);
	return result;
}

int
config_adopt(int fd, size_t size_bytes, uint32_t generation,
    struct config *config, const char **why)
{
	struct config theirs = { .size_bytes = size_bytes };
	struct mapping mapping = { 0 };
	int result;

	if (mapping_replace(&mapping, fd, size_bytes, why) == -1)
		return -1;
	theirs.image = mapping.image;
	result = config_copy(&theirs, generation, config);
	if (result == -1)
		*why = strerror(errno);
	mapping_free(&mapping);
	return result;
}

void
config_free(struct config *config)
{
	munmap((void *)(uintptr_t)config->image, config->size_bytes);
	close(config->fd);
}
