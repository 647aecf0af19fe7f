/* SPDX-License-Identifier: ISC */
/*
 * Lists of domains and of addresses are read here and looked into by
 * conf_index.c and table_list.c.  Texts of
 * trust anchors and root hints: records of the kinds that belong there, one a
 * line, in the form of zone files (RFC 1035, 5.1).  What is in a record is for
 * the resolver to tell.  Certificates: a text that has one, which OpenSSL,
 * where no capability is, will read.
 */
#include "policy/conf_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/conf_parse.h"

#define KINDS_MAX 3
#define CERTIFICATE "-----BEGIN CERTIFICATE-----"

struct records {
	const char *what;
	const char *kinds[KINDS_MAX];
};

static const struct records anchors = { "DS or DNSKEY", { "DS", "DNSKEY" } };
static const struct records hints = { "NS, A or AAAA", { "NS", "A", "AAAA" } };

static int
is_kind(const struct records *records, const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < KINDS_MAX && records->kinds[i] != NULL; i++)
		if (strlen(records->kinds[i]) == len &&
		    strncasecmp(records->kinds[i], word, len) == 0)
			return 1;
	return 0;
}

enum line { LINE_BAD, LINE_BLANK, LINE_RECORD };

/* A record has its kind as a word behind its first one. */
static enum line
line_check(const struct records *records, const char *line, size_t len)
{
	const char *blanks = " \t", *comment = memchr(line, ';', len);
	size_t at, end, words = 0;

	if (comment != NULL)
		len = (size_t)(comment - line);
	if (memchr(line, '(', len) != NULL)
		return LINE_BAD;
	for (at = 0; at < len; at = end) {
		end = at;
		if (strchr(blanks, line[at]) != NULL) {
			end++;
			continue;
		}
		while (end < len && strchr(blanks, line[end]) == NULL)
			end++;
		if (words++ > 0 && is_kind(records, line + at, end - at))
			return LINE_RECORD;
	}
	return words == 0 ? LINE_BLANK : LINE_BAD;
}

static int
is_text(const char *line, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (line[i] != '\t' && (line[i] < ' ' || line[i] > '~'))
			return 0;
	return 1;
}

static void
records_check(const struct records *records, const struct conf_file *file,
    struct conf_errors *errors)
{
	const char *line = file->text, *end;
	unsigned int number = 1, found = 0;
	enum line kind;

	for (;; line = end + 1, number++) {
		end = strchrnul(line, '\n');
		kind = is_text(line, (size_t)(end - line))
			   ? line_check(records, line, (size_t)(end - line))
			   : LINE_BAD;
		found += kind == LINE_RECORD;
		if (kind == LINE_BAD || *end == '\0')
			break;
	}
	if (kind == LINE_BAD)
		conf_report(errors, CONF_ERROR, &file->place, NULL, NULL,
		    "line %u of the file is no record of %s; one record "
		    "stands on a line",
		    number, records->what);
	else if (found == 0)
		conf_report(errors, CONF_ERROR, &file->place, NULL, NULL,
		    "the file has no record of %s", records->what);
}

/* 1 when it cannot be read or is no text, which is reported; -1: ENOMEM. */
static int
file_load(const struct conf *conf, struct conf_file *file, size_t max_bytes,
    conf_read_fn *read, struct conf_errors *errors)
{
	char path[CONF_FULL_PATH_BYTES];

	conf_path(conf, file->path, path);
	if (read(path, max_bytes, &file->text, &file->len) == -1) {
		if (errno == ENOMEM)
			return -1;
		conf_report(errors, CONF_ERROR, &file->place, NULL, NULL,
		    "the file cannot be read: %s", strerror(errno));
		return 1;
	}
	if (memchr(file->text, '\0', file->len) == NULL)
		return 0;
	conf_report(errors, CONF_ERROR, &file->place, NULL, NULL,
	    "the file is no text");
	return 1;
}

static int
read_records(struct conf *conf, struct conf_file *file,
    const struct records *records, conf_read_fn *read,
    struct conf_errors *errors)
{
	int result;

	if (file->path[0] == '\0')
		return 0;
	result = file_load(conf, file, LIMIT_DNS_FILE_BYTES, read, errors);
	if (result == 0)
		records_check(records, file, errors);
	return result == -1 ? -1 : 0;
}

static void
certificates_check(const struct conf_file *file, struct conf_errors *errors)
{
	const char *line = file->text, *end;
	unsigned int number = 1;

	for (;; line = end + 1, number++) {
		end = strchrnul(line, '\n');
		if (!is_text(line, (size_t)(end - line)) || *end == '\0')
			break;
	}
	if (!is_text(line, (size_t)(end - line)))
		conf_report(errors, CONF_ERROR, &file->place, NULL, NULL,
		    "line %u of the file is no text of ASCII", number);
	else if (strstr(file->text, CERTIFICATE) == NULL)
		conf_report(errors, CONF_ERROR, &file->place, NULL, NULL,
		    "the file has no certificate in PEM");
}

static int
read_certificates(struct conf *conf, struct conf_file *file, conf_read_fn *read,
    struct conf_errors *errors)
{
	int result;

	if (file->path[0] == '\0')
		return 0;
	result = file_load(conf, file, LIMIT_DNS_FILE_BYTES, read, errors);
	if (result == 0)
		certificates_check(file, errors);
	return result == -1 ? -1 : 0;
}

static int
read_lists(struct conf *conf, conf_read_fn *read, struct conf_errors *errors)
{
	size_t i;

	for (i = 0; i < conf->domains_count; i++)
		if (conf->domains[i].file.path[0] != '\0' &&
		    file_load(conf, &conf->domains[i].file, CONF_BYTES_MAX,
			read, errors) == -1)
			return -1;
	for (i = 0; i < conf->table_count; i++)
		if (conf->tables[i].file.path[0] != '\0' &&
		    file_load(conf, &conf->tables[i].file, CONF_BYTES_MAX, read,
			errors) == -1)
			return -1;
	return 0;
}

int
conf_files_read(
    struct conf *conf, conf_read_fn *read, struct conf_errors *errors)
{
	struct conf_dns *dns = &conf->dns;

	if (read_records(conf, &dns->trust_anchor, &anchors, read, errors) ==
		-1 ||
	    read_records(conf, &dns->root_hints, &hints, read, errors) == -1 ||
	    read_certificates(conf, &dns->tls_authorities, read, errors) ==
		-1 ||
	    read_lists(conf, read, errors) == -1)
		return -1;
	if (errors->errors == 0)
		return 0;
	errno = EINVAL;
	return -1;
}
