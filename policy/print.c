/* SPDX-License-Identifier: ISC */
/* A tree to its canonical text.  Pure. */
#include "policy/print.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/array.h"
#include "policy/way.h"

struct unit {
	const char *word;
	uint64_t factor;
};

/* The first unit that leaves no rest; the last one's factor is 1. */
static void
print_units(
    uint64_t value, const struct unit *units, size_t count, struct text *text)
{
	size_t i = 0;

	while (i + 1 < count && (value == 0 || value % units[i].factor != 0))
		i++;
	text_printf(
	    text, "%" PRIu64 "%s", value / units[i].factor, units[i].word);
}

void
print_duration(uint64_t ms, struct text *text)
{
	static const struct unit units[] = {
		{ "d", 24 * 60 * 60 * 1000 },
		{ "h", 60 * 60 * 1000 },
		{ "m", 60 * 1000 },
		{ "s", 1000 },
		{ "ms", 1 },
	};

	print_units(ms, units, COUNT(units), text);
}

void
print_size(uint64_t bytes, struct text *text)
{
	static const struct unit units[] = {
		{ "T", 1ULL << 40 },
		{ "G", 1ULL << 30 },
		{ "M", 1ULL << 20 },
		{ "K", 1ULL << 10 },
		{ "", 1 },
	};

	print_units(bytes, units, COUNT(units), text);
}

static void
print_string(const char *string, struct text *text)
{
	text_puts(text, "\"");
	for (; *string != '\0'; string++) {
		if (*string == '"' || *string == '\\')
			text_puts(text, "\\");
		text_append(text, string, 1);
	}
	text_puts(text, "\"");
}

/* One item stands alone, several in braces. */
static void
print_open(size_t count, struct text *text)
{
	text_puts(text, count > 1 ? " {" : "");
}

static void
print_close(size_t count, struct text *text)
{
	text_puts(text, count > 1 ? " }" : "");
}

static void
print_prefix(const struct prefix *prefix, struct text *text)
{
	char buf[PREFIX_TEXT_BYTES];

	text_printf(text, " %s", prefix_format(prefix, buf));
}

static void
print_addresses(
    const char *word, const struct conf_addresses *addresses, struct text *text)
{
	size_t i;

	if (addresses->count == 0)
		return;
	text_printf(text, " %s", word);
	print_open(addresses->count, text);
	for (i = 0; i < addresses->count; i++) {
		const struct conf_address *item = &addresses->items[i];

		if (item->table == CONF_NO_TABLE)
			print_prefix(&item->prefix, text);
		else
			text_printf(text, " <%s>", item->name);
	}
	print_close(addresses->count, text);
}

static void
print_ports(const struct conf_ports *ports, struct text *text)
{
	size_t i;

	if (ports->count == 0)
		return;
	text_puts(text, " port");
	print_open(ports->count, text);
	for (i = 0; i < ports->count; i++) {
		text_printf(text, " %u", ports->items[i].first);
		if (ports->items[i].last != ports->items[i].first)
			text_printf(text, "-%u", ports->items[i].last);
	}
	print_close(ports->count, text);
}

static void
print_id(const struct conf_user *id, struct text *text)
{
	if (id->name[0] != '\0') {
		text_printf(text, " %s", id->name);
		return;
	}
	text_printf(text, " %" PRIu32, id->uids.first);
	if (id->uids.last != id->uids.first)
		text_printf(text, "-%" PRIu32, id->uids.last);
}

static void
print_ids(const char *word, const struct conf_ids *ids, struct text *text)
{
	size_t i;

	if (ids->count == 0)
		return;
	text_printf(text, " %s", word);
	print_open(ids->count, text);
	for (i = 0; i < ids->count; i++)
		print_id(&ids->items[i], text);
	print_close(ids->count, text);
}

static void
print_exclusion(const struct conf_rule *exclusion, struct text *text)
{
	static const char *const protos[] = {
		[RULE_TCP] = " proto tcp",
		[RULE_UDP] = " proto udp",
		[RULE_PROTOS] = " proto { tcp udp }",
		[RULE_PROTOS | RULE_OTHER] = "",
	};
	size_t start;

	text_puts(text, "exclude");
	start = text->len;
	if (exclusion->protos != RULE_PROTOS || exclusion->ports.count == 0)
		text_puts(text, protos[exclusion->protos]);
	print_addresses("from", &exclusion->from, text);
	print_addresses("to", &exclusion->to, text);
	print_ports(&exclusion->ports, text);
	print_ids("user", &exclusion->users, text);
	print_ids("group", &exclusion->groups, text);
	if (text->len == start)
		text_puts(text, " to any");
	text_puts(text, "\n");
}

