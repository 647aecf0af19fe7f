/* SPDX-License-Identifier: ISC */
/*
 * What only the whole configuration can tell: missing statements, names, and
 * things that are allowed but hardly meant.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/conf_parse.h"

static void
unknown_table(struct parser *parser, const struct conf_address *address)
{
	const struct conf *conf = parser->conf;
	char suggestion[LIMIT_NAME_BYTES + 2] = "";
	struct nearest nearest;
	size_t i;

	nearest_init(&nearest, address->name);
	for (i = 0; i < conf->table_count; i++)
		nearest_try(&nearest, conf->tables[i].name);
	if (nearest.best != NULL)
		(void)snprintf(
		    suggestion, sizeof(suggestion), "<%s>", nearest.best);
	conf_report(parser->errors, CONF_ERROR, &address->place, NULL,
	    suggestion, "there is no table <%s>", address->name);
}

static void
resolve_table(
    struct parser *parser, struct conf_address *address, uint8_t *used)
{
	const struct conf *conf = parser->conf;
	uint32_t i;

	for (i = 0; i < conf->table_count; i++) {
		if (strcmp(conf->tables[i].name, address->name) != 0)
			continue;
		address->table = i;
		used[i] = 1;
		return;
	}
	unknown_table(parser, address);
}

static void
resolve_addresses(
    struct parser *parser, struct conf_addresses *addresses, uint8_t *used)
{
	unsigned int tables = 0;
	size_t i;

	for (i = 0; i < addresses->count; i++) {
		struct conf_address *address = &addresses->items[i];

		if (address->name[0] == '\0')
			continue;
		resolve_table(parser, address, used);
		if (++tables == CONF_LIST_TABLES + 1)
			conf_report(parser->errors, CONF_ERROR, &address->place,
			    NULL, NULL, "more than %d tables in one list",
			    CONF_LIST_TABLES);
	}
}

static void
resolve_rules(
    struct parser *parser, struct conf_rule *rules, size_t count, uint8_t *used)
{
	size_t i;

	for (i = 0; i < count; i++) {
		resolve_addresses(parser, &rules[i].from, used);
		resolve_addresses(parser, &rules[i].to, used);
	}
}

static void
warn_tables(struct parser *parser, const uint8_t *used)
{
	const struct conf *conf = parser->conf;
	size_t i;

	for (i = 0; i < conf->table_count; i++) {
		const struct conf_table *table = &conf->tables[i];

		if (!used[i])
			conf_report(parser->errors, CONF_WARNING, &table->place,
			    NULL, NULL, "nothing uses table <%s>", table->name);
		else if (table->count == 0 && table->file.path[0] == '\0')
			conf_report(parser->errors, CONF_WARNING, &table->place,
			    NULL, NULL,
			    "table <%s> is empty: no address is in it",
			    table->name);
	}
}

#define FAMILY_4 1U
#define FAMILY_6 2U
#define FAMILIES (FAMILY_4 | FAMILY_6)

static unsigned int
family_of(const struct prefix *prefix)
{
	return addr_is_v4(&prefix->addr) && prefix->bits >= 96 ? FAMILY_4
							       : FAMILY_6;
}

/* The families that a list has addresses of. */
static unsigned int
families_of(const struct conf *conf, const struct conf_addresses *addresses)
{
	unsigned int families = addresses->count == 0 ? FAMILIES : 0;
	size_t i, n;

	for (i = 0; i < addresses->count; i++) {
		const struct conf_address *item = &addresses->items[i];
		const struct conf_table *table;

		if (item->table == CONF_NO_TABLE) {
			families |= family_of(&item->prefix);
			continue;
		}
		table = &conf->tables[item->table];
		/* What is in a file is not known yet. */
		if (table->file.path[0] != '\0')
			families |= FAMILIES;
		for (n = 0; n < table->count; n++)
			families |= family_of(&table->prefixes[n]);
	}
	return families;
}

static int
has_owner(const struct conf_rule *rule)
{
	return rule->users.count > 0 || rule->groups.count > 0;
}

