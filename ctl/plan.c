/* SPDX-License-Identifier: ISC */
/*
 * tpxctl plan: what tpx loads into the kernel for a configuration, rendered by
 * the code that renders it for the kernel.  Changes nothing.
 */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/privilege.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/image.h"
#include "ctl/json.h"
#include "ctl/placement.h"
#include "ctl/plan_dns.h"
#include "ctl/policy.h"
#include "ctl/table.h"
#include "policy/image.h"
#include "policy/render.h"
#include "policy/render_side.h"
#include "policy/routes.h"

/* Stands for the listeners' ports, which the kernel chooses at the start. */
#define PLAN_PORT 7474

#define UIDS_TEXT_BYTES sizeof("4294967294-4294967294")

#define SYSCTL_PREFIX "sysctl -w "

/* What a tpxd that root starts would be bound to. */
static struct render_local
local_assumed(void)
{
	const struct passwd *user = getpwnam(PRIVILEGE_USER);
	struct render_local local = { .port4 = PLAN_PORT,
		.port6 = PLAN_PORT,
		.local4 = PLAN_PORT + 1,
		.local6 = PLAN_PORT + 1,
		.dns4 = PLAN_PORT + 2,
		.dns6 = PLAN_PORT + 2,
		.dns_local4 = PLAN_PORT + 3,
		.dns_local6 = PLAN_PORT + 3,
		.dot = PLAN_PORT + 4,
		.uid = user != NULL ? user->pw_uid : geteuid() };

	return local;
}

static void
render_all(const struct image *image, const struct render_local *local,
    struct text *nft, struct text *routes)
{
	struct text table = { 0 };

	if (image_settings(image)->on_failure == ON_FAILURE_CLOSED)
		render_guard(image, local, nft);
	render_capture(image, local, RENDER_CAPTURE, &table);
	text_puts(nft, "# first what shall decide\n");
	side_prepare(&table, RENDER_SIDE_A, nft);
	text_puts(nft, "# then it decides, and the lease begins\n");
	side_switch(&table, RENDER_TABLE, RENDER_SIDE_A, nft);
	render_renew(image, nft);
	text_free(&table);
	render_routes(image, routes);
}

/* "33" or "1000-1999" */
static const char *
uids_format(const struct uid_range *uids, char *buf, size_t size)
{
	if (uids->first == uids->last)
		(void)snprintf(buf, size, "%" PRIu32, uids->first);
	else
		(void)snprintf(
		    buf, size, "%" PRIu32 "-%" PRIu32, uids->first, uids->last);
	return buf;
}

/* Calls print for every line, which then ends in a NUL. */
static void
each_line(struct text *text, void (*print)(void *, const char *), void *ctx)
{
	char *rest = NULL;
	char *line;

	if (text->bytes == NULL)
		return;
	for (line = strtok_r(text->bytes, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest))
		print(ctx, line);
}

struct listing {
	struct json *json;
	int sysctls; /* this time, else routes */
};

static void
list_line(void *ctx, const char *line)
{
	const struct listing *listing = ctx;
	size_t prefix = strlen(SYSCTL_PREFIX);
	int is_sysctl = strncmp(line, SYSCTL_PREFIX, prefix) == 0;

	if (is_sysctl == listing->sysctls)
		json_string(
		    listing->json, NULL, is_sysctl ? line + prefix : line);
}

static void
json_list(
    struct json *json, const char *key, int sysctls, const struct text *routes)
{
	struct listing listing = { json, sysctls };
	struct text copy = { 0 };

	if (routes->bytes != NULL)
		text_puts(&copy, routes->bytes);
	json_array(json, key);
	each_line(&copy, list_line, &listing);
	json_array_end(json);
	text_free(&copy);
}

static void
json_rule(struct json *json, const struct placement *placement)
{
	char why[512];

	(void)snprintf(why, sizeof(why), "%s%s%s%s", placement->why,
	    placement->rate, placement->flows, placement->unlogged);
	json_object(json, NULL);
	json_string(json, "rule", placement->rule);
	json_string(json, "placement", placement->place);
	json_string(json, "why", why);
	json_object_end(json);
}

static void
json_captured(struct json *json, const struct image *image)
{
	static const char *const words[LOCAL_COUNT] = { "none", "host",
		"users" };
	const struct uid_range *users;
	char buf[UIDS_TEXT_BYTES];
	uint32_t i, count;

	json_object(json, "captured");
	json_array(json, "interfaces");
	for (i = 0; i < image_interface_count(image); i++)
		json_string(json, NULL, image_interface(image, i));
	json_array_end(json);
	json_string(json, "local", words[image_settings(image)->local]);
	json_array(json, "users");
	users = image_users(image, &count);
	for (i = 0; i < count; i++)
		json_string(
		    json, NULL, uids_format(&users[i], buf, sizeof(buf)));
	json_array_end(json);
	json_object_end(json);
}

static const char *const kinds[UPSTREAM_COUNT] = { UPSTREAM_KIND_WORDS };

static void
json_upstreams(struct json *json, const struct image *image)
{
	const struct image_upstream *upstream;
	const struct image_endpoint *endpoint;
	char buf[ENDPOINT_TEXT_BYTES];
	uint32_t i, n;

	json_array(json, "upstreams");
	for (i = 0; (upstream = image_upstream(image, i)) != NULL; i++) {
		json_object(json, NULL);
		json_string(json, "name", upstream->name);
		json_string(json, "kind", kinds[upstream->kind]);
		json_array(json, "addresses");
		for (n = 0; n < upstream->endpoints.count; n++) {
			endpoint = image_endpoint(
			    image, upstream->endpoints.first + n);
			json_string(json, NULL,
			    endpoint_format(
				&endpoint->addr, endpoint->port, buf));
		}
		json_array_end(json);
		json_object_end(json);
	}
	json_array_end(json);
}

