/* SPDX-License-Identifier: ISC */
/*
 * Checks an image that a stranger may have made.  Afterwards every pointer
 * that image.c gives out stays inside, lists end, and names are safe to write
 * into rules.  Time is linear in the image's length: what is referred to must
 * lie in the order of reference, so nothing is walked twice.
 */
#include <errno.h>
#include <string.h>

#include "policy/image_layout.h"
#include "policy/mark.h"
#include "policy/name.h"
#include "policy/owner_class.h"

/* Where the walk stands: how much of each section has been referred to. */
struct walk {
	const struct image *image;
	uint32_t used[IMAGE_SECTION_COUNT];
};

static uint32_t
items(const struct walk *walk, enum image_section_name name)
{
	return walk->image->sections[name].count;
}

/* Takes the next items of a section; they must be these. */
static int
take(struct walk *walk, enum image_section_name name, uint32_t first,
    uint32_t count)
{
	if (first != walk->used[name] || count > items(walk, name) - first)
		return -1;
	walk->used[name] += count;
	return 0;
}

/* A string of such bytes that, of control characters, has only these. */
static int
take_text(struct walk *walk, struct image_string at, const char *controls)
{
	const char *strings = image_section(walk->image, IMAGE_STRINGS);
	uint32_t i;

	if (at.length == UINT32_MAX ||
	    take(walk, IMAGE_STRINGS, at.first, at.length + 1) == -1)
		return -1;
	for (i = 0; i < at.length; i++) {
		unsigned char byte = (unsigned char)strings[at.first + i];

		if ((byte < ' ' || byte == 0x7f) &&
		    (byte == 0 || strchr(controls, byte) == NULL))
			return -1;
	}
	return strings[at.first + at.length] == '\0' ? 0 : -1;
}

static int
take_string(struct walk *walk, struct image_string at)
{
	return take_text(walk, at, "");
}

static const char *
check_sections(const struct image *image, size_t len)
{
	uint64_t at = sizeof(*image), end;
	size_t i;

	for (i = 0; i < IMAGE_SECTION_COUNT; i++) {
		end = IMAGE_ALIGNED(at);
		if (image->sections[i].offset != end || end > len)
			return "a section is not where it must be";
		for (; at < end; at++)
			if (((const char *)image)[at] != 0)
				return "bytes between sections are not zero";
		at += (uint64_t)image->sections[i].count * image_item_bytes[i];
		if (at > len)
			return "a section goes beyond the end";
	}
	return at == len ? NULL : "bytes behind the last section";
}

static const char *
check_head(const void *bytes, size_t len)
{
	const struct image *image = bytes;

	if ((uintptr_t)bytes % IMAGE_ALIGN != 0)
		return "not aligned";
	if (len < sizeof(*image) || len > LIMIT_IMAGE_BYTES)
		return "bad length";
	if (image->magic != IMAGE_MAGIC)
		return "not a policy image";
	if (image->version != IMAGE_VERSION)
		return "another version";
	if (image->bytes != len)
		return "its length is not the one it tells";
	if (image->reserved != 0)
		return "reserved bytes are not zero";
	return check_sections(image, len);
}

static int
upstream_fits(const struct walk *walk, unsigned int action, uint16_t upstream)
{
	return upstream == UPSTREAM_NONE ||
	       (action == FLOW_ACTION_RELAY &&
		   upstream < items(walk, IMAGE_UPSTREAMS));
}

