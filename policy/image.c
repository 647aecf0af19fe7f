/* SPDX-License-Identifier: ISC */
/* Reading an image that image_check() has accepted.  Pure. */
#include "policy/image.h"

#include <stdio.h>
#include <string.h>

#include "policy/image_layout.h"

#define ITEM_BYTES(name, type) sizeof(type),
const uint32_t image_item_bytes[IMAGE_SECTION_COUNT] = { IMAGE_SECTIONS(
    ITEM_BYTES) };

const void *
image_section(const struct image *image, enum image_section_name name)
{
	return (const char *)image + image->sections[name].offset;
}

static uint32_t
count(const struct image *image, enum image_section_name name)
{
	return image->sections[name].count;
}

static const char *
string(const struct image *image, struct image_string at)
{
	return (const char *)image_section(image, IMAGE_STRINGS) + at.first;
}

const struct image_settings *
image_settings(const struct image *image)
{
	return &image->settings;
}

void
image_stamp(void *bytes, uint32_t generation)
{
	struct image *image = bytes;

	image->settings.generation = generation;
}

size_t
image_bytes(const struct image *image)
{
	return image->bytes;
}

const char *
image_control_socket(const struct image *image)
{
	return string(image, image->socket);
}

const char *
image_log_dir(const struct image *image)
{
	return string(image, image->log_dir);
}

uint64_t
image_domains_id(const struct image *image)
{
	return image->domains_id;
}

uint32_t
image_domains_count(const struct image *image)
{
	return count(image, IMAGE_DOMAINS);
}

const char *
image_domains(const struct image *image, uint32_t i)
{
	const struct image_domains *domains =
	    image_section(image, IMAGE_DOMAINS);

	return domains[i].name;
}

uint32_t
image_block_count(const struct image *image)
{
	return count(image, IMAGE_BLOCKS);
}

const struct image_block *
image_block(const struct image *image, uint32_t i)
{
	const struct image_block *blocks = image_section(image, IMAGE_BLOCKS);

	return &blocks[i];
}

const char *
image_block_text(const struct image *image, uint32_t i)
{
	return string(image, image_block(image, i)->text);
}

uint32_t
image_dns_log_count(const struct image *image)
{
	return count(image, IMAGE_DNS_LOGS);
}

const struct image_dns_log *
image_dns_log(const struct image *image, uint32_t i)
{
	const struct image_dns_log *logs = image_section(image, IMAGE_DNS_LOGS);

	return &logs[i];
}

const struct image_dns *
image_dns(const struct image *image)
{
	return &image->dns;
}

int
image_way_is_closed(const struct image *image, enum dns_way way)
{
	return (image->dns.closed & WAY_BIT(way)) != 0;
}

uint32_t
image_dns_server_count(const struct image *image)
{
	return count(image, IMAGE_DNS_SERVERS);
}

const struct image_dns_server *
image_dns_server(const struct image *image, uint32_t i)
{
	const struct image_dns_server *servers =
	    image_section(image, IMAGE_DNS_SERVERS);

	return &servers[i];
}

const char *
image_dns_server_name(
    const struct image *image, const struct image_dns_server *server)
{
	return string(image, server->name);
}

uint32_t
image_dns_allow_count(const struct image *image)
{
	return count(image, IMAGE_DNS_ALLOW);
}

const char *
image_dns_allow(const struct image *image, uint32_t i)
{
	const struct image_string *allow =
	    image_section(image, IMAGE_DNS_ALLOW);

	return string(image, allow[i]);
}

const char *
image_dns_trust_anchor(const struct image *image)
{
	return string(image, image->dns.trust_anchor);
}

const char *
image_dns_root_hints(const struct image *image)
{
	return string(image, image->dns.root_hints);
}

const char *
image_dns_tls_authorities(const struct image *image)
{
	return string(image, image->dns.tls_authorities);
}

