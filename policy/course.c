/* SPDX-License-Identifier: ISC */
/* One step for each thing that the chains ask before the rules.  Pure. */
#include "policy/course.h"

#include <netinet/in.h>
#include <string.h>

#include "policy/conf.h"
#include "policy/told.h"

#define GOES_ON COURSE_COUNT

static int
is_captured_interface(const struct image *image, const char *interface)
{
	uint32_t i;

	for (i = 0; i < image_interface_count(image); i++)
		if (strcmp(image_interface(image, i), interface) == 0)
			return 1;
	return 0;
}

static int
has_id(const struct uid_range *ids, uint32_t count, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (id >= ids[i].first && id <= ids[i].last)
			return 1;
	return 0;
}

static int
is_captured_owner(const struct image *image, const struct policy_owner *owner)
{
	const struct uid_range *users, *groups;
	uint32_t nusers, ngroups;

	if (image_settings(image)->local != LOCAL_USERS)
		return image_settings(image)->local == LOCAL_HOST;
	users = image_users(image, &nusers);
	groups = image_groups(image, &ngroups);
	return has_id(users, nusers, owner->uid) ||
	       has_id(groups, ngroups, owner->gid);
}

static int
is_unspecified(const struct addr *addr)
{
	static const struct addr none;

	return addr_compare(addr, &none) == 0;
}

static int
is_link_local(const struct addr *addr)
{
	return addr->byte[0] == 0xfe && (addr->byte[1] & 0xc0) == 0x80;
}

static int
is_dns(const struct image *image, const struct policy_query *flow)
{
	return image_dns(image)->mode != DNS_OFF && flow->dport == DNS_PORT &&
	       (flow->proto == IPPROTO_TCP || flow->proto == IPPROTO_UDP);
}

static enum course_end
other_protocol(const struct image *image)
{
	return image_settings(image)->other_protocols == OTHER_BLOCK
		   ? COURSE_OTHER_BLOCKED
		   : COURSE_OTHER_PASSES;
}

/* The chains "first" and "rest". */
static enum course_end
forwarded(const struct image *image, const struct course_query *query,
    uint32_t *exclusion)
{
	if (!is_captured_interface(image, query->interface))
		return COURSE_INTERFACE;
	if (is_unspecified(&query->flow.dst))
		return COURSE_UNSPECIFIED;
	if (policy_exclusion(image, &query->flow, exclusion))
		return COURSE_EXCLUDED;
	return query->is_here ? COURSE_HERE : GOES_ON;
}

/* The chain "local", which has users and groups last. */
static enum course_end
local(const struct image *image, const struct course_query *query,
    uint32_t *exclusion)
{
	if (image_settings(image)->local == LOCAL_NONE)
		return COURSE_USER;
	if (query->flow.owner->uid == query->own_uid)
		return COURSE_OWN;
	if (query->is_here)
		return COURSE_HERE;
	if (policy_exclusion(image, &query->flow, exclusion))
		return COURSE_EXCLUDED;
	return is_captured_owner(image, query->flow.owner) ? GOES_ON
							   : COURSE_USER;
}

static struct dns_verdict
dns_verdict(const struct image *image, const struct course_query *query)
{
	static const struct dns_verdict none = { DNS_RESOLVE, DNS_RULE_NONE };

	if (query->flow.host == NULL)
		return none;
	return policy_dns(image, query->flow.index, query->flow.host,
	    strlen(query->flow.host), query->qtype);
}

static void
by_rules(const struct image *image, const struct course_query *query,
    struct course *course)
{
	const struct image_rule *asks;

	course->verdict = policy_match(image, &query->flow);
	if (course->verdict.item == NULL &&
	    course->verdict.rule != FLOW_RULE_DEFAULT) {
		course->end = COURSE_WAY;
		return;
	}
	asks = policy_needs_name(image, &query->flow);
	course->end = asks != NULL ? COURSE_RELAY : COURSE_KERNEL;
	if (asks != NULL && asks == course->verdict.item &&
	    !course->verdict.needs_name &&
	    told_fits(image, asks, &query->flow.src, &query->flow.dst))
		course->end = COURSE_TOLD;
	if (course->end == COURSE_RELAY &&
	    course->verdict.action == FLOW_ACTION_PASS)
		course->verdict.action = FLOW_ACTION_RELAY;
	/* The chain "relayed_udp". */
	if (query->capture == FLOW_CAPTURE_FORWARDED &&
	    query->flow.proto == IPPROTO_UDP &&
	    is_link_local(&query->flow.src) &&
	    (course->end == COURSE_RELAY ||
		course->verdict.action == FLOW_ACTION_RELAY))
		course->end = COURSE_LINK_LOCAL;
}

struct course
course_of(const struct image *image, const struct course_query *query)
{
	static enum course_end (*const begin[FLOW_CAPTURE_COUNT])(
	    const struct image *, const struct course_query *, uint32_t *) = {
		[FLOW_CAPTURE_FORWARDED] = forwarded,
		[FLOW_CAPTURE_LOCAL] = local,
	};
	struct course course = { .exclusion = 0 };

	course.end = begin[query->capture](image, query, &course.exclusion);
	if (course.end != GOES_ON)
		return course;
	if (query->flow.proto != IPPROTO_TCP &&
	    query->flow.proto != IPPROTO_UDP) {
		course.end = other_protocol(image);
	} else if (is_dns(image, &query->flow)) {
		course.end = COURSE_DNS;
		course.dns = dns_verdict(image, query);
	} else {
		by_rules(image, query, &course);
	}
	return course;
}