static const char *
check_settings(struct walk *walk)
{
	static const uint8_t
	    zero[sizeof(((struct image_settings *)NULL)->reserved)];
	const struct image_settings *settings = &walk->image->settings;
	const char *strings = image_section(walk->image, IMAGE_STRINGS);
	const struct image_string *socket = &walk->image->socket;
	const struct image_string *log_dir = &walk->image->log_dir;
	uint16_t upstream = settings->default_upstream;

	if (settings->lease_ms < LIMIT_LEASE_MIN_MS ||
	    settings->lease_ms > LIMIT_LEASE_MAX_MS)
		return "lease out of range";
	if (settings->workers > LIMIT_WORKERS)
		return "too many workers";
	if (!mark_mask_valid(settings->mark_mask))
		return "bad mark mask";
	if (settings->keep_s > INT64_MAX || settings->max_bytes > INT64_MAX)
		return "bad limit of the log";
	if (settings->on_failure >= ON_FAILURE_COUNT ||
	    settings->default_action >= FLOW_ACTION_COUNT ||
	    settings->other_protocols >= OTHER_COUNT ||
	    settings->local >= LOCAL_COUNT)
		return "unknown setting";
	if (!upstream_fits(walk, settings->default_action, upstream))
		return "the default contradicts itself";
	if (memcmp(settings->reserved, zero, sizeof(zero)) != 0)
		return "reserved bytes are not zero";
	if (take_string(walk, *socket) == -1 ||
	    take_string(walk, *log_dir) == -1 ||
	    socket->length >= LIMIT_SOCKET_PATH_BYTES ||
	    log_dir->length >= CONF_PATH_BYTES ||
	    strings[socket->first] != '/' || strings[log_dir->first] != '/')
		return "bad path";
	if (take_string(walk, walk->image->default_text) == -1)
		return "the default's text is not in order";
	return NULL;
}

/*
 * A name of a fixed size, every stride bytes: it ends, with zeros, is valid and
 * not a double.
 */
static int
check_name(const char *names, size_t stride, size_t size, uint32_t i,
    int (*valid)(const char *))
{
	const char *name = names + i * stride;
	size_t at = strnlen(name, size);
	uint32_t other;

	if (at == size || !valid(name))
		return -1;
	for (; at < size; at++)
		if (name[at] != '\0')
			return -1;
	for (other = 0; other < i; other++)
		if (strcmp(names + other * stride, name) == 0)
			return -1;
	return 0;
}

static const char *
check_names(struct walk *walk)
{
	const char *interfaces = image_section(walk->image, IMAGE_INTERFACES);
	const char *tables = image_section(walk->image, IMAGE_TABLES);
	uint32_t i;

	if (items(walk, IMAGE_INTERFACES) == 0 &&
	    walk->image->settings.local == LOCAL_NONE)
		return "nothing is captured";
	if (items(walk, IMAGE_INTERFACES) > LIMIT_INTERFACES ||
	    items(walk, IMAGE_TABLES) > LIMIT_TABLES ||
	    items(walk, IMAGE_TABLES) > items(walk, IMAGE_SETS))
		return "bad number of interfaces or tables";
	for (i = 0; i < items(walk, IMAGE_INTERFACES); i++)
		if (check_name(interfaces, sizeof(struct image_interface),
			IFNAMSIZ, i, name_is_interface) == -1)
			return "bad name of an interface";
	for (i = 0; i < items(walk, IMAGE_TABLES); i++)
		if (check_name(tables, sizeof(struct image_table),
			LIMIT_NAME_BYTES, i, name_is_table) == -1)
			return "bad name of a table";
	return NULL;
}

static int
check_ranges4(const struct image_range4 *range, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (range[i].first > range[i].last)
			return -1;
		if (i > 0 && (range[i - 1].last == UINT32_MAX ||
				 range[i].first <= range[i - 1].last + 1))
			return -1;
	}
	return 0;
}

static int
check_ranges6(const struct image_range6 *range, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (memcmp(range[i].first, range[i].last, 16) > 0)
			return -1;
		if (i > 0 && memcmp(range[i].first, range[i - 1].last, 16) <= 0)
			return -1;
	}
	return 0;
}

static const char *
check_sets(struct walk *walk)
{
	const struct image_set *set = image_section(walk->image, IMAGE_SETS);
	const struct image_range4 *range4;
	const struct image_range6 *range6;
	uint32_t i;

	range4 = image_section(walk->image, IMAGE_RANGES4);
	range6 = image_section(walk->image, IMAGE_RANGES6);
	for (i = 0; i < items(walk, IMAGE_SETS); i++, set++) {
		if (take(walk, IMAGE_RANGES4, set->range4.first,
			set->range4.count) == -1 ||
		    take(walk, IMAGE_RANGES6, set->range6.first,
			set->range6.count) == -1)
			return "a set's ranges are not where they must be";
		if (check_ranges4(
			range4 + set->range4.first, set->range4.count) == -1 ||
		    check_ranges6(
			range6 + set->range6.first, set->range6.count) == -1)
			return "a set's ranges are not in order";
	}
	return NULL;
}

