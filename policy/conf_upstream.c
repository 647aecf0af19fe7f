/* SPDX-License-Identifier: ISC */
/*
 * Upstreams: servers that flows are sent through, and the rules' words for
 * them.  A password is never part of the text; only the name of its file is.
 */
#include <string.h>

#include "common/array.h"
#include "policy/conf_parse.h"
#include "policy/name.h"

static const char expected_name[] =
    "a name of up to 31 letters, digits, _ and -";
static const char expected_endpoint[] =
    "an address and a port, as 10.0.0.9:1080 or [fd00::9]:1080";

static int
endpoint_item(struct parser *parser, void *arg)
{
	char word[LEXER_WORD_BYTES + 1];
	struct conf_upstream *upstream = arg;
	struct conf_endpoint endpoint, *endpoints;

	if (parse_word(parser, expected_endpoint, word) == -1)
		return -1;
	if (endpoint_parse(word, &endpoint.addr, &endpoint.port) == -1)
		return parser_bad_value(
		    parser, "address of an upstream", expected_endpoint);
	if (upstream->count == LIMIT_UPSTREAM_ENDPOINTS)
		conf_report(parser->errors, CONF_ERROR, &parser->token.place,
		    NULL, NULL, "more than %d addresses of one upstream",
		    LIMIT_UPSTREAM_ENDPOINTS);
	parser_next(parser);
	endpoints = array_grow(
	    parser, upstream->endpoints, upstream->count, sizeof(*endpoints));
	if (endpoints == NULL)
		return -1;
	upstream->endpoints = endpoints;
	endpoints[upstream->count++] = endpoint;
	return 0;
}

/* A string that is not empty; *seen is where its keyword stands. */
static int
parse_quoted(struct parser *parser, const char *expected, char *buf,
    size_t size, struct place *seen)
{
	struct token word = parser->token;

	if (seen->line != 0)
		parser_twice(parser, &word, seen);
	*seen = word.place;
	parser_next(parser);
	if (parser->token.kind != TOKEN_STRING)
		return parser_unexpected(parser, expected);
	if (token_copy(&parser->token, buf, size) == -1 || buf[0] == '\0') {
		buf[0] = '\0';
		conf_report(parser->errors, CONF_ERROR, &parser->token.place,
		    NULL, NULL, "1 to %zu bytes are expected here", size - 1);
	}
	parser_next(parser);
	return 0;
}

/* RFC 7617, 2: a colon would end the user. */
static void
check_user(struct parser *parser, const struct conf_upstream *upstream,
    const struct place *user)
{
	if (upstream->kind == UPSTREAM_HTTP &&
	    strchr(upstream->user, ':') != NULL)
		conf_report(parser->errors, CONF_ERROR, user, NULL, NULL,
		    "the user of an http upstream cannot contain a colon");
}

static void
check_credentials(struct parser *parser, const struct conf_upstream *upstream,
    const struct place *user, const struct place *file)
{
	const struct place *first = user->line != 0 ? user : file;
	const char *name = upstream->password_file;

	if (first->line == 0)
		return;
	if (upstream->kind == UPSTREAM_PROXY_V2)
		conf_report(parser->errors, CONF_ERROR, first, NULL, NULL,
		    "a proxy-v2 upstream takes no user and no password");
	else if (user->line == 0 || file->line == 0)
		conf_report(parser->errors, CONF_ERROR, first,
		    "user \"NAME\" password-file \"FILE\"", NULL,
		    "a user and a password go together");
	check_user(parser, upstream, user);
	if (name[0] != '/' && strchr(name, '/') != NULL)
		conf_report(parser->errors, CONF_ERROR, file,
		    "an absolute path, or a name without a slash for a file "
		    "beside the configuration",
		    NULL, "bad path of the password file");
}

#define CHECK_DEFAULT_MS 10000U

/* "check" and, if it is not every 10 seconds, how often. */
static int
parse_check(
    struct parser *parser, struct conf_upstream *upstream, struct place *seen)
{
	struct token word = parser->token;
	uint64_t ms = CHECK_DEFAULT_MS;

	if (seen->line != 0)
		parser_twice(parser, &word, seen);
	*seen = word.place;
	parser_next(parser);
	if (parser->token.kind == TOKEN_WORD && parser->token.len > 0 &&
	    parser->token.bytes[0] >= '0' && parser->token.bytes[0] <= '9' &&
	    parse_duration(parser, "time between checks", LIMIT_CHECK_MIN_MS,
		LIMIT_CHECK_MAX_MS, "a time from 1s to 1h", &ms) == -1)
		return -1;
	upstream->check_ms = (uint32_t)ms;
	return 0;
}

static int
parse_names(
    struct parser *parser, struct conf_upstream *upstream, struct place *seen)
{
	struct token word = parser->token;

