/* SPDX-License-Identifier: ISC */
/* Compares what images say, never where it lies in them. */
#include "policy/image_same.h"

#include <string.h>

#include "policy/image.h"

int
image_same_servers(const struct image *one, const struct image *other)
{
	const struct image_dns_server *a, *b;
	uint32_t i;

	if (image_dns_server_count(one) != image_dns_server_count(other))
		return 0;
	for (i = 0; i < image_dns_server_count(one); i++) {
		a = image_dns_server(one, i);
		b = image_dns_server(other, i);
		if (addr_compare(&a->addr, &b->addr) != 0 ||
		    a->port != b->port ||
		    strcmp(image_dns_server_name(one, a),
			image_dns_server_name(other, b)) != 0)
			return 0;
	}
	return 1;
}

static int
same_allowed(const struct image *one, const struct image *other)
{
	uint32_t i;

	if (image_dns_allow_count(one) != image_dns_allow_count(other))
		return 0;
	for (i = 0; i < image_dns_allow_count(one); i++)
		if (strcmp(image_dns_allow(one, i),
			image_dns_allow(other, i)) != 0)
			return 0;
	return 1;
}

int
image_same_resolver(const struct image *one, const struct image *other)
{
	const struct image_dns *a = image_dns(one), *b = image_dns(other);

	return a->mode == b->mode && a->validate == b->validate &&
	       a->rebind_protect == b->rebind_protect &&
	       a->random_case == b->random_case &&
	       image_same_servers(one, other) && same_allowed(one, other) &&
	       strcmp(image_dns_trust_anchor(one),
		   image_dns_trust_anchor(other)) == 0 &&
	       strcmp(image_dns_root_hints(one), image_dns_root_hints(other)) ==
		   0;
}
