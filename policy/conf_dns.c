/* SPDX-License-Identifier: ISC */
/* The dns statements: each kind is a row of a table. */
#include <string.h>

#include "common/array.h"
#include "policy/conf_parse.h"
#include "policy/name.h"

#define STALE_MIN_MS 1000ULL
#define STALE_MAX_MS (7 * 24 * 60 * 60 * 1000ULL)

static const char expected_server[] =
    "an address, perhaps with a port, as 9.9.9.9 or 2620:fe::fe@5353";
static const char expected_domain[] = "a domain, as \"corp.example\"";

/* A name in quotes or as a word; 1 when it is bad, which is reported. */
static int
parse_domain(struct parser *parser, char name[LIMIT_DOMAIN_BYTES])
{
	char text[LEXER_WORD_BYTES + 1], quote[CONF_QUOTE_BYTES];
	const char *why;

	(void)token_copy(&parser->token, text, sizeof(text));
	why = name_domain(text, strlen(text), name);
	if (why != NULL)
		conf_report(parser->errors, CONF_ERROR, &parser->token.place,
		    NULL, NULL, "bad domain %s: %s",
		    conf_quote(text, strlen(text), quote), why);
	parser_next(parser);
	return why != NULL;
}

int
parse_file(struct parser *parser, const char *what, struct conf_file *file)
{
	const char *path = file->path;

	if (parser->token.kind != TOKEN_STRING)
		return parser_unexpected(parser, "a path in quotes");
	file->place = parser->token.place;
	if (token_copy(&parser->token, file->path, sizeof(file->path)) == -1 ||
	    path[0] == '\0' || (path[0] != '/' && strchr(path, '/') != NULL))
		return parser_bad_value(parser, what,
		    "an absolute path, or a name without a slash for a file "
		    "beside the configuration");
	parser_next(parser);
	return 0;
}

/* Neither a group nor nobody answers. */
static int
is_server(const struct addr *addr)
{
	static const struct addr none;

	if (addr_is_v4(addr))
		return addr->byte[12] != 0 && addr->byte[12] < 224;
	return addr->byte[0] != 0xff && addr_compare(addr, &none) != 0;
}

/* "ADDRESS" or "ADDRESS@PORT"; -1 when it is neither. */
static int
read_server(char *word, struct conf_dns_server *server)
{
	char *at = strchr(word, '@');
	struct prefix prefix;
	uint64_t port = server->port;

	if (at != NULL)
		*at++ = '\0';
	if (strchr(word, '/') != NULL || prefix_parse(word, &prefix) == -1 ||
	    !is_server(&prefix.addr) ||
	    (at != NULL && number_read(at, UINT16_MAX, &port) == -1) ||
	    port == 0)
		return -1;
	server->addr = prefix.addr;
	server->port = (uint16_t)port;
	return 0;
}

static int
server_add(struct parser *parser, const struct conf_dns_server *server)
{
	struct conf_dns *dns = &parser->conf->dns;
	struct conf_dns_server *servers;

	servers = array_grow(
	    parser, dns->servers, dns->server_count, sizeof(*servers));
	if (servers == NULL)
		return -1;
	dns->servers = servers;
	servers[dns->server_count++] = *server;
	return 0;
}

static int
server_item(struct parser *parser, void *arg)
{
	const struct conf_dns *dns = arg;
	char word[LEXER_WORD_BYTES + 1];
	struct conf_dns_server server = { .port = DNS_PORT };
	int tls = dns->mode == DNS_FORWARD_TLS;

	if (tls)
		server.port = DNS_TLS_PORT;
	if (parse_word(parser, expected_server, word) == -1)
		return -1;
	if (dns->server_count == LIMIT_DNS_SERVERS)
		conf_report(parser->errors, CONF_ERROR, &parser->token.place,
		    NULL, NULL, "more than %d servers", LIMIT_DNS_SERVERS);
	if (read_server(word, &server) == -1)
		(void)parser_bad_value(
		    parser, "address of a server", expected_server);
	else
		parser_next(parser);
	if (tls && parser->token.kind != TOKEN_STRING)
		return parser_unexpected(
		    parser, "the name of the server's certificate in quotes");
	if (tls)
		(void)parse_domain(parser, server.name);
	return server_add(parser, &server);
}