static void
print_via(const struct conf_via *via, struct text *text)
{
	if (via->name[0] != '\0')
		text_printf(text, " via %s", via->name);
}

static const char *const scopes[LIMIT_SCOPES] = {
	[LIMIT_RULE] = "",
	[LIMIT_CLIENT] = " per client",
};

static void
print_limits(const struct rule_limits *limits, struct text *text)
{
	const struct rule_rate *rate;
	size_t i;

	for (i = 0; i < LIMIT_SCOPES; i++)
		if (limits->flows[i] != 0)
			text_printf(text, " max-flows %" PRIu32 "%s",
			    limits->flows[i], scopes[i]);
	for (i = 0; i < LIMIT_SCOPES; i++) {
		rate = &limits->rate[i];
		if (rate->count != 0)
			text_printf(text, " max-rate %" PRIu32 "/%c%s",
			    rate->count,
			    rate->per_s == 1	? 's'
			    : rate->per_s == 60 ? 'm'
						: 'h',
			    scopes[i]);
	}
}

static void
print_patterns(const struct conf_domains *domains, struct text *text)
{
	size_t i;

	for (i = 0; i < domains->count; i++)
		text_printf(text, " \"%s%s\"",
		    domains->patterns[i].below ? "*." : "",
		    domains->patterns[i].name);
}

static void
print_domain(
    const struct conf *conf, const struct conf_rule *rule, struct text *text)
{
	const struct conf_domains *domains;

	if (rule->domains.list == DOMAINS_NONE)
		return;
	domains = &conf->domains[rule->domains.list];
	text_puts(text, " domain");
	if (domains->name[0] != '\0') {
		text_printf(text, " <%s>", domains->name);
		return;
	}
	print_open(domains->count, text);
	print_patterns(domains, text);
	print_close(domains->count, text);
}

static void
print_names(unsigned int names, struct text *text)
{
	static const char *const words[] = { RULE_NAME_WORDS };
	size_t i, count = 0;

	if (names == 0)
		return;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		count += (names >> i) & 1;
	text_puts(text, " name");
	print_open(count, text);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if ((names >> i & 1) != 0)
			text_printf(text, " %s", words[i]);
	print_close(count, text);
}

static void
print_domains(const struct conf_domains *domains, struct text *text)
{
	if (domains->name[0] == '\0')
		return;
	text_printf(text, "domains <%s>", domains->name);
	if (domains->file.path[0] != '\0') {
		text_puts(text, " file ");
		print_string(domains->file.path, text);
	} else {
		text_puts(text, " {");
		print_patterns(domains, text);
		text_puts(text, " }");
	}
	text_puts(text, "\n");
}

static void
print_rows(const char *about, uint32_t one_in, struct text *text)
{
	text_printf(text, "dns log %s", about);
	if (one_in > 1)
		text_printf(text, "sample %" PRIu32 "\n", one_in);
	else
		text_puts(text, one_in == 0 ? "no\n" : "all\n");
}

static void
print_dns_logs(const struct conf_dns *dns, struct text *text)
{
	char about[LIMIT_NAME_BYTES + sizeof("<> ")];
	size_t i;

	for (i = 0; i < dns->log_count; i++) {
		(void)snprintf(
		    about, sizeof(about), "<%s> ", dns->logs[i].domains.name);
		print_rows(about, dns->logs[i].one_in, text);
	}
	if (dns->mode == DNS_OFF)
		return;
	print_rows("", dns->log_rest, text);
	print_rows("blocked ", dns->log_blocked, text);
}

static void
print_dns_blocks(const struct conf_dns *dns, struct text *text)
{
	static const char *const words[ANSWER_COUNT] = { DNS_ANSWER_WORDS };
	size_t i;

	for (i = 0; i < dns->block_count; i++)
		text_printf(text, "dns block <%s> answer %s\n",
		    dns->blocks[i].domains.name, words[dns->blocks[i].answer]);
}

