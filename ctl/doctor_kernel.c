/* SPDX-License-Identifier: ISC */
/*
 * What else uses the kernel's tables, and what the kernel lacks.  Rules are
 * tried in transactions that are not committed, as `nft --check' does.
 */
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <nftables/libnftables.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/landlock.h"
#include "common/privilege.h"
#include "ctl/doctor.h"
#include "policy/render.h"
#include "policy/routes.h"

#define LANDLOCK_VERSION 1U /* LANDLOCK_CREATE_RULESET_VERSION */
#define SHOWN 3		    /* of what there may be many */

/* What a dump says, to be told in a few words. */
struct dump {
	const struct patient *patient;
	struct text *found;
	unsigned int count;
};

static enum health
health_of(const struct dump *dump)
{
	if (dump->count > SHOWN)
		text_printf(dump->found, " and %u more", dump->count - SHOWN);
	return dump->count > 0 ? HEALTH_ILL : HEALTH_FINE;
}

/* 1 when one more is to be told. */
static int
tells(struct dump *dump)
{
	if (dump->count++ >= SHOWN)
		return 0;
	if (dump->count > 1)
		text_puts(dump->found, ", ");
	return 1;
}

enum health
check_interfaces(const struct patient *patient, struct text *found)
{
	struct dump dump = { patient, found, 0 };
	const char *name;
	uint32_t i;

	for (i = 0; patient->image != NULL &&
		    i < image_interface_count(patient->image);
	     i++) {
		name = image_interface(patient->image, i);
		if (if_nametoindex(name) == 0 && tells(&dump))
			text_puts(found, name);
	}
	return health_of(&dump);
}

/* Dumps what rtnetlink(7) has of both families. */
static int
dump_all(uint16_t type, mnl_cb_t call, struct dump *dump)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	_Alignas(struct nlmsghdr) char buffer[32768];
	struct mnl_socket *socket =
	    mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *request;
	struct rtmsg *body;
	ssize_t n = 0;
	size_t i;
	int more;

	if (socket == NULL || mnl_socket_bind(socket, 0, 0) == -1)
		return -1;
	for (i = 0; i < 2 && n != -1; i++) {
		request = mnl_nlmsg_put_header(buffer);
		request->nlmsg_type = type;
		request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
		body->rtm_family = families[i];
		n = mnl_socket_sendto(socket, request, request->nlmsg_len);
		more = MNL_CB_OK;
		while (n != -1 && more > MNL_CB_STOP &&
		       (n = mnl_socket_recvfrom(
			    socket, buffer, sizeof(buffer))) > 0)
			more = mnl_cb_run(buffer, (size_t)n, 0,
			    mnl_socket_get_portid(socket), call, dump);
	}
	(void)mnl_socket_close(socket);
	return n == -1 ? -1 : 0;
}

static int
is_ours(uint8_t protocol)
{
	return protocol == ROUTES_PROTOCOL || protocol == ROUTES_GUARD_PROTOCOL;
}

static int
is_our_table(uint32_t table)
{
	return table == ROUTES_TABLE || table == ROUTES_GUARD_TABLE;
}

/* A rule of policy routing, as far as it matters. */
struct rule {
	uint32_t priority, mark, mask, table;
	uint8_t protocol;
};