uint32_t
image_interface_count(const struct image *image)
{
	return count(image, IMAGE_INTERFACES);
}

const char *
image_interface(const struct image *image, uint32_t i)
{
	const struct image_interface *interfaces =
	    image_section(image, IMAGE_INTERFACES);

	return interfaces[i].name;
}

const struct uid_range *
image_users(const struct image *image, uint32_t *n)
{
	*n = count(image, IMAGE_USERS);
	return image_section(image, IMAGE_USERS);
}

const struct uid_range *
image_groups(const struct image *image, uint32_t *n)
{
	*n = count(image, IMAGE_GROUPS);
	return image_section(image, IMAGE_GROUPS);
}

int
image_has_owner(const struct image_rule *rule)
{
	return rule->users.count > 0 || rule->groups.count > 0;
}

uint32_t
image_table_count(const struct image *image)
{
	return count(image, IMAGE_TABLES);
}

const char *
image_table(const struct image *image, uint32_t i)
{
	const struct image_table *tables = image_section(image, IMAGE_TABLES);

	return tables[i].name;
}

uint32_t
image_upstream_count(const struct image *image)
{
	return count(image, IMAGE_UPSTREAMS);
}

const struct image_upstream *
image_upstream(const struct image *image, uint32_t i)
{
	const struct image_upstream *upstreams =
	    image_section(image, IMAGE_UPSTREAMS);

	return i < count(image, IMAGE_UPSTREAMS) ? &upstreams[i] : NULL;
}

const char *
image_upstream_user(
    const struct image *image, const struct image_upstream *upstream)
{
	return string(image, upstream->user);
}

const char *
image_upstream_password_file(
    const struct image *image, const struct image_upstream *upstream)
{
	return string(image, upstream->password_file);
}

uint32_t
image_endpoint_count(const struct image *image)
{
	return count(image, IMAGE_ENDPOINTS);
}

const struct image_endpoint *
image_endpoint(const struct image *image, uint32_t i)
{
	const struct image_endpoint *endpoints =
	    image_section(image, IMAGE_ENDPOINTS);

	return i < count(image, IMAGE_ENDPOINTS) ? &endpoints[i] : NULL;
}

const char *
image_endpoint_text(
    const struct image *image, uint32_t i, char buf[IMAGE_ENDPOINT_TEXT_BYTES])
{
	const struct image_endpoint *endpoint = image_endpoint(image, i);
	const struct image_upstream *upstream;
	char text[ENDPOINT_TEXT_BYTES];

	if (endpoint == NULL)
		return NULL;
	upstream = image_upstream(image, endpoint->upstream);
	if (upstream->endpoints.count == 1)
		return upstream->name;
	(void)snprintf(buf, IMAGE_ENDPOINT_TEXT_BYTES, "%s %s", upstream->name,
	    endpoint_format(&endpoint->addr, endpoint->port, text));
	return buf;
}

uint32_t
image_rule_count(const struct image *image)
{
	return count(image, IMAGE_RULES);
}

const struct image_rule *
image_rule(const struct image *image, uint32_t i)
{
	const struct image_rule *rules = image_section(image, IMAGE_RULES);

	return i < count(image, IMAGE_RULES) ? &rules[i] : NULL;
}

const char *
image_rule_text(const struct image *image, uint32_t i)
{
	const struct image_rule *rule = image_rule(image, i);

	return string(image, rule == NULL ? image->default_text : rule->text);
}

uint32_t
image_exclusion_count(const struct image *image)
{
	return count(image, IMAGE_EXCLUSIONS);
}

const struct image_rule *
image_exclusion(const struct image *image, uint32_t i)
{
	const struct image_rule *exclusions =
	    image_section(image, IMAGE_EXCLUSIONS);

	return &exclusions[i];
}

const char *
image_exclusion_text(const struct image *image, uint32_t i)
{
	return string(image, image_exclusion(image, i)->text);
}