static int
take_refs(struct walk *walk, struct image_span span)
{
	const uint32_t *refs = image_section(walk->image, IMAGE_REFS);
	uint32_t i;

	if (span.count > IMAGE_REFS_MAX ||
	    take(walk, IMAGE_REFS, span.first, span.count) == -1)
		return -1;
	for (i = span.first; i < span.first + span.count; i++)
		if (refs[i] >= items(walk, IMAGE_SETS))
			return -1;
	return 0;
}

static int
take_ports(struct walk *walk, struct image_span span)
{
	const struct port_range *ports =
	    image_section(walk->image, IMAGE_PORTS);
	uint32_t i, last = 0;

	if (take(walk, IMAGE_PORTS, span.first, span.count) == -1)
		return -1;
	for (i = span.first; i < span.first + span.count; i++) {
		if (ports[i].first > ports[i].last ||
		    ports[i].first < last + (i > span.first ? 2 : 1))
			return -1;
		last = ports[i].last;
	}
	return 0;
}

static int
check_ids(const struct uid_range *ids, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (ids[i].first > ids[i].last || ids[i].last == UINT32_MAX ||
		    (i > 0 && ids[i].first <= ids[i - 1].last + 1))
			return -1;
	return 0;
}

static const char *
check_users(struct walk *walk)
{
	uint32_t nusers, ngroups;
	const struct uid_range *users = image_users(walk->image, &nusers);
	const struct uid_range *groups = image_groups(walk->image, &ngroups);
	int has_owners = walk->image->settings.local == LOCAL_USERS;

	if (nusers > LIMIT_USERS || ngroups > LIMIT_USERS ||
	    (nusers > 0 || ngroups > 0) != has_owners)
		return "bad number of users";
	if (check_ids(users, nusers) == -1 || check_ids(groups, ngroups) == -1)
		return "users are not in order";
	return NULL;
}

static int
take_owners(struct walk *walk, struct image_span span)
{
	if (span.count > LIMIT_USERS ||
	    take(walk, IMAGE_OWNERS, span.first, span.count) == -1)
		return -1;
	return check_ids(image_owners(walk->image, span), span.count);
}

static int
take_endpoints(struct walk *walk, struct image_span span, uint32_t upstream)
{
	const struct image_endpoint *endpoint =
	    image_section(walk->image, IMAGE_ENDPOINTS);
	uint32_t i;

	if (span.count == 0 || span.count > LIMIT_UPSTREAM_ENDPOINTS ||
	    take(walk, IMAGE_ENDPOINTS, span.first, span.count) == -1)
		return -1;
	for (i = span.first; i < span.first + span.count; i++)
		if (endpoint[i].port == 0 || endpoint[i].upstream != upstream)
			return -1;
	return 0;
}

static const char *
check_credentials(struct walk *walk, const struct image_upstream *upstream)
{
	const char *strings = image_section(walk->image, IMAGE_STRINGS);
	const char *user, *file;

	if (take_string(walk, upstream->user) == -1 ||
	    take_string(walk, upstream->password_file) == -1 ||
	    upstream->user.length > LIMIT_CREDENTIAL_BYTES ||
	    upstream->password_file.length >= IMAGE_PATH_BYTES)
		return "an upstream's strings are not in order";
	user = strings + upstream->user.first;
	file = strings + upstream->password_file.first;
	if ((user[0] == '\0') != (file[0] == '\0') ||
	    (file[0] != '\0' && file[0] != '/') ||
	    (user[0] != '\0' && upstream->kind == UPSTREAM_PROXY_V2) ||
	    (upstream->kind == UPSTREAM_HTTP && strchr(user, ':') != NULL))
		return "an upstream's user is not in order";
	return NULL;
}

static const char *
check_upstream(struct walk *walk, uint32_t i)
{
	const struct image_upstream *upstreams =
	    image_section(walk->image, IMAGE_UPSTREAMS);
	static const uint8_t zero[sizeof(upstreams->reserved)];

	if (check_name(upstreams->name, sizeof(*upstreams), LIMIT_NAME_BYTES, i,
		name_is_table) == -1)
		return "bad name of an upstream";
	if (upstreams[i].kind >= UPSTREAM_COUNT)
		return "an upstream of an unknown kind";
	if (upstreams[i].names > 1)
		return "an upstream neither with names nor without";
	if (memcmp(upstreams[i].reserved, zero, sizeof(zero)) != 0)
		return "reserved bytes are not zero";
	if (upstreams[i].check_ms != 0 &&
	    (upstreams[i].check_ms < LIMIT_CHECK_MIN_MS ||
		upstreams[i].check_ms > LIMIT_CHECK_MAX_MS))
		return "an upstream is checked too often or too seldom";
	if (take_endpoints(walk, upstreams[i].endpoints, i) == -1)
		return "an upstream's addresses are not in order";
	return check_credentials(walk, &upstreams[i]);
}

