/* SPDX-License-Identifier: ISC */
/*
 * A parse tree to an image.  The sections grow beside each other and are put
 * together at the end.  Pure.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/image_layout.h"
#include "policy/owner_class.h"
#include "policy/text.h"

struct builder {
	struct image head;
	struct text sections[IMAGE_SECTION_COUNT];
	uint32_t sets; /* of tables and rules, so far */
};

/* The ranges of one set before they are sorted and merged. */
struct ranges {
	struct image_range4 *range4;
	struct image_range6 *range6;
	uint32_t count4;
	uint32_t count6;
};

static void
append(struct builder *builder, enum image_section_name name, const void *bytes,
    size_t len)
{
	text_append(&builder->sections[name], bytes, len);
}

/* Items in a section.  Its bytes may not fit an image, but fit 64 bits. */
static uint32_t
items(const struct builder *builder, enum image_section_name name)
{
	return (uint32_t)(builder->sections[name].len / image_item_bytes[name]);
}

static struct image_string
append_string(struct builder *builder, const char *string)
{
	struct image_string at = { items(builder, IMAGE_STRINGS),
		(uint32_t)strlen(string) };

	append(builder, IMAGE_STRINGS, string, at.length + 1U);
	return at;
}

static int
ranges_init(struct ranges *ranges, size_t count)
{
	memset(ranges, 0, sizeof(*ranges));
	ranges->range4 = calloc(count + 1, sizeof(*ranges->range4));
	ranges->range6 = calloc(count + 1, sizeof(*ranges->range6));
	return ranges->range4 == NULL || ranges->range6 == NULL ? -1 : 0;
}

static void
ranges_free(struct ranges *ranges)
{
	free(ranges->range4);
	free(ranges->range6);
}

static uint32_t
load32(const uint8_t *byte)
{
	return (uint32_t)byte[0] << 24 | (uint32_t)byte[1] << 16 |
	       (uint32_t)byte[2] << 8 | byte[3];
}

