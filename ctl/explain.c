/* SPDX-License-Identifier: ISC */
/*
 * tpxctl explain: which rule decides a flow, and why not another.  It goes by
 * the code that the kernel's rules are rendered beside and the relays match
 * with, on the policy of the running tpxd or of a file.  Changes nothing.
 */
#include "ctl/explain.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/privilege.h"
#include "common/users.h"
#include "ctl/ctl.h"
#include "ctl/image.h"
#include "ctl/policy.h"
#include "policy/name.h"
#include "schema/dns.h"

/* What was asked for, as far as it was said. */
struct question {
	uint8_t proto;
	struct addr src;
	struct addr dst;
	uint16_t dport;
	int has_user;
	uint32_t uid; /* of root without one */
	int has_group;
	uint32_t gid;
	const char *interface; /* NULL: as the route to src says */
	char host[LIMIT_DOMAIN_BYTES];
	int has_host;
	unsigned int name; /* RULE_NAME_AGREES, ...; 0: not said */
};

/* 0 and a number of decimal digits up to most, or -1. */
static int
number_parse(const char *text, unsigned long most, uint32_t *number)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || value > most)
		return -1;
	*number = (uint32_t)value;
	return 0;
}

static int
proto_parse(const char *text, uint8_t *proto)
{
	static const struct {
		const char *word;
		uint8_t proto;
	} words[] = {
		{ "tcp", IPPROTO_TCP },
		{ "udp", IPPROTO_UDP },
		{ "icmp", IPPROTO_ICMP },
		{ "icmpv6", IPPROTO_ICMPV6 },
		{ "sctp", IPPROTO_SCTP },
		{ "gre", IPPROTO_GRE },
		{ "esp", IPPROTO_ESP },
	};
	uint32_t number;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i].word) != 0)
			continue;
		*proto = words[i].proto;
		return 0;
	}
	if (number_parse(text, UINT8_MAX, &number) == -1) {
		log_warnx("%s: no protocol: tcp, udp, or a number", text);
		return -1;
	}
	*proto = (uint8_t)number;
	return 0;
}

static int
addr_parse(const char *text, struct addr *addr)
{
	struct prefix prefix;

	if (strchr(text, '/') != NULL || prefix_parse(text, &prefix) == -1) {
		log_warnx("%s: no address", text);
		return -1;
	}
	*addr = prefix.addr;
	return 0;
}

static int
dst_parse(const char *text, struct question *question)
{
	int has_ports =
	    question->proto == IPPROTO_TCP || question->proto == IPPROTO_UDP;

	if (has_ports) {
		if (endpoint_parse(text, &question->dst, &question->dport) == 0)
			return 0;
		log_warnx("%s: no address with a port, as 192.0.2.1:443 or "
			  "[2001:db8::1]:443",
		    text);
		return -1;
	}
	return addr_parse(text, &question->dst);
}

/* what: "user" or "group", whose names are in the file. */
static int
id_parse(const char *text, const char *path, const char *what, uint32_t *id)
{
	struct users users = { 0 };
	const struct user *user;
	int result = 0;

	if (number_parse(text, UINT32_MAX - 1, id) == 0)
		return 0;
	if (users_read(path, &users) == -1)
		log_warn("%s", path);
	if ((user = users_find(&users, text)) != NULL) {
		*id = user->uid;
	} else {
		log_warnx("%s: no %s", text, what);
		result = -1;
	}
	users_free(&users);
	return result;
}

static int
take_user(const char *text, struct question *question)
{
	question->has_user = 1;
	return id_parse(text, USERS_PATH, "user", &question->uid);
}

static int
take_group(const char *text, struct question *question)
{
	question->has_group = 1;
	return id_parse(text, GROUPS_PATH, "group", &question->gid);
}

static int
take_interface(const char *text, struct question *question)
{
	if (!name_is_interface(text)) {
		log_warnx("%s: no interface that can be captured", text);
		return -1;
	}
	question->interface = text;
	return 0;
}

static int
take_domain(const char *text, struct question *question)
{
	const char *why = name_domain(text, strlen(text), question->host);

	if (why != NULL)
		log_warnx("%s: no domain: %s", text, why);
	question->has_host = why == NULL;
	return why == NULL ? 0 : -1;
}

static int
take_agreement(const char *text, struct question *question)
{
	static const char *const words[] = { RULE_NAME_WORDS };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(text, words[i]) == 0) {
			question->name = 1U << i;
			return 0;
		}
	log_warnx("%s: a name agrees, disagrees or is unverified", text);
	return -1;
}

static int
has_owner(const struct question *question)
{
	return question->has_user || question->has_group;
}