static const char *
check_upstreams(struct walk *walk)
{
	const char *why = NULL;
	uint32_t i;

	if (items(walk, IMAGE_UPSTREAMS) > LIMIT_UPSTREAMS)
		return "too many upstreams";
	for (i = 0; i < items(walk, IMAGE_UPSTREAMS) && why == NULL; i++)
		why = check_upstream(walk, i);
	return why;
}

/* A name in its canonical form. */
static int
take_domain(struct walk *walk, struct image_string at)
{
	const char *strings = image_section(walk->image, IMAGE_STRINGS);

	return at.length >= LIMIT_DOMAIN_BYTES || take_string(walk, at) == -1 ||
		       !name_is_host(strings + at.first, at.length + 1U)
		   ? -1
		   : 0;
}

static const char *
check_dns_servers(struct walk *walk)
{
	const struct image_dns_server *server =
	    image_section(walk->image, IMAGE_DNS_SERVERS);
	static const uint8_t zero[sizeof(server->reserved)];
	uint32_t i, count = items(walk, IMAGE_DNS_SERVERS);
	int tls = walk->image->dns.mode == DNS_FORWARD_TLS;
	int forwards = tls || walk->image->dns.mode == DNS_FORWARD;

	if ((count > 0) != forwards || count > LIMIT_DNS_SERVERS)
		return "bad number of servers of dns";
	for (i = 0; i < count; i++) {
		if (memcmp(server[i].reserved, zero, sizeof(zero)) != 0)
			return "reserved bytes are not zero";
		if (server[i].port == 0 ||
		    (tls ? take_domain(walk, server[i].name) == -1
			 : server[i].name.length != 0 ||
				take_string(walk, server[i].name) == -1))
			return "a server of dns is not in order";
	}
	return NULL;
}

static const char *
check_dns(struct walk *walk)
{
	const struct image_dns *dns = &walk->image->dns;
	const struct image_string *allow =
	    image_section(walk->image, IMAGE_DNS_ALLOW);
	const char *why;
	uint32_t i;

	if (dns->mode >= DNS_MODE_COUNT || dns->validate > 1 ||
	    dns->rebind_protect > 1 || dns->random_case > 1 ||
	    dns->closed >= WAY_BIT(WAY_COUNT))
		return "unknown setting of dns";
	if (dns->max_rate > LIMIT_COUNT_MAX ||
	    dns->log_rest > LIMIT_COUNT_MAX ||
	    dns->log_blocked > LIMIT_COUNT_MAX)
		return "a number of dns out of range";
	why = check_dns_servers(walk);
	if (why != NULL)
		return why;
	if (dns->mode == DNS_OFF && dns->closed != 0)
		return "a way past no dns is closed";
	if (items(walk, IMAGE_DNS_ALLOW) > LIMIT_DNS_ALLOW)
		return "too many domains of dns";
	for (i = 0; i < items(walk, IMAGE_DNS_ALLOW); i++)
		if (take_domain(walk, allow[i]) == -1)
			return "a domain of dns is not in order";
	if (dns->trust_anchor.length > LIMIT_DNS_FILE_BYTES ||
	    dns->root_hints.length > LIMIT_DNS_FILE_BYTES ||
	    dns->tls_authorities.length > LIMIT_DNS_FILE_BYTES ||
	    take_text(walk, dns->trust_anchor, "\t\n") == -1 ||
	    take_text(walk, dns->root_hints, "\t\n") == -1 ||
	    take_text(walk, dns->tls_authorities, "\t\n") == -1)
		return "a file of dns is not in order";
	return NULL;
}