int
image_rule_needs_name(const struct image_rule *rule)
{
	return rule->domains != DOMAINS_NONE || rule->names != 0;
}

int
image_has_pass(const struct image *image)
{
	const struct image_rule *rules = image_section(image, IMAGE_RULES);
	uint32_t i;

	if (image->settings.default_action == FLOW_ACTION_PASS)
		return 1;
	for (i = 0; i < count(image, IMAGE_RULES); i++)
		if (rules[i].action == FLOW_ACTION_PASS &&
		    (!image_rule_needs_name(&rules[i]) || rules[i].by_dns) &&
		    !rules[i].unlogged)
			return 1;
	return 0;
}

unsigned int
image_action(const struct image *image, unsigned int proto, unsigned int action,
    uint16_t upstream)
{
	if (proto == RULE_UDP && action == FLOW_ACTION_RELAY &&
	    upstream != UPSTREAM_NONE &&
	    image_upstream(image, upstream)->kind != UPSTREAM_SOCKS5)
		return FLOW_ACTION_BLOCK;
	return action;
}

int
image_lends_udp(const struct image *image)
{
	const struct image_rule *rules = image_section(image, IMAGE_RULES);
	uint32_t i;

	for (i = 0; i < count(image, IMAGE_RULES); i++)
		if (rules[i].source == SOURCE_CLIENT &&
		    (rules[i].protos & RULE_UDP) != 0)
			return 1;
	return 0;
}

uint32_t
image_ref(const struct image *image, struct image_span span, uint32_t i)
{
	const uint32_t *refs = image_section(image, IMAGE_REFS);

	return refs[span.first + i];
}

const struct port_range *
image_ports(const struct image *image, struct image_span span)
{
	const struct port_range *ports = image_section(image, IMAGE_PORTS);

	return ports + span.first;
}

const struct uid_range *
image_owners(const struct image *image, struct image_span span)
{
	const struct uid_range *owners = image_section(image, IMAGE_OWNERS);

	return owners + span.first;
}

static const struct image_set *
set_at(const struct image *image, uint32_t i)
{
	const struct image_set *sets = image_section(image, IMAGE_SETS);

	return &sets[i];
}

const struct image_range4 *
image_ranges4(const struct image *image, uint32_t set, uint32_t *n)
{
	const struct image_range4 *ranges = image_section(image, IMAGE_RANGES4);

	*n = set_at(image, set)->range4.count;
	return ranges + set_at(image, set)->range4.first;
}

const struct image_range6 *
image_ranges6(const struct image *image, uint32_t set, uint32_t *n)
{
	const struct image_range6 *ranges = image_section(image, IMAGE_RANGES6);

	*n = set_at(image, set)->range6.count;
	return ranges + set_at(image, set)->range6.first;
}

static int
contains4(const struct image *image, uint32_t set, const uint8_t *byte)
{
	uint32_t n, low = 0, high, middle;
	const struct image_range4 *ranges = image_ranges4(image, set, &n);
	uint32_t addr = (uint32_t)byte[0] << 24 | (uint32_t)byte[1] << 16 |
			(uint32_t)byte[2] << 8 | byte[3];

	for (high = n; low < high;) {
		middle = low + (high - low) / 2;
		if (addr > ranges[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && addr >= ranges[low].first;
}

static int
contains6(const struct image *image, uint32_t set, const uint8_t *byte)
{
	uint32_t n, low = 0, high, middle;
	const struct image_range6 *ranges = image_ranges6(image, set, &n);

	for (high = n; low < high;) {
		middle = low + (high - low) / 2;
		if (memcmp(byte, ranges[middle].last, 16) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && memcmp(byte, ranges[low].first, 16) >= 0;
}

int
image_set_contains(
    const struct image *image, uint32_t set, const struct addr *addr)
{
	if (addr_is_v4(addr))
		return contains4(image, set, addr->byte + 12);
	return contains6(image, set, addr->byte);
}