static int
on_rule_attribute(const struct nlattr *attribute, void *ctx)
{
	struct rule *rule = ctx;

	switch (mnl_attr_get_type(attribute)) {
	case FRA_PRIORITY:
		rule->priority = mnl_attr_get_u32(attribute);
		break;
	case FRA_FWMARK:
		rule->mark = mnl_attr_get_u32(attribute);
		break;
	case FRA_FWMASK:
		rule->mask = mnl_attr_get_u32(attribute);
		break;
	case FRA_TABLE:
		rule->table = mnl_attr_get_u32(attribute);
		break;
	case FRA_PROTOCOL:
		rule->protocol = mnl_attr_get_u8(attribute);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static int
on_own_rule(
    void *ctx, int family, const struct route_rule *own, const char *interface)
{
	struct rule *rule = ctx;

	(void)family;
	(void)interface;
	return own->priority == rule->priority ? -1 : 0;
}

static int
has_our_priority(const struct image *image, struct rule *rule)
{
	return image != NULL && (routes_each_rule(image, ROUTE_DELIVERY,
				     on_own_rule, rule) == -1 ||
				    routes_each_rule(image, ROUTE_GUARD,
					on_own_rule, rule) == -1);
}

/* A mark that is compared as a whole is not ours when it has none of it. */
static int
uses_our_bits(const struct rule *rule, uint32_t mask)
{
	return rule->mask == UINT32_MAX ? (rule->mark & mask) != 0
					: (rule->mask & mask) != 0;
}

static int
on_rule(const struct nlmsghdr *message, void *ctx)
{
	struct dump *dump = ctx;
	struct rule rule = { 0 };

	(void)mnl_attr_parse(
	    message, sizeof(struct fib_rule_hdr), on_rule_attribute, &rule);
	if (is_ours(rule.protocol))
		return MNL_CB_OK;
	if (uses_our_bits(&rule, dump->patient->mark_mask) && tells(dump))
		text_printf(dump->found, "rule %u looks at mark 0x%x/0x%x",
		    rule.priority, rule.mark, rule.mask);
	else if (is_our_table(rule.table) && tells(dump))
		text_printf(dump->found, "rule %u leads to table %u",
		    rule.priority, rule.table);
	else if (has_our_priority(dump->patient->image, &rule) && tells(dump))
		text_printf(dump->found, "rule %u has a priority of tpx's",
		    rule.priority);
	return MNL_CB_OK;
}

enum health
check_rules(const struct patient *patient, struct text *found)
{
	struct dump dump = { patient, found, 0 };

	if (dump_all(RTM_GETRULE, on_rule, &dump) == -1) {
		text_puts(found, strerror(errno));
		return HEALTH_UNKNOWN;
	}
	return health_of(&dump);
}

static int
on_table(const struct nlattr *attribute, void *ctx)
{
	if (mnl_attr_get_type(attribute) == RTA_TABLE)
		*(uint32_t *)ctx = mnl_attr_get_u32(attribute);
	return MNL_CB_OK;
}

static int
on_route(const struct nlmsghdr *message, void *ctx)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	struct dump *dump = ctx;
	uint32_t table = route->rtm_table;

	(void)mnl_attr_parse(message, sizeof(*route), on_table, &table);
	if (is_our_table(table) && !is_ours(route->rtm_protocol) && tells(dump))
		text_printf(dump->found, "a route in table %u", table);
	return MNL_CB_OK;
}

enum health
check_routes(const struct patient *patient, struct text *found)
{
	struct dump dump = { patient, found, 0 };

	if (dump_all(RTM_GETROUTE, on_route, &dump) == -1) {
		text_puts(found, strerror(errno));
		return HEALTH_UNKNOWN;
	}
	return health_of(&dump);
}

static struct nft_ctx *
nft_open(struct text *found)
{
	struct nft_ctx *nft = NULL;

	if (!privilege_has_net_admin())
		text_puts(found, "only root may look");
	else if ((nft = nft_ctx_new(NFT_CTX_DEFAULT)) == NULL)
		text_puts(found, "libnftables does not begin");
	if (nft == NULL)
		return NULL;
	(void)nft_ctx_buffer_output(nft);
	(void)nft_ctx_buffer_error(nft);
	return nft;
}

/* "\ttable inet NAME {": the name, which ends at a blank, or NULL. */
static const char *
table_name(const char *line)
{
	const char *name;

	if (strncmp(line, "table ", 6) != 0)
		return NULL;
	name = strchr(line + 6, ' ');
	return name == NULL ? NULL : name + 1;
}

static int
is_our_name(const char *name)
{
	static const char *const names[] = { RENDER_TABLE, RENDER_GUARD_TABLE,
		RENDER_GUARD_BESIDE };
	size_t i, len = strcspn(name, " ");

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len &&
		    strncmp(name, names[i], len) == 0)
			return 1;
	return 0;
}

