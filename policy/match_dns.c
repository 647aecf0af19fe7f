/* SPDX-License-Identifier: ISC */
/* Pure. */
#include "policy/match_dns.h"

#define TYPE_A 1U
#define TYPE_AAAA 28U

static enum dns_action
action_of(unsigned int answer, uint16_t type)
{
	switch (answer) {
	case ANSWER_REFUSED:
		return DNS_REFUSE;
	case ANSWER_ZERO:
		return type == TYPE_A || type == TYPE_AAAA ? DNS_ZERO
							   : DNS_NODATA;
	default:
		return DNS_NXDOMAIN;
	}
}

struct dns_verdict
policy_dns(const struct image *image, const struct domain_index *index,
    const char *name, size_t len, uint16_t type)
{
	struct dns_verdict verdict = { DNS_RESOLVE, 0, NULL };
	const struct image_block *block;
	struct domain_set set;
	uint32_t i, count = image_block_count(image);

	if (count == 0 || index == NULL)
		return verdict;
	domain_index_find(index, name, len, &set);
	for (i = 0; i < count; i++) {
		block = image_block(image, i);
		if (!domain_set_has(&set, block->domains))
			continue;
		verdict.action = action_of(block->answer, type);
		verdict.block = i;
		verdict.text = image_block_text(image, i);
		break;
	}
	return verdict;
}

int
policy_index_fits(const struct image *image, const struct domain_index *index)
{
	if (index == NULL)
		return image_domains_count(image) == 0;
	return domain_index_id(index) == image_domains_id(image) &&
	       domain_index_lists(index) == image_domains_count(image);
}