static int
parse_forward(struct parser *parser, struct conf_dns *dns)
{
	struct list list = {
		.expected = expected_server, .item = server_item, .arg = dns
	};

	dns->mode = DNS_FORWARD;
	if (token_is(&parser->token, "tls")) {
		dns->mode = DNS_FORWARD_TLS;
		parser_next(parser);
	}
	return parse_list(parser, &list);
}

static int
parse_recurse(struct parser *parser, struct conf_dns *dns)
{
	(void)parser;
	dns->mode = DNS_RECURSE;
	return 0;
}

static int
parse_off(struct parser *parser, struct conf_dns *dns)
{
	(void)parser;
	dns->mode = DNS_OFF;
	return 0;
}

static int
parse_validate(struct parser *parser, struct conf_dns *dns)
{
	return parse_yes(parser, &dns->validate);
}

static int
parse_rebind_protect(struct parser *parser, struct conf_dns *dns)
{
	return parse_yes(parser, &dns->rebind_protect);
}

static int
parse_random_case(struct parser *parser, struct conf_dns *dns)
{
	return parse_yes(parser, &dns->random_case);
}

static int
allow_item(struct parser *parser, void *arg)
{
	struct conf_dns *dns = arg;
	struct conf_domain domain, *allow;

	if (dns->allow_count == LIMIT_DNS_ALLOW)
		conf_report(parser->errors, CONF_ERROR, &parser->token.place,
		    NULL, NULL, "more than %d domains", LIMIT_DNS_ALLOW);
	if (parse_domain(parser, domain.name))
		return 0;
	allow =
	    array_grow(parser, dns->allow, dns->allow_count, sizeof(*allow));
	if (allow == NULL)
		return -1;
	dns->allow = allow;
	allow[dns->allow_count++] = domain;
	return 0;
}

static int
parse_rebind_allow(struct parser *parser, struct conf_dns *dns)
{
	struct list list = { .expected = expected_domain,
		.item = allow_item,
		.arg = dns,
		.strings = 1 };

	return parse_list(parser, &list);
}

static int
parse_trust_anchor(struct parser *parser, struct conf_dns *dns)
{
	return parse_file(parser, "file of trust anchors", &dns->trust_anchor);
}

static int
parse_root_hints(struct parser *parser, struct conf_dns *dns)
{
	return parse_file(parser, "file of root hints", &dns->root_hints);
}

static int
parse_tls_authorities(struct parser *parser, struct conf_dns *dns)
{
	return parse_file(
	    parser, "file of certificates", &dns->tls_authorities);
}

static int
parse_serve_stale(struct parser *parser, struct conf_dns *dns)
{
	uint64_t ms = 0;

	if (token_is(&parser->token, "no")) {
		dns->stale_s = 0;
		parser_next(parser);
		return 0;
	}
	if (parse_duration(parser, "time to serve stale answers", STALE_MIN_MS,
		STALE_MAX_MS, "no, or a time from 1s to 7d, as 1h", &ms) == -1)
		return -1;
	dns->stale_s = (uint32_t)((ms + 999) / 1000);
	return 0;
}

static int
parse_max_rate_of_dns(struct parser *parser, struct conf_dns *dns)
{
	uint64_t rate = DNS_MAX_RATE;

	if (token_is(&parser->token, "no")) {
		dns->max_rate = 0;
		parser_next(parser);
		return 0;
	}
	if (parse_number(parser, "number of questions", 1, LIMIT_COUNT_MAX,
		"no, or 1 to 1000000 questions a second of one client",
		&rate) == -1)
		return -1;
	dns->max_rate = (uint32_t)rate;
	return 0;
}

/* closing: the word that closes the way, 1 for yes. */
static int
parse_way(
    struct parser *parser, struct conf_dns *dns, enum dns_way way, int closing)
{
	int yes = closing;

	if (parse_yes(parser, &yes) == -1)
		return -1;
	if (yes == closing)
		dns->closed |= WAY_BIT(way);
	else
		dns->closed &= ~WAY_BIT(way);
	return 0;
}

static int
parse_canary(struct parser *parser, struct conf_dns *dns)
{
	return parse_way(parser, dns, WAY_CANARY, 1);
}

static int
parse_ddr(struct parser *parser, struct conf_dns *dns)
{
	return parse_way(parser, dns, WAY_DDR, 0);
}

