/* SPDX-License-Identifier: ISC */
/*
 * The bytes of an image: this header, then the sections in the order of the
 * enumeration, each beginning at the next multiple of 8, with zeros between.
 * What rules, sets and strings refer to lies in the order of who refers to it,
 * without gap or overlap, so that one walk checks all of it.
 */
#ifndef POLICY_IMAGE_LAYOUT_H
#define POLICY_IMAGE_LAYOUT_H

#include "policy/image.h"

#define IMAGE_ALIGN 8U
#define IMAGE_ALIGNED(n) (((n) + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN)

#define IMAGE_PATH_BYTES CONF_FULL_PATH_BYTES

/* A list's tables and the set of its prefixes. */
#define IMAGE_REFS_MAX (CONF_LIST_TABLES + 1U)

#define IMAGE_SECTIONS(X)                       \
	X(INTERFACES, struct image_interface)   \
	X(TABLES, struct image_table)           \
	X(USERS, struct uid_range)              \
	X(UPSTREAMS, struct image_upstream)     \
	X(ENDPOINTS, struct image_endpoint)     \
	X(DNS_SERVERS, struct image_dns_server) \
	X(DNS_ALLOW, struct image_string)       \
	X(DOMAINS, struct image_domains)        \
	X(BLOCKS, struct image_block)           \
	X(DNS_LOGS, struct image_dns_log)       \
	X(RULES, struct image_rule)             \
	X(EXCLUSIONS, struct image_rule)        \
	X(REFS, uint32_t)                       \
	X(PORTS, struct port_range)             \
	X(SETS, struct image_set)               \
	X(RANGES4, struct image_range4)         \
	X(RANGES6, struct image_range6)         \
	X(STRINGS, char)

#define IMAGE_SECTION_NAME(name, type) IMAGE_##name,
enum image_section_name {
	IMAGE_SECTIONS(IMAGE_SECTION_NAME) IMAGE_SECTION_COUNT
};

struct image_section {
	uint32_t offset; /* from the image's first byte */
	uint32_t count;	 /* items */
};

struct image {
	uint32_t magic;
	uint32_t version;
	uint32_t bytes; /* of the whole image */
	uint32_t reserved;
	struct image_settings settings;
	uint64_t domains_id;
	struct image_section sections[IMAGE_SECTION_COUNT];
	struct image_dns dns;
	/* The first in the strings; upstreams', dns' and rules' follow. */
	struct image_string socket;
	struct image_string log_dir;
	struct image_string default_text;
};

extern const uint32_t image_item_bytes[IMAGE_SECTION_COUNT];

const void *image_section(const struct image *, enum image_section_name);

#endif