	if (seen->line != 0)
		parser_twice(parser, &word, seen);
	*seen = word.place;
	parser_next(parser);
	return parse_yes(parser, &upstream->names);
}

static int
parse_options(struct parser *parser, struct conf_upstream *upstream)
{
	struct place user = { 0 }, file = { 0 }, check = { 0 }, names = { 0 };
	int result = 0;

	while (parser->token.kind != TOKEN_STATEMENT_END && result == 0) {
		if (token_is(&parser->token, "user"))
			result = parse_quoted(parser, "a user in quotes",
			    upstream->user, sizeof(upstream->user), &user);
		else if (token_is(&parser->token, "password-file"))
			result = parse_quoted(parser, "a path in quotes",
			    upstream->password_file,
			    sizeof(upstream->password_file), &file);
		else if (token_is(&parser->token, "check"))
			result = parse_check(parser, upstream, &check);
		else if (token_is(&parser->token, "names"))
			result = parse_names(parser, upstream, &names);
		else
			result = parser_unexpected(parser,
			    "user, password-file, check, names or the end of "
			    "the line");
	}
	if (result == 0)
		check_credentials(parser, upstream, &user, &file);
	return result;
}

/* The token as a name; reported when it is none. */
static int
parse_name(struct parser *parser, char name[LIMIT_NAME_BYTES])
{
	char word[LEXER_WORD_BYTES + 1];

	if (parse_word(parser, expected_name, word) == -1)
		return -1;
	if (!name_is_table(word))
		return parser_unexpected(parser, expected_name);
	memcpy(name, word, strlen(word) + 1);
	return 0;
}

static struct conf_upstream *
upstream_add(struct parser *parser, const struct conf_upstream *upstream)
{
	struct conf *conf = parser->conf;
	struct conf_upstream *upstreams;

	if (conf->upstream_count == LIMIT_UPSTREAMS) {
		conf_report(parser->errors, CONF_ERROR, &upstream->place, NULL,
		    NULL, "more than %d upstreams", LIMIT_UPSTREAMS);
		return NULL;
	}
	upstreams = array_grow(
	    parser, conf->upstreams, conf->upstream_count, sizeof(*upstreams));
	if (upstreams == NULL)
		return NULL;
	conf->upstreams = upstreams;
	upstreams += conf->upstream_count++;
	*upstreams = *upstream;
	return upstreams;
}

static const struct conf_upstream *
upstream_find(const struct conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->upstream_count; i++)
		if (strcmp(conf->upstreams[i].name, name) == 0)
			return &conf->upstreams[i];
	return NULL;
}

int
parse_upstream(struct parser *parser)
{
	static const char *const kinds[UPSTREAM_COUNT] = {
		UPSTREAM_KIND_WORDS
	};
	struct conf_upstream *upstream, new = { .place = parser->token.place };
	const struct conf_upstream *first;
	struct list list = { .expected = expected_endpoint,
		.item = endpoint_item };
	unsigned int kind = 0;

	if (parse_name(parser, new.name) == -1)
		return -1;
	first = upstream_find(parser->conf, new.name);
	if (first != NULL)
		parser_twice(parser, &parser->token, &first->place);
	parser_next(parser);
	upstream = upstream_add(parser, &new);
	if (upstream == NULL || parse_choice(parser, kinds, COUNT(kinds),
				    "socks5, http or proxy-v2", &kind) == -1)
		return -1;
	upstream->kind = (enum upstream_kind)kind;
	list.arg = upstream;
	if (parse_list(parser, &list) == -1)
		return -1;
	return parse_options(parser, upstream);
}

int
parse_via(struct parser *parser, struct conf_via *via)
{
	via->place = parser->token.place;
	if (parse_name(parser, via->name) == -1)
		return -1;
	parser_next(parser);
	return 0;
}

static void
resolve_via(struct parser *parser, struct conf_via *via)
{
	const struct conf *conf = parser->conf;
	const struct conf_upstream *found;
	struct nearest nearest;
	size_t i;

	if (via->name[0] == '\0')
		return;
	found = upstream_find(conf, via->name);
	if (found != NULL) {
		via->upstream = (uint16_t)(found - conf->upstreams);
		return;
	}
	nearest_init(&nearest, via->name);
	for (i = 0; i < conf->upstream_count; i++)
		nearest_try(&nearest, conf->upstreams[i].name);
	conf_report(parser->errors, CONF_ERROR, &via->place, NULL, nearest.best,
	    "there is no upstream '%s'", via->name);
}

void
resolve_vias(struct parser *parser)
{
	struct conf *conf = parser->conf;
	size_t i;

	for (i = 0; i < conf->rule_count; i++)
		resolve_via(parser, &conf->rules[i].via);
	resolve_via(parser, &conf->default_via);
}