static void
json_statement(
    void *ctx, const char *statement, const char *place, const char *why)
{
	const struct placement placement = { statement, place, why, "", "",
		"" };

	json_rule(ctx, &placement);
}

static void
plan_json(const struct image *image, const struct text *nft,
    const struct text *routes)
{
	struct placement placement;
	struct json json;
	uint32_t i;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "nft", nft->bytes);
	json_list(&json, "routes", 0, routes);
	json_list(&json, "sysctls", 1, routes);
	json_captured(&json, image);
	json_upstreams(&json, image);
	json_array(&json, "exclusions");
	for (i = 0; i < image_exclusion_count(image); i++) {
		placement = placement_of_exclusion(image, i);
		json_rule(&json, &placement);
	}
	json_array_end(&json);
	json_array(&json, "rules");
	for (i = 0; i <= image_rule_count(image); i++) {
		placement = placement_of(
		    image, i < image_rule_count(image) ? i : FLOW_RULE_DEFAULT);
		json_rule(&json, &placement);
	}
	json_array_end(&json);
	json_array(&json, "dns");
	plan_dns_each(image, json_statement, &json);
	json_array_end(&json);
	json_object_end(&json);
	(void)putchar('\n');
}

static void
text_rule(const struct placement *placement)
{
	(void)fputs("# ", stdout);
	(void)table_text(stdout, placement->rule);
	(void)printf("\n#     %s: %s%s%s%s\n", placement->place, placement->why,
	    placement->rate, placement->flows, placement->unlogged);
}

static void
text_statement(
    void *ctx, const char *statement, const char *place, const char *why)
{
	const struct placement placement = { statement, place, why, "", "",
		"" };

	(void)ctx;
	text_rule(&placement);
}

static void
text_captured(const struct image *image)
{
	const struct uid_range *users;
	char buf[UIDS_TEXT_BYTES];
	uint32_t i, count;

	if (image_interface_count(image) > 0)
		(void)fputs("# forwarded from", stdout);
	for (i = 0; i < image_interface_count(image); i++)
		(void)printf(" %s", image_interface(image, i));
	if (image_interface_count(image) > 0)
		(void)putchar('\n');
	if (image_settings(image)->local == LOCAL_HOST)
		(void)puts("# local: the whole host, except " PRIVILEGE_USER);
	users = image_users(image, &count);
	if (count > 0)
		(void)fputs("# local: uids", stdout);
	for (i = 0; i < count; i++)
		(void)printf(" %s", uids_format(&users[i], buf, sizeof(buf)));
	if (count > 0)
		(void)puts(", except " PRIVILEGE_USER "'s");
}

static void
text_upstreams(const struct image *image)
{
	const struct image_upstream *upstream;
	const struct image_endpoint *endpoint;
	char buf[ENDPOINT_TEXT_BYTES];
	uint32_t i, n;

	if (image_upstream_count(image) > 0)
		(void)printf("\n# upstreams\n");
	for (i = 0; (upstream = image_upstream(image, i)) != NULL; i++) {
		(void)printf(
		    "# %s, %s:", upstream->name, kinds[upstream->kind]);
		for (n = 0; n < upstream->endpoints.count; n++) {
			endpoint = image_endpoint(
			    image, upstream->endpoints.first + n);
			(void)printf(" %s", endpoint_format(&endpoint->addr,
						endpoint->port, buf));
		}
		(void)putchar('\n');
	}
}

static void
plan_text(const struct image *image, const struct text *nft,
    const struct text *routes)
{
	struct placement placement;
	uint32_t i;

	(void)printf("# nft transactions\n%s", nft->bytes);
	(void)printf("\n# policy routing and sysctls\n%s", routes->bytes);
	(void)printf("\n# what is captured\n");
	text_captured(image);
	text_upstreams(image);
	(void)printf("\n# where each rule is decided\n");
	for (i = 0; i < image_exclusion_count(image); i++) {
		placement = placement_of_exclusion(image, i);
		text_rule(&placement);
	}
	for (i = 0; i <= image_rule_count(image); i++) {
		placement = placement_of(
		    image, i < image_rule_count(image) ? i : FLOW_RULE_DEFAULT);
		text_rule(&placement);
	}
	if (image_dns(image)->mode != DNS_OFF)
		(void)printf("\n# what is kept of questions of DNS\n");
	plan_dns_each(image, text_statement, NULL);
}

static int
plan_print(const struct ctl *ctl, const struct image *image,
    const struct render_local *local)
{
	struct text nft = { 0 }, routes = { 0 };
	int result = CTL_GOOD;

	render_all(image, local, &nft, &routes);
	if (text_check(&nft) == -1 || text_check(&routes) == -1) {
		log_warn("plan");
		result = CTL_FAILED;
	} else if (ctl->json) {
		plan_json(image, &nft, &routes);
	} else {
		plan_text(image, &nft, &routes);
	}
	text_free(&nft);
	text_free(&routes);
	return result;
}

int
plan_run(const struct ctl *ctl, int argc, char *argv[])
{
	struct image_answer answer = { 0 };
	const char *path = NULL;
	void *bytes = NULL;
	size_t len;
	int c, result;

	while ((c = getopt(argc, argv, "f:")) != -1) {
		if (c != 'f')
			return CTL_USAGE;
		path = optarg;
	}
	if (optind != argc)
		return CTL_USAGE;
	if (path == NULL) {
		result = image_ask(ctl, &answer);
	} else {
		result = policy_read(path, &bytes, &len);
		answer.policy.image = bytes;
		answer.local = local_assumed();
	}
	if (result != CTL_GOOD)
		return result;
	return plan_print(ctl, answer.policy.image, &answer.local);
}