static int
parse_private_relay(struct parser *parser, struct conf_dns *dns)
{
	return parse_way(parser, dns, WAY_PRIVATE_RELAY, 0);
}

static int
parse_encrypted(struct parser *parser, struct conf_dns *dns)
{
	return parse_way(parser, dns, WAY_ENCRYPTED, 0);
}

_Static_assert(OPTION_COUNT <= CONF_DNS_OPTIONS, "each has its place");

/* OPTION_COUNT: may stand any number of times. */
static const struct option {
	const char *word;
	int (*parse)(struct parser *, struct conf_dns *);
	enum dns_option kind;
} options[] = {
	{ "forward", parse_forward, OPTION_MODE },
	{ "recurse", parse_recurse, OPTION_MODE },
	{ "off", parse_off, OPTION_MODE },
	{ "validate", parse_validate, OPTION_VALIDATE },
	{ "rebind-protect", parse_rebind_protect, OPTION_REBIND_PROTECT },
	{ "rebind-allow", parse_rebind_allow, OPTION_REBIND_ALLOW },
	{ "trust-anchor", parse_trust_anchor, OPTION_TRUST_ANCHOR },
	{ "root-hints", parse_root_hints, OPTION_ROOT_HINTS },
	{ "tls-authorities", parse_tls_authorities, OPTION_TLS_AUTHORITIES },
	{ "serve-stale", parse_serve_stale, OPTION_SERVE_STALE },
	{ "random-case", parse_random_case, OPTION_RANDOM_CASE },
	{ "max-rate", parse_max_rate_of_dns, OPTION_MAX_RATE },
	{ "canary", parse_canary, OPTION_CANARY },
	{ "ddr", parse_ddr, OPTION_DDR },
	{ "private-relay", parse_private_relay, OPTION_PRIVATE_RELAY },
	{ "encrypted", parse_encrypted, OPTION_ENCRYPTED },
	{ "block", parse_dns_block, OPTION_COUNT },
	{ "log", parse_dns_log, OPTION_COUNT },
};

void
parse_dns_once(
    struct parser *parser, const struct token *word, enum dns_option kind)
{
	struct place *first = &parser->dns[kind];

	if (first->line != 0)
		parser_twice(parser, word, first);
	else
		*first = word->place;
}

int
parse_dns(struct parser *parser)
{
	static const char *words[COUNT(options)];
	struct token word = parser->token;
	unsigned int choice;
	size_t i;

	for (i = 0; i < COUNT(options); i++)
		words[i] = options[i].word;
	if (parse_choice(parser, words, COUNT(words),
		"forward, recurse, off or a setting of dns", &choice) == -1)
		return -1;
	if (options[choice].kind != OPTION_COUNT)
		parse_dns_once(parser, &word, options[choice].kind);
	return options[choice].parse(parser, &parser->conf->dns);
}

static const char off[] = "it has no effect: dns is off without 'dns "
			  "forward' or 'dns recurse'";

void
warn_dns_off(struct parser *parser, const struct place *place)
{
	if (parser->conf->dns.mode == DNS_OFF)
		conf_report(
		    parser->errors, CONF_WARNING, place, NULL, NULL, "%s", off);
}

static void
warn_option(struct parser *parser, enum dns_option kind, const char *message)
{
	const struct place *place = &parser->dns[kind];

	if (place->line != 0)
		conf_report(parser->errors, CONF_WARNING, place, NULL, NULL,
		    "%s", message);
}

void
warn_dns(struct parser *parser)
{
	const struct conf_dns *dns = &parser->conf->dns;
	enum dns_option kind;

	if (dns->mode == DNS_OFF) {
		for (kind = OPTION_MODE + 1; kind < OPTION_COUNT; kind++)
			warn_option(parser, kind, off);
		return;
	}
	if (!dns->validate)
		warn_option(parser, OPTION_TRUST_ANCHOR,
		    "it has no effect with 'dns validate no'");
	if (!dns->rebind_protect)
		warn_option(parser, OPTION_REBIND_ALLOW,
		    "it has no effect with 'dns rebind-protect no'");
	if (dns->mode != DNS_RECURSE)
		warn_option(parser, OPTION_ROOT_HINTS,
		    "it has no effect without 'dns recurse'");
	if (dns->mode != DNS_FORWARD_TLS)
		warn_option(parser, OPTION_TLS_AUTHORITIES,
		    "it has no effect without 'dns forward tls'");
}
