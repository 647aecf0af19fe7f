/* SPDX-License-Identifier: ISC */
/* Pure. */
#include "policy/match_dns.h"

#include "policy/name.h"
#include "policy/way.h"

static enum dns_action
action_of(unsigned int answer, uint16_t type)
{
	switch (answer) {
	case ANSWER_REFUSED:
		return DNS_REFUSE;
	case ANSWER_ZERO:
		return type == DNS_TYPE_A || type == DNS_TYPE_AAAA ? DNS_ZERO
								   : DNS_NODATA;
	default:
		return DNS_NXDOMAIN;
	}
}

/*
 * RFC 9462, 4 has no data at resolver.arpa; who asks for the others takes a
 * name that does not exist for the answer.
 */
static enum dns_action
action_on_way(enum dns_way way)
{
	return way == WAY_DDR ? DNS_NODATA : DNS_NXDOMAIN;
}

struct dns_verdict
policy_dns(const struct image *image, const struct domain_index *index,
    const char *name, size_t len, uint16_t type)
{
	struct dns_verdict verdict = { DNS_RESOLVE, DNS_RULE_NONE };
	enum dns_way way = way_of_question(name, len, type);
	const struct image_block *block;
	struct domain_set set;
	uint32_t i, count = image_block_count(image);

	if (way != WAY_COUNT && image_way_is_closed(image, way)) {
		verdict.action = action_on_way(way);
		verdict.rule = (uint16_t)(DNS_RULE_WAY + way);
		return verdict;
	}
	if (count == 0 || index == NULL)
		return verdict;
	domain_index_find(index, name, len, &set);
	for (i = 0; i < count; i++) {
		block = image_block(image, i);
		if (!domain_set_has(&set, block->domains))
			continue;
		verdict.action = action_of(block->answer, type);
		verdict.rule = (uint16_t)(DNS_RULE_BLOCK + i);
		break;
	}
	return verdict;
}

uint32_t
policy_dns_log(const struct image *image, const struct domain_index *index,
    const char *name, size_t len)
{
	uint32_t i, count = image_dns_log_count(image);
	struct domain_set set;

	if (count == 0 || index == NULL)
		return count;
	domain_index_find(index, name, len, &set);
	for (i = 0; i < count; i++)
		if (domain_set_has(&set, image_dns_log(image, i)->domains))
			break;
	return i;
}

int
policy_dns_may_be_private(
    const struct image *image, const char *name, size_t len)
{
	uint32_t i;

	if (!image_dns(image)->rebind_protect)
		return 1;
	for (i = 0; i < image_dns_allow_count(image); i++)
		if (name_is_within(name, len, image_dns_allow(image, i)))
			return 1;
	return 0;
}

int
policy_index_fits(const struct image *image, const struct domain_index *index)
{
	if (index == NULL)
		return image_domains_count(image) == 0;
	return domain_index_id(index) == image_domains_id(image) &&
	       domain_index_lists(index) == image_domains_count(image);
}
