/* SPDX-License-Identifier: ISC */
/*
 * tpxctl plan: what tpx loads into the kernel for a configuration, rendered by
 * the code that renders it for the kernel.  Changes nothing.
 */
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
#include "ctl/policy.h"
#include "ctl/table.h"
#include "policy/image.h"
#include "policy/render.h"
#include "policy/routes.h"

/* Stands for the listeners' ports, which the kernel chooses at the start. */
#define PLAN_PORT 7474

#define SYSCTL_PREFIX "sysctl -w "

#define FIRST_PACKET \
	"decided at the first packet by addresses, protocol and port; "

struct placement {
	const char *rule;
	const char *place;
	const char *why;
};

/* What a tpxd that root starts would be bound to. */
static struct render_local
local_assumed(void)
{
	const struct passwd *user = getpwnam(PRIVILEGE_USER);
	struct render_local local = { .port4 = PLAN_PORT,
		.port6 = PLAN_PORT,
		.uid = user != NULL ? user->pw_uid : geteuid() };

	return local;
}

static void
render_all(const struct image *image, const struct render_local *local,
    struct text *nft, struct text *routes)
{
	if (image_settings(image)->on_failure == ON_FAILURE_CLOSED)
		render_guard(image, nft);
	render_capture(image, local, RENDER_CAPTURE, nft);
	render_routes(image, routes);
}

/* What a flow's first packet shows decides every rule of this version. */
static struct placement
placement_of(const struct image *image, uint32_t rule)
{
	static const char *const why[FLOW_ACTION_COUNT] = {
		[FLOW_ACTION_RELAY] =
		    FIRST_PACKET "tcp goes to the relay, udp is blocked",
		[FLOW_ACTION_PASS] =
		    FIRST_PACKET "logged from connection tracking",
		[FLOW_ACTION_BLOCK] = FIRST_PACKET "logged by nflog",
	};
	const struct image_rule *item = image_rule(image, rule);
	unsigned int action =
	    item != NULL ? item->action : image_settings(image)->default_action;
	struct placement placement = { .rule = image_rule_text(image, rule),
		.place = "kernel",
		.why = why[action] };

	return placement;
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

struct lists {
	struct json *json;
	int sysctls; /* this time, else routes */
};

static void
list_line(void *ctx, const char *line)
{
	const struct lists *lists = ctx;
	size_t prefix = strlen(SYSCTL_PREFIX);
	int is_sysctl = strncmp(line, SYSCTL_PREFIX, prefix) == 0;

	if (is_sysctl == lists->sysctls)
		json_string(
		    lists->json, NULL, is_sysctl ? line + prefix : line);
}

static void
json_list(
    struct json *json, const char *key, int sysctls, const struct text *routes)
{
	struct lists lists = { json, sysctls };
	struct text copy = { 0 };

	if (routes->bytes != NULL)
		text_puts(&copy, routes->bytes);
	json_array(json, key);
	each_line(&copy, list_line, &lists);
	json_array_end(json);
	text_free(&copy);
}

static void
json_rule(struct json *json, const struct placement *placement)
{
	json_object(json, NULL);
	json_string(json, "rule", placement->rule);
	json_string(json, "placement", placement->place);
	json_string(json, "why", placement->why);
	json_object_end(json);
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
	json_array(&json, "rules");
	for (i = 0; i <= image_rule_count(image); i++) {
		placement = placement_of(
		    image, i < image_rule_count(image) ? i : FLOW_RULE_DEFAULT);
		json_rule(&json, &placement);
	}
	json_array_end(&json);
	json_object_end(&json);
	(void)putchar('\n');
}

static void
text_rule(const struct placement *placement)
{
	(void)fputs("# ", stdout);
	(void)table_text(stdout, placement->rule);
	(void)printf("\n#     %s: %s\n", placement->place, placement->why);
}

static void
plan_text(const struct image *image, const struct text *nft,
    const struct text *routes)
{
	struct placement placement;
	uint32_t i;

	(void)printf("# nft transaction\n%s", nft->bytes);
	(void)printf("\n# policy routing and sysctls\n%s", routes->bytes);
	(void)printf("\n# where each rule is decided\n");
	for (i = 0; i <= image_rule_count(image); i++) {
		placement = placement_of(
		    image, i < image_rule_count(image) ? i : FLOW_RULE_DEFAULT);
		text_rule(&placement);
	}
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