static const char *
check_dns_logs(struct walk *walk)
{
	const struct image_dns_log *log =
	    image_section(walk->image, IMAGE_DNS_LOGS);
	static const uint8_t zero[sizeof(log->reserved)];
	uint32_t i;

	if (items(walk, IMAGE_DNS_LOGS) > LIMIT_DNS_LOGS)
		return "too many logs of dns";
	for (i = 0; i < items(walk, IMAGE_DNS_LOGS); i++)
		if (log[i].domains >= items(walk, IMAGE_DOMAINS) ||
		    log[i].one_in > LIMIT_COUNT_MAX ||
		    memcmp(log[i].reserved, zero, sizeof(zero)) != 0)
			return "a log of dns is not in order";
	return NULL;
}

/* A list that a rule writes out has no name. */
static int
check_list(const struct image_domains *lists, uint32_t i)
{
	static const char none[LIMIT_NAME_BYTES];

	if (memcmp(lists[i].name, none, sizeof(none)) == 0)
		return 0;
	return check_name(
	    lists->name, sizeof(*lists), LIMIT_NAME_BYTES, i, name_is_table);
}

static const char *
check_domains(struct walk *walk)
{
	const struct image_domains *lists =
	    image_section(walk->image, IMAGE_DOMAINS);
	const struct image_block *block =
	    image_section(walk->image, IMAGE_BLOCKS);
	uint32_t i;

	if (items(walk, IMAGE_DOMAINS) > LIMIT_DOMAIN_LISTS ||
	    items(walk, IMAGE_BLOCKS) > LIMIT_DNS_BLOCKS)
		return "too many lists of domains, or blocks";
	for (i = 0; i < items(walk, IMAGE_DOMAINS); i++)
		if (check_list(lists, i) == -1)
			return "bad name of a list of domains";
	for (i = 0; i < items(walk, IMAGE_BLOCKS); i++)
		if (block[i].domains >= items(walk, IMAGE_DOMAINS) ||
		    block[i].answer >= ANSWER_COUNT || block[i].reserved != 0 ||
		    take_string(walk, block[i].text) == -1)
			return "a block of dns is not in order";
	return NULL;
}

/* What rules and exclusions have in common. */
static const char *
check_selectors(struct walk *walk, const struct image_rule *rule)
{
	if (rule->reserved != 0)
		return "reserved bytes are not zero";
	if (take_refs(walk, rule->from) == -1 ||
	    take_refs(walk, rule->to) == -1)
		return "a rule's addresses are not in order";
	if (take_ports(walk, rule->ports) == -1)
		return "a rule's ports are not in order";
	if (take_owners(walk, rule->users) == -1 ||
	    take_owners(walk, rule->groups) == -1)
		return "a rule's users are not in order";
	if (take_string(walk, rule->text) == -1)
		return "a rule's text is not in order";
	return NULL;
}

static int
rate_fits(const struct rule_rate *rate)
{
	if (rate->count == 0)
		return rate->per_s == 0;
	return rate->count <= LIMIT_COUNT_MAX &&
	       (rate->per_s == 1 || rate->per_s == 60 || rate->per_s == 3600);
}

static int
limits_fit(const struct image_rule *rule)
{
	const struct rule_limits *limits = &rule->limits;
	size_t i;

	for (i = 0; i < LIMIT_SCOPES; i++)
		if (!rate_fits(&limits->rate[i]) ||
		    limits->flows[i] > LIMIT_COUNT_MAX ||
		    (limits->flows[i] != 0 &&
			rule->action != FLOW_ACTION_RELAY) ||
		    (limits->rate[i].count != 0 &&
			rule->action == FLOW_ACTION_BLOCK))
			return 0;
	return 1;
}

static int
has_limits(const struct image_rule *rule)
{
	static const struct rule_limits none;

	return memcmp(&rule->limits, &none, sizeof(none)) != 0;
}