static void
print_rule(
    const struct conf *conf, const struct conf_rule *rule, struct text *text)
{
	static const char *const modes[] = { "", " with reset", " with drop" };
	size_t start;

	text_puts(text, flow_action_word(rule->action));
	start = text->len;
	if (rule->protos != RULE_PROTOS)
		text_puts(text,
		    rule->protos == RULE_TCP ? " proto tcp" : " proto udp");
	print_addresses("from", &rule->from, text);
	print_addresses("to", &rule->to, text);
	print_ports(&rule->ports, text);
	print_ids("user", &rule->users, text);
	print_ids("group", &rule->groups, text);
	print_domain(conf, rule, text);
	print_names(rule->names, text);
	if (rule->by_dns)
		text_puts(text, " by dns");
	if (text->len == start)
		text_puts(text, " to any");
	text_puts(text, modes[rule->mode]);
	print_via(&rule->via, text);
	if (rule->source == SOURCE_CLIENT)
		text_puts(text, " source client");
	if (rule->idle_ms != 0) {
		text_puts(text, " idle ");
		print_duration(rule->idle_ms, text);
	}
	print_limits(&rule->limits, text);
	text_puts(text, rule->unlogged ? " log no\n" : "\n");
}

static void
print_table(const struct conf_table *table, struct text *text)
{
	size_t i;

	if (table->file.path[0] != '\0') {
		text_printf(text, "table <%s> file ", table->name);
		print_string(table->file.path, text);
		text_puts(text, "\n");
		return;
	}
	text_printf(text, "table <%s> {", table->name);
	for (i = 0; i < table->count; i++)
		print_prefix(&table->prefixes[i], text);
	text_puts(text, " }\n");
}

static void
print_upstream(const struct conf_upstream *upstream, struct text *text)
{
	static const char *const kinds[UPSTREAM_COUNT] = {
		UPSTREAM_KIND_WORDS
	};
	char buf[ENDPOINT_TEXT_BYTES];
	size_t i;

	text_printf(
	    text, "upstream %s %s", upstream->name, kinds[upstream->kind]);
	print_open(upstream->count, text);
	for (i = 0; i < upstream->count; i++)
		text_printf(text, " %s",
		    endpoint_format(&upstream->endpoints[i].addr,
			upstream->endpoints[i].port, buf));
	print_close(upstream->count, text);
	if (upstream->user[0] != '\0') {
		text_puts(text, " user ");
		print_string(upstream->user, text);
		text_puts(text, " password-file ");
		print_string(upstream->password_file, text);
	}
	if (upstream->check_ms != 0) {
		text_puts(text, " check ");
		print_duration(upstream->check_ms, text);
	}
	text_puts(text, upstream->names ? " names yes\n" : "\n");
}

static void
print_dns_servers(const struct conf_dns *dns, struct text *text)
{
	int tls = dns->mode == DNS_FORWARD_TLS;
	char buf[ADDR_TEXT_BYTES];
	size_t i;

	text_puts(text, tls ? "dns forward tls" : "dns forward");
	print_open(dns->server_count, text);
	for (i = 0; i < dns->server_count; i++) {
		const struct conf_dns_server *server = &dns->servers[i];

		text_printf(text, " %s", addr_format(&server->addr, buf));
		if (server->port != (tls ? DNS_TLS_PORT : DNS_PORT))
			text_printf(text, "@%u", server->port);
		if (tls) {
			text_puts(text, " ");
			print_string(server->name, text);
		}
	}
	print_close(dns->server_count, text);
	text_puts(text, "\n");
}

static void
print_dns_allow(const struct conf_dns *dns, struct text *text)
{
	size_t i;

	if (dns->allow_count == 0)
		return;
	text_puts(text, "dns rebind-allow");
	print_open(dns->allow_count, text);
	for (i = 0; i < dns->allow_count; i++) {
		text_puts(text, " ");
		print_string(dns->allow[i].name, text);
	}
	print_close(dns->allow_count, text);
	text_puts(text, "\n");
}

static void
print_file(
    const char *statement, const struct conf_file *file, struct text *text)
{
	if (file->path[0] == '\0')
		return;
	text_puts(text, statement);
	print_string(file->path, text);
	text_puts(text, "\n");
}

