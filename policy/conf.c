/* SPDX-License-Identifier: ISC */
/* From text to tree and back to nothing.  Reads what an operator wrote. */
#include "policy/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/conf_parse.h"
#include "policy/mark.h"

void
parser_next(struct parser *parser)
{
	parser->end = parser->token.bytes + parser->token.len;
	parser->token = lexer_next(&parser->lexer);
}

static struct conf *
conf_new(void)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	if (conf == NULL)
		return NULL;
	conf->lease_ms = CONF_LEASE_MS;
	conf->mark_mask = MARK_MASK_DEFAULT;
	memcpy(conf->socket, CONF_SOCKET, sizeof(CONF_SOCKET));
	memcpy(conf->log_dir, CONF_LOG_DIR, sizeof(CONF_LOG_DIR));
	conf->default_via.upstream = UPSTREAM_NONE;
	conf->dns.validate = 1;
	conf->dns.rebind_protect = 1;
	conf->dns.max_rate = DNS_MAX_RATE;
	conf->dns.closed = WAYS_CLOSED;
	conf->dns.log_rest = 1;
	conf->dns.log_blocked = 1;
	return conf;
}

static void
rules_free(struct conf_rule *rules, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		free(rules[i].from.items);
		free(rules[i].to.items);
		free(rules[i].ports.items);
		free(rules[i].text);
	}
	free(rules);
}

void
conf_free(struct conf *conf)
{
	size_t i;

	if (conf == NULL)
		return;
	for (i = 0; i < conf->table_count; i++) {
		free(conf->tables[i].prefixes);
		free(conf->tables[i].file.text);
	}
	for (i = 0; i < conf->upstream_count; i++)
		free(conf->upstreams[i].endpoints);
	rules_free(conf->rules, conf->rule_count);
	rules_free(conf->exclusions, conf->exclusion_count);
	free(conf->dns.servers);
	for (i = 0; i < conf->domains_count; i++) {
		free(conf->domains[i].patterns);
		free(conf->domains[i].file.text);
	}
	free(conf->domains);
	for (i = 0; i < conf->dns.block_count; i++)
		free(conf->dns.blocks[i].text);
	free(conf->dns.blocks);
	free(conf->dns.logs);
	free(conf->dns.allow);
	free(conf->dns.trust_anchor.text);
	free(conf->dns.root_hints.text);
	free(conf->dns.tls_authorities.text);
	free(conf->interfaces);
	free(conf->users);
	free(conf->tables);
	free(conf->upstreams);
	free(conf);
}

int
conf_set_path(struct conf *conf, const char *path)
{
	size_t len;

	if (path[0] != '/') {
		errno = EINVAL;
		return -1;
	}
	len = (size_t)(strrchr(path, '/') - path);
	if (len >= sizeof(conf->dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(conf->dir, path, len);
	conf->dir[len] = '\0';
	return 0;
}

void
conf_path(
    const struct conf *conf, const char *name, char path[CONF_FULL_PATH_BYTES])
{
	(void)snprintf(path, CONF_FULL_PATH_BYTES, "%s%s%s",
	    name[0] == '/' ? "" : conf->dir, name[0] == '/' ? "" : "/", name);
}

static void
parse_text(struct parser *parser, const char *text, size_t len)
{
	if (len > CONF_BYTES_MAX) {
		conf_report(parser->errors, CONF_ERROR, NULL, NULL, NULL,
		    "the text is longer than %u bytes", CONF_BYTES_MAX);
		return;
	}
	lexer_init(&parser->lexer, len == 0 ? "" : text, len);
	parser->token.bytes = parser->lexer.text;
	parse_statements(parser);
	if (parser->lexer.line_return.line != 0)
		conf_report(parser->errors, CONF_ERROR,
		    &parser->lexer.line_return, NULL, NULL,
		    "a carriage return: lines must end in a newline alone");
	if (!parser->no_memory)
		conf_check(parser);
	conf_sort(parser->errors);
}

int
conf_parse(const char *text, size_t len, const struct users *users,
    struct conf **out, struct conf_errors *errors)
{
	struct parser parser = { .users = users, .errors = errors };

	*out = NULL;
	memset(errors, 0, sizeof(*errors));
	parser.conf = conf_new();
	if (parser.conf == NULL) {
		errno = ENOMEM;
		return -1;
	}
	parse_text(&parser, text, len);
	if (parser.no_memory || errors->errors > 0) {
		conf_free(parser.conf);
		errno = parser.no_memory ? ENOMEM : EINVAL;
		return -1;
	}
	*out = parser.conf;
	return 0;
}