static const char *
check_rule(struct walk *walk, const struct image_rule *rule)
{
	if (rule->reserved != 0)
		return "reserved bytes are not zero";
	if (rule->action >= FLOW_ACTION_COUNT || rule->mode >= BLOCK_COUNT ||
	    rule->unlogged > 1 || rule->by_dns > 1 ||
	    rule->source >= SOURCE_COUNT || rule->protos == 0 ||
	    (rule->protos & ~RULE_PROTOS) != 0 ||
	    (rule->names & ~RULE_NAME_ALL) != 0)
		return "a rule of an unknown kind";
	if ((rule->mode != BLOCK_DEFAULT &&
		rule->action != FLOW_ACTION_BLOCK) ||
	    (rule->idle_ms != 0 && rule->action != FLOW_ACTION_RELAY) ||
	    (rule->source != SOURCE_HOST &&
		(rule->action != FLOW_ACTION_RELAY ||
		    rule->upstream != UPSTREAM_NONE)) ||
	    !limits_fit(rule) ||
	    !upstream_fits(walk, rule->action, rule->upstream) ||
	    (rule->domains != DOMAINS_NONE &&
		rule->domains >= items(walk, IMAGE_DOMAINS)) ||
	    (rule->by_dns &&
		(rule->action != FLOW_ACTION_PASS || has_limits(rule) ||
		    rule->domains == DOMAINS_NONE || rule->names != 0)))
		return "a rule that contradicts itself";
	return check_selectors(walk, rule);
}

/* Protocols without ports are excluded all together, or not at all. */
static const char *
check_exclusion(struct walk *walk, const struct image_rule *exclusion)
{
	unsigned int all = RULE_PROTOS | RULE_OTHER;

	if (exclusion->reserved != 0)
		return "reserved bytes are not zero";
	if (exclusion->action != FLOW_ACTION_PASS ||
	    exclusion->mode != BLOCK_DEFAULT || exclusion->idle_ms != 0 ||
	    exclusion->source != SOURCE_HOST || has_limits(exclusion) ||
	    exclusion->upstream != UPSTREAM_NONE ||
	    exclusion->domains != DOMAINS_NONE || exclusion->names != 0 ||
	    exclusion->unlogged != 0 || exclusion->by_dns != 0 ||
	    exclusion->protos == 0 || (exclusion->protos & ~all) != 0 ||
	    ((exclusion->protos & RULE_OTHER) != 0 &&
		(exclusion->protos != all || exclusion->ports.count != 0)))
		return "an exclusion of an unknown kind";
	return check_selectors(walk, exclusion);
}

static const char *
check_rules(struct walk *walk)
{
	const struct image_rule *rules =
	    image_section(walk->image, IMAGE_RULES);
	const char *why = NULL;
	uint32_t i;

	if (items(walk, IMAGE_RULES) > LIMIT_RULES)
		return "too many rules";
	for (i = 0; why == NULL && i < items(walk, IMAGE_RULES); i++)
		why = check_rule(walk, &rules[i]);
	return why;
}

static const char *
check_exclusions(struct walk *walk)
{
	const char *why = NULL;
	uint32_t i;

	if (items(walk, IMAGE_EXCLUSIONS) > LIMIT_EXCLUSIONS)
		return "too many exclusions";
	for (i = 0; why == NULL && i < items(walk, IMAGE_EXCLUSIONS); i++)
		why = check_exclusion(walk, image_exclusion(walk->image, i));
	return why;
}

static const char *
check_owners(struct walk *walk)
{
	return owner_classes_fit(walk->image)
		   ? NULL
		   : "rules tell too many owners apart";
}

/* Nothing is left that no rule, set or setting refers to. */
static const char *
check_rest(struct walk *walk)
{
	static const enum image_section_name referred[] = { IMAGE_REFS,
		IMAGE_PORTS, IMAGE_OWNERS, IMAGE_RANGES4, IMAGE_RANGES6,
		IMAGE_ENDPOINTS, IMAGE_STRINGS };
	size_t i;

	for (i = 0; i < sizeof(referred) / sizeof(referred[0]); i++)
		if (walk->used[referred[i]] != items(walk, referred[i]))
			return "bytes that nothing refers to";
	return NULL;
}

int
image_check(const void *bytes, size_t len, const char **why)
{
	static const char *(*const checks[])(struct walk *) = { check_settings,
		check_names, check_users, check_upstreams, check_dns,
		check_domains, check_dns_logs, check_sets, check_rules,
		check_exclusions, check_rest, check_owners };
	struct walk walk = { .image = bytes };
	size_t i;

	*why = check_head(bytes, len);
	for (i = 0; *why == NULL && i < sizeof(checks) / sizeof(checks[0]); i++)
		*why = checks[i](&walk);
	if (*why == NULL)
		return 0;
	errno = EINVAL;
	return -1;
}
