/* SPDX-License-Identifier: ISC */
/* Opens the configuration, as user tpx. */
#include "supervisor/config.h"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/memfd.h"
#include "common/output.h"
#include "common/privilege.h"
#include "policy/conf.h"
#include "policy/lists.h"
#include "policy/load.h"
#include "policy/mapping.h"
#include "policy/match_dns.h"
#include "policy/print.h"

#define CONFIG_WHY_BYTES 400

static int
text_read(const char *path, char **text, size_t *len)
{
	if (file_read(path, CONF_BYTES_MAX, text, len) == 0)
		return 0;
	log_warn("%s", path);
	if (errno == EACCES)
		log_warnx(
		    "it is read as user '%s', never as root", PRIVILEGE_USER);
	return -1;
}

/* Frees the bytes. */
static int
domains_seal(struct load_domains *from, struct config_domains *domains)
{
	int result = 0;

	domains->fd = -1;
	domains->size_bytes = from->size_bytes;
	if (from->bytes != NULL) {
		domains->fd =
		    memfd_sealed("tpx-domains", from->bytes, from->size_bytes);
		if (domains->fd == -1) {
			log_warn("domains");
			result = -1;
		}
	}
	free(from->bytes);
	return result;
}

static void
domains_free(struct config_domains *domains)
{
	if (domains->fd != -1)
		close(domains->fd);
	domains->fd = -1;
}

static int
domains_copy(const struct config_domains *domains, struct config_domains *copy)
{
	*copy = *domains;
	if (domains->fd == -1)
		return 0;
	copy->fd = fcntl(domains->fd, F_DUPFD_CLOEXEC, 0);
	return copy->fd == -1 ? -1 : 0;
}

static struct conf *
conf_read(const char *path, struct config_domains *domains)
{
	struct load_domains found;
	struct conf *conf;
	size_t len;
	char *text;

	if (text_read(path, &text, &len) == -1)
		return NULL;
	/* What is not absolute is read from where the process happens to be. */
	conf = load_conf(path, path[0] == '/' ? path : NULL, text, len, &found);
	free(text);
	if (conf == NULL || domains_seal(&found, domains) == 0)
		return conf;
	conf_free(conf);
	return NULL;
}

/* Whether the password files that it names can be read. */
static int
passwords_check(const struct conf *conf, const char *path)
{
	struct secrets secrets = { .fd = -1 };
	char why[CONFIG_WHY_BYTES];
	void *bytes;
	size_t len;
	int result;

	if (image_build(conf, 1, &bytes, &len) == -1) {
		log_warnx("%s: %s", path, image_build_error(errno));
		return -1;
	}
	result = secrets_read(bytes, &secrets, why, sizeof(why));
	if (result == -1)
		log_warnx("%s: %s", path, why);
	secrets_free(&secrets);
	free(bytes);
	return result;
}

static int
conf_write(const struct conf *conf)
{
	struct text text = { 0 };
	int result;

	print_conf(conf, &text);
	result = text_check(&text);
	/* stdio(3) would first ask what kind of file this is. */
	if (result == 0)
		result = output_all(STDOUT_FILENO, text.bytes, text.len);
	if (result == -1)
		log_warn("standard output");
	text_free(&text);
	return result;
}

int
config_print(const char *path)
{
	struct config_domains domains;
	struct conf *conf = conf_read(path, &domains);
	int result;

	if (conf == NULL)
		return -1;
	domains_free(&domains);
	result = conf_write(conf);
	if (result == 0)
		result = passwords_check(conf, path);
	conf_free(conf);
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
	config->secrets.fd = -1;
	config->domains.fd = -1;
	config->size_bytes = len;
	config->loaded_at_us = clock_real_us();
	return 0;
}

int
config_load(const char *path, uint32_t generation, struct config *config)
{
	struct config_domains domains;
	struct conf *conf = conf_read(path, &domains);
	void *bytes = NULL;
	char why[CONFIG_WHY_BYTES];
	size_t len;
	int result;

	if (conf == NULL)
		return -1;
	result = image_build(conf, generation, &bytes, &len);
	if (result == 0)
		result = image_seal(bytes, len, config);
	if (result == -1)
		log_warnx("%s: %s", path, image_build_error(errno));
	conf_free(conf);
	free(bytes);
	if (result == -1) {
		domains_free(&domains);
		return -1;
	}
	config->domains = domains;
	if (secrets_read(config->image, &config->secrets, why, sizeof(why)) ==
	    0)
		return 0;
	log_warnx("%s: %s", path, why);
	config_free(config);
	return -1;
}

static int
image_copy(
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
config_copy(
    const struct config *config, uint32_t generation, struct config *copy)
{
	if (image_copy(config, generation, copy) == -1)
		return -1;
	if (secrets_copy(&config->secrets, &copy->secrets) == 0 &&
	    domains_copy(&config->domains, &copy->domains) == 0)
		return 0;
	config_free(copy);
	return -1;
}

/* NULL, or why the index is not that of the image. */
static const char *
domains_refuse(const struct image *image, const struct config_domains *domains)
{
	struct lists_mapping lists = { 0 };
	const char *why = NULL;

	if (domains->fd != -1 &&
	    lists_map(&lists, domains->fd, domains->size_bytes, &why) == -1)
		return why;
	if (!policy_index_fits(image, lists.index))
		why = "it has not the lists of domains that belong to it";
	lists_unmap(&lists);
	return why;
}

/* A copy of what was checked. */
static int
adopt(const struct config *theirs, uint32_t generation, struct config *config,
    char *why, size_t size)
{
	const char *reason = domains_refuse(theirs->image, &theirs->domains);

	if (reason != NULL) {
		(void)snprintf(why, size, "%s", reason);
		return -1;
	}
	if (image_copy(theirs, generation, config) == -1) {
		(void)snprintf(why, size, "%s", strerror(errno));
		return -1;
	}
	if (domains_copy(&theirs->domains, &config->domains) == -1)
		(void)snprintf(why, size, "%s", strerror(errno));
	else if (secrets_read(config->image, &config->secrets, why, size) == 0)
		return 0;
	config_free(config);
	return -1;
}

int
config_adopt(int fd, size_t size_bytes, const struct config_domains *domains,
    uint32_t generation, struct config *config, char *why, size_t size)
{
	struct config theirs = { .size_bytes = size_bytes,
		.domains = *domains };
	struct mapping mapping = { 0 };
	const char *reason;
	int result;

	if (mapping_replace(&mapping, fd, size_bytes, &reason) == -1) {
		(void)snprintf(why, size, "%s", reason);
		return -1;
	}
	theirs.image = mapping.image;
	result = adopt(&theirs, generation, config, why, size);
	mapping_free(&mapping);
	return result;
}

void
config_free(struct config *config)
{
	secrets_free(&config->secrets);
	domains_free(&config->domains);
	munmap((void *)(uintptr_t)config->image, config->size_bytes);
	close(config->fd);
}