static int
options_take(int argc, char *argv[], struct question *question)
{
	static const struct {
		const char *word;
		int (*take)(const char *, struct question *);
	} options[] = {
		{ "user", take_user },
		{ "group", take_group },
		{ "on", take_interface },
		{ "domain", take_domain },
		{ "name", take_agreement },
	};
	const size_t count = sizeof(options) / sizeof(options[0]);
	size_t i;

	for (; argc >= 2; argc -= 2, argv += 2) {
		for (i = 0; i < count; i++)
			if (strcmp(argv[0], options[i].word) == 0)
				break;
		if (i == count) {
			log_warnx("unexpected '%s'", argv[0]);
			return CTL_USAGE;
		}
		if (options[i].take(argv[1], question) == -1)
			return CTL_FAILED;
	}
	if (has_owner(question) && question->interface != NULL) {
		log_warnx("flows of a user or group begin on this host, and "
			  "come in on no interface");
		return CTL_FAILED;
	}
	return argc == 0 ? CTL_GOOD : CTL_USAGE;
}

static int
question_take(int argc, char *argv[], struct question *question)
{
	if (argc < 3)
		return CTL_USAGE;
	if (proto_parse(argv[0], &question->proto) == -1 ||
	    addr_parse(argv[1], &question->src) == -1 ||
	    dst_parse(argv[2], question) == -1)
		return CTL_FAILED;
	if (addr_is_v4(&question->src) != addr_is_v4(&question->dst)) {
		log_warnx("one address is of IPv4, the other one of IPv6");
		return CTL_FAILED;
	}
	return options_take(argc - 3, argv + 3, question);
}

/* Whose it is if it begins here; a user's group is the one of passwd(5). */
static struct policy_owner
owner_of(const struct question *question)
{
	struct policy_owner owner = { question->uid, question->gid };
	const struct passwd *user;

	if (question->has_group)
		return owner;
	user = getpwuid(question->uid);
	owner.gid = user != NULL ? user->pw_gid : POLICY_ID_UNKNOWN;
	return owner;
}

/* Where it begins: here, or behind an interface. */
static int
begin_find(const struct question *question, struct explain_site *src,
    struct course_query *out)
{
	out->capture = FLOW_CAPTURE_FORWARDED;
	out->interface = question->interface;
	if (has_owner(question))
		out->capture = FLOW_CAPTURE_LOCAL;
	if (has_owner(question) || question->interface != NULL)
		return 0;
	if (explain_site_find(&question->src, src) == -1) {
		log_warn("routes");
		return -1;
	}
	if (src->is_here)
		out->capture = FLOW_CAPTURE_LOCAL;
	else if (!src->is_reached)
		log_warnx("this host has no route to the source: say where it "
			  "comes in, by: on INTERFACE");
	out->interface = src->interface;
	return src->is_here || src->is_reached ? 0 : -1;
}

static int
explain(const struct ctl *ctl, const struct question *question,
    const struct image *image, const struct domain_index *index,
    uint32_t own_uid)
{
	struct explanation explanation = { .image = image };
	struct course_query *query = &explanation.query;
	struct explain_site src, dst;

	query->flow.proto = question->proto;
	query->flow.src = question->src;
	query->flow.dst = question->dst;
	query->flow.dport = question->dport;
	query->flow.host = question->has_host ? question->host : NULL;
	query->flow.name = question->name;
	query->flow.index = index;
	query->own_uid = own_uid;
	query->qtype = addr_is_v4(&question->dst) ? DNS_TYPE_A : DNS_TYPE_AAAA;
	if (begin_find(question, &src, query) == -1)
		return CTL_FAILED;
	explanation.owner = owner_of(question);
	if (query->capture == FLOW_CAPTURE_LOCAL)
		query->flow.owner = &explanation.owner;
	if (explain_site_find(&question->dst, &dst) == -1) {
		log_warn("routes");
		return CTL_FAILED;
	}
	query->is_here = dst.is_here;
	explanation.course = course_of(image, query);
	(ctl->json ? explain_print_json : explain_print_text)(
	    &explanation, stdout);
	return CTL_GOOD;
}

static int
explain_running(const struct ctl *ctl, const struct question *question)
{
	struct image_answer answer;
	int result = image_ask(ctl, &answer);

	if (result == CTL_GOOD)
		result = explain(ctl, question, answer.policy.image,
		    answer.domains.index, answer.local.uid);
	mapping_free(&answer.policy);
	lists_unmap(&answer.domains);
	return result;
}

static int
explain_file(
    const struct ctl *ctl, const struct question *question, const char *path)
{
	const struct passwd *user = getpwnam(PRIVILEGE_USER);
	struct policy_bytes bytes;
	int result = policy_read_whole(path, &bytes);

	if (result == CTL_GOOD)
		result =
		    explain(ctl, question, bytes.image, bytes.domains.bytes,
			user != NULL ? user->pw_uid : UINT32_MAX);
	policy_free(&bytes);
	return result;
}

int
explain_run(const struct ctl *ctl, int argc, char *argv[])
{
	struct question question = { .dport = 0 };
	const char *path = NULL;
	int c, result;

	while ((c = getopt(argc, argv, "f:")) != -1) {
		if (c != 'f')
			return CTL_USAGE;
		path = optarg;
	}
	result = question_take(argc - optind, argv + optind, &question);
	if (result != CTL_GOOD)
		return result;
	return path != NULL ? explain_file(ctl, &question, path)
			    : explain_running(ctl, &question);
}