static void
marks_read(char *rules, struct dump *dump)
{
	const char *table = "", *name;
	char *rest = NULL;
	char *line;

	for (line = strtok_r(rules, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		if ((name = table_name(line)) != NULL)
			table = name;
		else if (!is_our_name(table) &&
			 doctor_mark_is_used(line, dump->patient->mark_mask) &&
			 tells(dump)) {
			text_puts(dump->found, "table ");
			text_escape(dump->found, table, strcspn(table, " "));
			text_puts(dump->found, ": ");
			line += strspn(line, " \t");
			text_escape(dump->found, line, strlen(line));
		}
	}
}

enum health
check_nft_marks(const struct patient *patient, struct text *found)
{
	struct dump dump = { patient, found, 0 };
	struct nft_ctx *nft = nft_open(found);
	enum health health = HEALTH_UNKNOWN;
	char *rules;

	if (nft == NULL)
		return HEALTH_UNKNOWN;
	/* Elements of sets may be many, and have no marks. */
	nft_ctx_output_set_flags(
	    nft, NFT_CTX_OUTPUT_TERSE | NFT_CTX_OUTPUT_NUMERIC_ALL);
	if (nft_run_cmd_from_buffer(nft, "list ruleset") == 0 &&
	    (rules = strdup(nft_ctx_get_output_buffer(nft))) != NULL) {
		marks_read(rules, &dump);
		free(rules);
		health = health_of(&dump);
	} else {
		text_puts(found, "nft does not list the rules");
	}
	nft_ctx_free(nft);
	return health;
}

#define IN_CHAIN(hook, rule)                                                 \
	"table inet tpx_doctor { chain c { type filter hook " hook "; " rule \
	"; }; }"

/* Each with the module that Debian's kernel has it in. */
static const struct {
	const char *module;
	const char *text;
} features[] = {
	{ "nf_tables",
	    "table inet tpx_doctor { flags owner; chain c { accept; }; }" },
	{ "nft_tproxy",
	    IN_CHAIN("prerouting priority mangle",
		"meta nfproto ipv4 meta l4proto 6 tproxy ip to 127.0.0.1:9") },
	{ "nft_socket", IN_CHAIN("prerouting priority mangle",
			    "socket transparent 1 socket wildcard 0 accept") },
	{ "nft_fib_inet", IN_CHAIN("prerouting priority mangle",
			      "fib saddr . iif oif missing drop") },
	{ "nft_ct",
	    IN_CHAIN("prerouting priority raw", "ct state new notrack") },
	{ "nft_ct and nfnetlink_cttimeout",
	    "table inet tpx_doctor { ct timeout t { protocol tcp; "
	    "l3proto ip; policy = { close : 1 }; }; }" },
	{ "nft_log and nfnetlink_log",
	    IN_CHAIN("output priority filter", "log group 1") },
	{ "nft_reject_inet", IN_CHAIN("output priority filter",
				 "reject with icmpx port-unreachable") },
	{ "nft_limit", IN_CHAIN("output priority filter",
			   "limit rate over 1/second burst 1 packets drop") },
};

enum health
check_nft_features(const struct patient *patient, struct text *found)
{
	struct dump dump = { patient, found, 0 };
	struct nft_ctx *nft = nft_open(found);
	size_t i;

	if (nft == NULL)
		return HEALTH_UNKNOWN;
	nft_ctx_set_dry_run(nft, true);
	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (nft_run_cmd_from_buffer(nft, features[i].text) != 0 &&
		    tells(&dump))
			text_puts(found, features[i].module);
	nft_ctx_free(nft);
	return health_of(&dump);
}

enum health
check_landlock(const struct patient *patient, struct text *found)
{
	(void)patient;
	if (syscall(LANDLOCK_SYS_CREATE, NULL, 0, LANDLOCK_VERSION) > 0)
		return HEALTH_FINE;
	text_puts(found, errno == ENOSYS ? "the kernel was built without it"
					 : "it is not turned on");
	return HEALTH_ILL;
}