static void
print_dns(const struct conf_dns *dns, struct text *text)
{
	enum dns_way way;

	if (dns->mode == DNS_OFF) {
		/* Nothing else has an effect, and would be warned of. */
		text_puts(text, "dns off\n");
		return;
	}
	if (dns->server_count > 0)
		print_dns_servers(dns, text);
	else
		text_puts(text, "dns recurse\n");
	print_file("dns tls-authorities ", &dns->tls_authorities, text);
	print_file("dns root-hints ", &dns->root_hints, text);
	text_printf(text, "dns validate %s\n", dns->validate ? "yes" : "no");
	print_file("dns trust-anchor ", &dns->trust_anchor, text);
	text_printf(text, "dns rebind-protect %s\n",
	    dns->rebind_protect ? "yes" : "no");
	print_dns_allow(dns, text);
	text_puts(text, "dns serve-stale ");
	if (dns->stale_s == 0)
		text_puts(text, "no");
	else
		print_duration(dns->stale_s * 1000ULL, text);
	text_printf(
	    text, "\ndns random-case %s\n", dns->random_case ? "yes" : "no");
	if (dns->max_rate == 0)
		text_puts(text, "dns max-rate no\n");
	else
		text_printf(text, "dns max-rate %" PRIu32 "\n", dns->max_rate);
	for (way = 0; way < WAY_COUNT; way++)
		text_printf(text, "%s\n",
		    way_text(way, (dns->closed & WAY_BIT(way)) != 0));
}

static void
print_forwarded(const struct conf *conf, struct text *text)
{
	size_t i;

	if (conf->interface_count == 0)
		return;
	text_puts(text, "capture forwarded on");
	print_open(conf->interface_count, text);
	for (i = 0; i < conf->interface_count; i++)
		text_printf(text, " %s", conf->interfaces[i].name);
	print_close(conf->interface_count, text);
	text_puts(text, "\n");
}

static void
print_local(const struct conf *conf, struct text *text)
{
	if (conf->local == LOCAL_NONE)
		return;
	text_puts(text, "capture local");
	print_ids("user", &conf->users, text);
	print_ids("group", &conf->groups, text);
	text_puts(text, "\n");
}

static void
print_settings(const struct conf *conf, struct text *text)
{
	text_printf(text, "on-failure %s\n",
	    conf->on_failure == ON_FAILURE_OPEN ? "open" : "closed");
	text_puts(text, "lease ");
	print_duration(conf->lease_ms, text);
	text_printf(text, "\nworkers %" PRIu32 "\n", conf->workers);
	text_printf(text, "mark mask 0x%08" PRIx32 "\n", conf->mark_mask);
	print_forwarded(conf, text);
	print_local(conf, text);
	text_printf(text, "other-protocols %s\n",
	    conf->other_protocols == OTHER_BLOCK ? "block" : "pass");
}

static void
print_log(const struct conf *conf, struct text *text)
{
	text_puts(text, "control socket ");
	print_string(conf->socket, text);
	text_puts(text, "\nlog dir ");
	print_string(conf->log_dir, text);
	if (conf->keep_ms != 0) {
		text_puts(text, " keep ");
		print_duration(conf->keep_ms, text);
	}
	if (conf->max_bytes != 0) {
		text_puts(text, " max ");
		print_size(conf->max_bytes, text);
	}
	text_puts(text, "\n");
}

void
print_conf(const struct conf *conf, struct text *text)
{
	size_t i;

	print_settings(conf, text);
	for (i = 0; i < conf->table_count; i++)
		print_table(&conf->tables[i], text);
	for (i = 0; i < conf->upstream_count; i++)
		print_upstream(&conf->upstreams[i], text);
	for (i = 0; i < conf->domains_count; i++)
		print_domains(&conf->domains[i], text);
	print_dns(&conf->dns, text);
	print_dns_logs(&conf->dns, text);
	print_dns_blocks(&conf->dns, text);
	for (i = 0; i < conf->exclusion_count; i++)
		print_exclusion(&conf->exclusions[i], text);
	for (i = 0; i < conf->rule_count; i++)
		print_rule(conf, &conf->rules[i], text);
	text_printf(text, "default %s", flow_action_word(conf->default_action));
	print_via(&conf->default_via, text);
	text_puts(text, "\n");
	print_log(conf, text);
}