/* A prefix is its first address; the last has all the other bits set. */
static void
ranges_add(struct ranges *ranges, const struct prefix *prefix)
{
	struct image_range6 range;
	unsigned int bit;

	memcpy(range.first, prefix->addr.byte, sizeof(range.first));
	memcpy(range.last, prefix->addr.byte, sizeof(range.last));
	for (bit = prefix->bits; bit < 128; bit++)
		range.last[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	if (addr_is_v4(&prefix->addr) && prefix->bits >= 96) {
		ranges->range4[ranges->count4].first = load32(range.first + 12);
		ranges->range4[ranges->count4++].last = load32(range.last + 12);
	} else {
		ranges->range6[ranges->count6++] = range;
	}
}

static int
compare4(const void *a, const void *b)
{
	uint32_t p = ((const struct image_range4 *)a)->first;
	uint32_t q = ((const struct image_range4 *)b)->first;

	return p < q ? -1 : p > q;
}

static int
compare6(const void *a, const void *b)
{
	return memcmp(((const struct image_range6 *)a)->first,
	    ((const struct image_range6 *)b)->first, 16);
}

static uint32_t
merge4(struct image_range4 *ranges, uint32_t count)
{
	uint32_t i, n = 0;

	qsort(ranges, count, sizeof(*ranges), compare4);
	for (i = 0; i < count; i++) {
		struct image_range4 *last = &ranges[n - (n > 0)];

		if (n == 0 || (last->last != UINT32_MAX &&
				  ranges[i].first > last->last + 1))
			ranges[n++] = ranges[i];
		else if (ranges[i].last > last->last)
			last->last = ranges[i].last;
	}
	return n;
}

/* Whether an address lies behind another with at least one between. */
static int
is_apart6(const uint8_t *first, const uint8_t *last)
{
	uint8_t next[16];
	int i;

	memcpy(next, last, sizeof(next));
	for (i = 15; i >= 0 && ++next[i] == 0; i--)
		;
	return i >= 0 && memcmp(first, next, sizeof(next)) > 0;
}

static uint32_t
merge6(struct image_range6 *ranges, uint32_t count)
{
	uint32_t i, n = 0;

	qsort(ranges, count, sizeof(*ranges), compare6);
	for (i = 0; i < count; i++) {
		struct image_range6 *last = &ranges[n - (n > 0)];

		if (n == 0 || is_apart6(ranges[i].first, last->last))
			ranges[n++] = ranges[i];
		else if (memcmp(ranges[i].last, last->last, 16) > 0)
			memcpy(last->last, ranges[i].last, 16);
	}
	return n;
}

static void
append_set(struct builder *builder, struct ranges *ranges)
{
	struct image_set set = {
		{ items(builder, IMAGE_RANGES4), 0 },
		{ items(builder, IMAGE_RANGES6), 0 },
	};

	set.range4.count = merge4(ranges->range4, ranges->count4);
	set.range6.count = merge6(ranges->range6, ranges->count6);
	append(builder, IMAGE_RANGES4, ranges->range4,
	    set.range4.count * sizeof(*ranges->range4));
	append(builder, IMAGE_RANGES6, ranges->range6,
	    set.range6.count * sizeof(*ranges->range6));
	append(builder, IMAGE_SETS, &set, sizeof(set));
	builder->sets++;
}

static int
build_table(struct builder *builder, const struct conf_table *table)
{
	struct image_table name = { 0 };
	struct ranges ranges;
	size_t i;
	int error;

	memcpy(name.name, table->name, sizeof(name.name));
	append(builder, IMAGE_TABLES, &name, sizeof(name));
	error = ranges_init(&ranges, table->count);
	if (error == 0) {
		for (i = 0; i < table->count; i++)
			ranges_add(&ranges, &table->prefixes[i]);
		append_set(builder, &ranges);
	}
	ranges_free(&ranges);
	return error;
}

static int
has_ref(const struct builder *builder, uint32_t first, uint32_t ref)
{
	const char *refs = builder->sections[IMAGE_REFS].bytes;
	uint32_t i, n = items(builder, IMAGE_REFS);

	for (i = first; i < n; i++)
		if (memcmp(refs + i * sizeof(ref), &ref, sizeof(ref)) == 0)
			return 1;
	return 0;
}

/* Refs to its tables, each once, and to a set of the prefixes it has. */
static int
build_addresses(struct builder *builder, const struct conf_addresses *addresses,
    struct image_span *span)
{
	struct ranges ranges;
	size_t i;

	span->first = items(builder, IMAGE_REFS);
	if (ranges_init(&ranges, addresses->count) == -1) {
		ranges_free(&ranges);
		return -1;
	}
	for (i = 0; i < addresses->count; i++) {
		const struct conf_address *item = &addresses->items[i];

		if (item->table == CONF_NO_TABLE)
			ranges_add(&ranges, &item->prefix);
		else if (!has_ref(builder, span->first, item->table))
			append(builder, IMAGE_REFS, &item->table,
			    sizeof(item->table));
	}
	if (ranges.count4 + ranges.count6 > 0) {
		append(
		    builder, IMAGE_REFS, &builder->sets, sizeof(builder->sets));
		append_set(builder, &ranges);
	}
	span->count = items(builder, IMAGE_REFS) - span->first;
	ranges_free(&ranges);
	return 0;
}

static int
compare_ports(const void *a, const void *b)
{
	const struct port_range *p = a, *q = b;

	return (int)p->first - (int)q->first;
}

static int
build_ports(struct builder *builder, const struct conf_ports *ports,
    struct image_span *span)
{
	struct port_range *merged;
	size_t i, n = 0;

	span->first = items(builder, IMAGE_PORTS);
	if (ports->count == 0)
		return 0;
	merged = calloc(ports->count, sizeof(*merged));
	if (merged == NULL)
		return -1;
	memcpy(merged, ports->items, ports->count * sizeof(*merged));
	qsort(merged, ports->count, sizeof(*merged), compare_ports);
	for (i = 0; i < ports->count; i++) {
		if (n == 0 || merged[i].first > merged[n - 1].last + 1)
			merged[n++] = merged[i];
		else if (merged[i].last > merged[n - 1].last)
			merged[n - 1].last = merged[i].last;
	}
	span->count = (uint32_t)n;
	append(builder, IMAGE_PORTS, merged, n * sizeof(*merged));
	free(merged);
	return 0;
}

static int
compare_users(const void *a, const void *b)
{
	uint32_t p = ((const struct uid_range *)a)->first;
	uint32_t q = ((const struct uid_range *)b)->first;

	return p < q ? -1 : p > q;
}

/* No range ends in UINT32_MAX, so there is always a next one. */
static int
build_ids(struct builder *builder, enum image_section_name section,
    const struct conf_ids *ids)
{
	struct uid_range *merged;
	size_t i, n = 0;

	if (ids->count == 0)
		return 0;
	merged = calloc(ids->count, sizeof(*merged));
	if (merged == NULL)
		return -1;
	for (i = 0; i < ids->count; i++)
		merged[i] = ids->items[i].uids;
	qsort(merged, ids->count, sizeof(*merged), compare_users);
	for (i = 0; i < ids->count; i++) {
		if (n == 0 || merged[i].first > merged[n - 1].last + 1)
			merged[n++] = merged[i];
		else if (merged[i].last > merged[n - 1].last)
			merged[n - 1].last = merged[i].last;
	}
	append(builder, section, merged, n * sizeof(*merged));
	free(merged);
	return 0;
}

static int
build_owners(struct builder *builder, const struct conf_ids *ids,
    struct image_span *span)
{
	span->first = items(builder, IMAGE_OWNERS);
	if (build_ids(builder, IMAGE_OWNERS, ids) == -1)
		return -1;
	span->count = items(builder, IMAGE_OWNERS) - span->first;
	return 0;
}

static struct image_string
append_path(struct builder *builder, const struct conf *conf, const char *name)
{
	char path[IMAGE_PATH_BYTES];

	if (name[0] == '\0')
		return append_string(builder, name);
	conf_path(conf, name, path);
	return append_string(builder, path);
}

static void
build_upstream(struct builder *builder, const struct conf *conf,
    const struct conf_upstream *from)
{
	struct image_upstream upstream = {
		.endpoints = { items(builder, IMAGE_ENDPOINTS),
		    (uint32_t)from->count },
		.kind = (uint8_t)from->kind,
		.check_ms = from->check_ms,
		.names = (uint8_t)from->names,
	};
	struct image_endpoint endpoint = { .upstream = (uint16_t)items(
					       builder, IMAGE_UPSTREAMS) };
	size_t i;

	memcpy(upstream.name, from->name, sizeof(upstream.name));
	for (i = 0; i < from->count; i++) {
		endpoint.addr = from->endpoints[i].addr;
		endpoint.port = from->endpoints[i].port;
		append(builder, IMAGE_ENDPOINTS, &endpoint, sizeof(endpoint));
	}
	upstream.user = append_string(builder, from->user);
	upstream.password_file =
	    append_path(builder, conf, from->password_file);
	append(builder, IMAGE_UPSTREAMS, &upstream, sizeof(upstream));
}

static void
build_dns_servers(struct builder *builder, const struct conf_dns *dns)
{
	size_t i;

	for (i = 0; i < dns->server_count; i++) {
		struct image_dns_server server = {
			.addr = dns->servers[i].addr,
			.port = dns->servers[i].port,
		};

		server.name = append_string(builder, dns->servers[i].name);
		append(builder, IMAGE_DNS_SERVERS, &server, sizeof(server));
	}
}

/* What was read of a file; "" when none was named. */
static struct image_string
append_file(struct builder *builder, const struct conf_file *file)
{
	return append_string(builder, file->text == NULL ? "" : file->text);
}

static void
build_dns(struct builder *builder, const struct conf_dns *dns)
{
	struct image_string allow;
	size_t i;

	builder->head.dns = (struct image_dns){
		.mode = (uint8_t)dns->mode,
		.validate = (uint8_t)dns->validate,
		.rebind_protect = (uint8_t)dns->rebind_protect,
		.random_case = (uint8_t)dns->random_case,
		.stale_s = dns->stale_s,
		.max_rate = dns->max_rate,
		.closed = dns->mode == DNS_OFF ? 0 : dns->closed,
		.log_rest = dns->log_rest,
		.log_blocked = dns->log_blocked,
	};
	build_dns_servers(builder, dns);
	for (i = 0; i < dns->allow_count; i++) {
		allow = append_string(builder, dns->allow[i].name);
		append(builder, IMAGE_DNS_ALLOW, &allow, sizeof(allow));
	}
	builder->head.dns.trust_anchor =
	    append_file(builder, &dns->trust_anchor);
	builder->head.dns.root_hints = append_file(builder, &dns->root_hints);
	builder->head.dns.tls_authorities =
	    append_file(builder, &dns->tls_authorities);
}

static void
build_domains(struct builder *builder, const struct conf *conf)
{
	const struct conf_dns *dns = &conf->dns;
	struct image_domains domains;
	size_t i;

	builder->head.domains_id = conf->domains_id;
	for (i = 0; i < conf->domains_count; i++) {
		memcpy(
		    domains.name, conf->domains[i].name, sizeof(domains.name));
		append(builder, IMAGE_DOMAINS, &domains, sizeof(domains));
	}
	for (i = 0; i < dns->block_count; i++) {
		struct image_block block = {
			.domains = dns->blocks[i].domains.list,
			.answer = (uint8_t)dns->blocks[i].answer,
			.line = dns->blocks[i].place.line,
			.text = append_string(builder, dns->blocks[i].text),
		};

		append(builder, IMAGE_BLOCKS, &block, sizeof(block));
	}
	for (i = 0; i < dns->log_count; i++) {
		struct image_dns_log log = {
			.domains = dns->logs[i].domains.list,
			.one_in = dns->logs[i].one_in,
		};

		append(builder, IMAGE_DNS_LOGS, &log, sizeof(log));
	}
}

static int
build_rule(struct builder *builder, enum image_section_name section,
    const struct conf_rule *from)
{
	struct image_rule rule = {
		.action = (uint8_t)from->action,
		.protos = (uint8_t)from->protos,
		.mode = (uint8_t)from->mode,
		.source = (uint8_t)from->source,
		.idle_ms = from->idle_ms,
		.line = from->place.line,
		.upstream = from->via.upstream,
		.limits = from->limits,
		.domains = from->domains.list,
		.names = (uint8_t)from->names,
		.by_dns = (uint8_t)from->by_dns,
		.unlogged = (uint8_t)from->unlogged,
	};

	if (build_addresses(builder, &from->from, &rule.from) == -1 ||
	    build_addresses(builder, &from->to, &rule.to) == -1 ||
	    build_ports(builder, &from->ports, &rule.ports) == -1 ||
	    build_owners(builder, &from->users, &rule.users) == -1 ||
	    build_owners(builder, &from->groups, &rule.groups) == -1)
		return -1;
	rule.text = append_string(builder, from->text);
	append(builder, section, &rule, sizeof(rule));
	return 0;
}

static struct image_string
append_default(struct builder *builder, const struct conf *conf)
{
	const struct conf_via *via = &conf->default_via;
	char text[sizeof("default relay via ") + LIMIT_NAME_BYTES];

	(void)snprintf(text, sizeof(text), "default %s%s%s",
	    flow_action_word(conf->default_action),
	    via->name[0] == '\0' ? "" : " via ", via->name);
	return append_string(builder, text);
}

static void
build_settings(
    struct builder *builder, const struct conf *conf, uint32_t generation)
{
	struct image *head = &builder->head;

	head->magic = IMAGE_MAGIC;
	head->version = IMAGE_VERSION;
	head->settings = (struct image_settings){
		.generation = generation,
		.lease_ms = conf->lease_ms,
		.workers = conf->workers,
		.mark_mask = conf->mark_mask,
		.keep_s = (conf->keep_ms + 999) / 1000,
		.max_bytes = conf->max_bytes,
		.on_failure = (uint8_t)conf->on_failure,
		.default_action = (uint8_t)conf->default_action,
		.other_protocols = (uint8_t)conf->other_protocols,
		.local = (uint8_t)conf->local,
		.default_upstream = conf->default_via.upstream,
	};
	head->socket = append_string(builder, conf->socket);
	head->log_dir = append_string(builder, conf->log_dir);
	head->default_text = append_default(builder, conf);
}

static int
build_sections(struct builder *builder, const struct conf *conf)
{
	struct image_interface interface;
	size_t i;

	for (i = 0; i < conf->interface_count; i++) {
		memcpy(interface.name, conf->interfaces[i].name,
		    sizeof(interface.name));
		append(
		    builder, IMAGE_INTERFACES, &interface, sizeof(interface));
	}
	if (build_ids(builder, IMAGE_USERS, &conf->users) == -1 ||
	    build_ids(builder, IMAGE_GROUPS, &conf->groups) == -1)
		return -1;
	for (i = 0; i < conf->table_count; i++)
		if (build_table(builder, &conf->tables[i]) == -1)
			return -1;
	for (i = 0; i < conf->upstream_count; i++)
		build_upstream(builder, conf, &conf->upstreams[i]);
	build_dns(builder, &conf->dns);
	build_domains(builder, conf);
	for (i = 0; i < conf->rule_count; i++)
		if (build_rule(builder, IMAGE_RULES, &conf->rules[i]) == -1)
			return -1;
	for (i = 0; i < conf->exclusion_count; i++)
		if (build_rule(
			builder, IMAGE_EXCLUSIONS, &conf->exclusions[i]) == -1)
			return -1;
	for (i = 0; i < IMAGE_SECTION_COUNT; i++)
		if (text_check(&builder->sections[i]) == -1)
			return -1;
	return 0;
}

/* Offsets of the sections and the size of the whole; -1 with EFBIG. */
static int
lay_out(struct builder *builder)
{
	uint64_t at = sizeof(builder->head);
	size_t i;

	for (i = 0; i < IMAGE_SECTION_COUNT; i++) {
		at = IMAGE_ALIGNED(at);
		if (at + builder->sections[i].len > LIMIT_IMAGE_BYTES) {
			errno = EFBIG;
			return -1;
		}
		builder->head.sections[i].offset = (uint32_t)at;
		builder->head.sections[i].count =
		    items(builder, (enum image_section_name)i);
		at += builder->sections[i].len;
	}
	builder->head.bytes = (uint32_t)at;
	return 0;
}

static void *
put_together(const struct builder *builder)
{
	char *bytes = calloc(1, builder->head.bytes);
	size_t i;

	if (bytes == NULL)
		return NULL;
	memcpy(bytes, &builder->head, sizeof(builder->head));
	for (i = 0; i < IMAGE_SECTION_COUNT; i++)
		if (builder->sections[i].len > 0)
			memcpy(bytes + builder->head.sections[i].offset,
			    builder->sections[i].bytes,
			    builder->sections[i].len);
	return bytes;
}

const char *
image_build_error(int error)
{
	return error == E2BIG ? "rules tell too many kinds of users and groups "
				"apart"
			      : strerror(error);
}

int
image_build(
    const struct conf *conf, uint32_t generation, void **bytes, size_t *len)
{
	struct builder builder = { 0 };
	size_t i;

	*bytes = NULL;
	*len = 0;
	errno = ENOMEM;
	build_settings(&builder, conf, generation);
	if (build_sections(&builder, conf) == 0 && lay_out(&builder) == 0) {
		*bytes = put_together(&builder);
		*len = builder.head.bytes;
	}
	for (i = 0; i < IMAGE_SECTION_COUNT; i++)
		text_free(&builder.sections[i]);
	if (*bytes != NULL && !owner_classes_fit(*bytes)) {
		free(*bytes);
		*bytes = NULL;
	}
	return *bytes == NULL ? -1 : 0;
}