/* An exclusion that is not what was meant leaves no trace in the log. */
static void
warn_exclusions(struct parser *parser)
{
	const struct conf *conf = parser->conf;
	size_t i;

	for (i = 0; i < conf->exclusion_count; i++) {
		const struct conf_rule *exclusion = &conf->exclusions[i];
		unsigned int from = families_of(conf, &exclusion->from);
		unsigned int to = families_of(conf, &exclusion->to);
		const char *message = NULL;

		if (from == 0 || to == 0)
			message = "the exclusion never matches: no address is "
				  "in its tables";
		else if ((from & to) == 0)
			message = "the exclusion never matches: one side is "
				  "IPv4, the other IPv6";
		else if (has_owner(exclusion) && conf->local == LOCAL_NONE)
			message = "the exclusion never matches: only this "
				  "host's own sockets have a user, and none is "
				  "captured";
		else if (exclusion->from.count == 0 &&
			 exclusion->to.count == 0 &&
			 exclusion->ports.count == 0 && !has_owner(exclusion) &&
			 (exclusion->protos & RULE_PROTOS) == RULE_PROTOS)
			message = "the exclusion is of everything: no tcp or "
				  "udp is captured";
		if (message != NULL)
			conf_report(parser->errors, CONF_WARNING,
			    &exclusion->place, NULL, NULL, "%s", message);
	}
}

static int
lacks_udp(const struct conf *conf, const struct conf_via *via)
{
	return via->upstream != UPSTREAM_NONE &&
	       conf->upstreams[via->upstream].kind != UPSTREAM_SOCKS5;
}

/* Who sends flows through an upstream may not think of UDP. */
static void
warn_udp(struct parser *parser, const struct conf_via *via)
{
	conf_report(parser->errors, CONF_WARNING, &via->place,
	    "a rule before it that says what becomes of udp", NULL,
	    "udp goes through socks5 upstreams alone: it is blocked");
}

/* Whether nothing but its name and protocol says what a rule is for. */
static int
is_for_all(const struct conf_rule *rule)
{
	return rule->from.count == 0 && rule->to.count == 0 &&
	       rule->ports.count == 0 && !has_owner(rule);
}

static int
needs_name(const struct conf_rule *rule)
{
	return rule->domains.list != DOMAINS_NONE || rule->names != 0;
}

/* asked: the protocols all of which a rule before leads to a relay. */
static void
warn_by_dns(
    struct parser *parser, const struct conf_rule *rule, unsigned int asked)
{
	if (!rule->by_dns)
		return;
	if (parser->conf->dns.mode == DNS_OFF)
		conf_report(parser->errors, CONF_WARNING, &rule->place, NULL,
		    NULL, "without 'dns' no name is known by it");
	else if ((rule->protos & ~asked) == 0)
		conf_report(parser->errors, CONF_WARNING, &rule->place, NULL,
		    NULL,
		    "a rule before it needs the name: relays decide, and "
		    "'by dns' does nothing");
}

/* Follows which protocols a rule before has decided altogether. */
static void
warn_rules(struct parser *parser)
{
	const struct conf *conf = parser->conf;
	unsigned int decided = 0, asked = 0;
	size_t i;

	for (i = 0; i < conf->rule_count; i++) {
		const struct conf_rule *rule = &conf->rules[i];

		warn_by_dns(parser, rule, asked);
		if ((rule->protos & ~decided) == 0)
			conf_report(parser->errors, CONF_WARNING, &rule->place,
			    NULL, NULL,
			    "the rule is never reached: those before it "
			    "decide everything");
		else if (has_owner(rule) && conf->local == LOCAL_NONE)
			conf_report(parser->errors, CONF_WARNING, &rule->place,
			    NULL, NULL,
			    "the rule never matches: only this host's own "
			    "sockets have a user, and none is captured");
		else if (lacks_udp(conf, &rule->via) &&
			 (rule->protos & ~decided & RULE_UDP) != 0)
			warn_udp(parser, &rule->via);
		if (rule->names != 0 && conf->dns.mode == DNS_OFF)
			conf_report(parser->errors, CONF_WARNING, &rule->place,
			    NULL, NULL,
			    "without 'dns' every name is unverified");
		if (is_for_all(rule) && needs_name(rule))
			asked |= rule->protos;
		else if (is_for_all(rule))
			decided |= rule->protos;
	}
	if (lacks_udp(conf, &conf->default_via) && (decided & RULE_UDP) == 0)
		warn_udp(parser, &conf->default_via);
}

void
conf_check(struct parser *parser)
{
	struct conf *conf = parser->conf;
	uint8_t *used;

	if (!parser->capture_seen)
		conf_report(parser->errors, CONF_ERROR, NULL,
		    "capture forwarded on INTERFACE or capture local", NULL,
		    "nothing is captured");
	used = calloc(conf->table_count + 1, 1);
	if (used == NULL) {
		parser->no_memory = 1;
		return;
	}
	resolve_rules(parser, conf->rules, conf->rule_count, used);
	resolve_rules(parser, conf->exclusions, conf->exclusion_count, used);
	resolve_vias(parser);
	resolve_domains(parser);
	if (parser->errors->errors == 0) {
		warn_tables(parser, used);
		warn_exclusions(parser);
		warn_rules(parser);
		warn_dns(parser);
		warn_domains(parser);
	}
	free(used);
}
