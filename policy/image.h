/* SPDX-License-Identifier: ISC */
/*
 * A policy as one flat, position-independent block of bytes that travels to
 * other processes in a sealed memfd (memfd_create(2), F_SEAL_WRITE).
 *
 * image_check() must have accepted the bytes, and they must not change
 * afterwards, before a pointer to them is taken as a struct image; the other
 * functions then read nothing outside of them, whoever made them.  They give
 * pointers into the image.  Numbers are in host order: an image never leaves
 * the host.
 */
#ifndef POLICY_IMAGE_H
#define POLICY_IMAGE_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "policy/conf.h"
#include "policy/rule.h"
#include "schema/limits.h"

#define IMAGE_MAGIC 0x69787074U /* "tpxi" */
#define IMAGE_VERSION 9U

struct image_settings {
	uint32_t generation;
	uint32_t lease_ms;
	uint32_t workers; /* 0: one per core */
	uint32_t mark_mask;
	uint64_t keep_s;	/* 0: for ever */
	uint64_t max_bytes;	/* 0: no limit */
	uint8_t on_failure;	/* enum on_failure */
	uint8_t default_action; /* enum flow_action */
	uint8_t other_protocols;
	uint8_t local;		   /* enum capture_local */
	uint16_t default_upstream; /* or UPSTREAM_NONE */
	uint8_t reserved[2];
};

/* items first .. first + count - 1 of some section */
struct image_span {
	uint32_t first;
	uint32_t count;
};

struct image_interface {
	char name[IFNAMSIZ];
};

/* Table number n has set number n; the sets after them belong to rules. */
struct image_table {
	char name[LIMIT_NAME_BYTES];
};

/* Both ends belong to a range.  A set's are sorted and do not overlap. */
struct image_range4 {
	uint32_t first;
	uint32_t last;
};

struct image_range6 {
	uint8_t first[16];
	uint8_t last[16];
};

struct image_set {
	struct image_span range4;
	struct image_span range6;
};

/* A text of length bytes at an offset in the strings, and a NUL. */
struct image_string {
	uint32_t first;
	uint32_t length;
};

/* A server that questions are forwarded to, in the order written. */
struct image_dns_server {
	struct addr addr;
	uint16_t port;
	uint8_t reserved[2];
	struct image_string name; /* of its certificate; "" without TLS */
};

/* Its number is that of a list in the domain index. */
struct image_domains {
	char name[LIMIT_NAME_BYTES]; /* "": written out by a rule */
};

/* Names of a list are answered so; the first that has the name decides. */
struct image_block {
	uint16_t domains; /* a list's number */
	uint8_t answer;	  /* enum dns_answer */
	uint8_t reserved;
	uint32_t line;
	struct image_string text;
};

/* Of questions about names of a list, one in so many has a row; 0: none. */
struct image_dns_log {
	uint16_t domains; /* a list's number */
	uint8_t reserved[2];
	uint32_t one_in;
};

/* What answers questions.  Texts are empty unless a file was named. */
struct image_dns {
	uint8_t mode; /* enum dns_mode */
	uint8_t validate;
	uint8_t rebind_protect;
	uint8_t random_case;
	uint32_t stale_s;     /* how long stale answers are served; 0: not */
	uint32_t max_rate;    /* of a client, a second; 0: no limit */
	uint32_t closed;      /* bits of enum dns_way; 0 with DNS_OFF */
	uint32_t log_rest;    /* what no list has, as in image_dns_log */
	uint32_t log_blocked; /* what is blocked */
	struct image_string trust_anchor;    /* DS and DNSKEY records */
	struct image_string root_hints;	     /* NS, A and AAAA records */
	struct image_string tls_authorities; /* certificates, PEM */
};

/*
 * Where an upstream is reached.  Those of one stand together in the order in
 * which they are tried; flow records name one by its index among all.
 */
struct image_endpoint {
	struct addr addr;
	uint16_t port;
	uint16_t upstream; /* whose it is */
};

/* Without a user both strings are empty; else the path is absolute. */
struct image_upstream {
	char name[LIMIT_NAME_BYTES];
	struct image_span endpoints;
	struct image_string user;
	struct image_string password_file;
	uint8_t kind;  /* enum upstream_kind */
	uint8_t names; /* 1: it is given hosts' names where they are known */
	uint8_t reserved[2];
	uint32_t check_ms; /* between checks; 0: there are none */
};

/*
 * Spans: from and to are of refs (set numbers), ports of ports, users and
 * groups of owners; empty: any.  With users or groups it is only for what
 * sockets of this host send.  An exclusion is a rule with action pass and no
 * mode, source, idle_ms, limits, unlogged or by_dns.
 */
struct image_rule {
	uint8_t action; /* enum flow_action */
	uint8_t protos; /* RULE_TCP, RULE_UDP; an exclusion's: RULE_OTHER too */
	uint8_t mode;	/* enum block_mode */
	uint8_t source; /* enum rule_source; only of what is relayed */
	uint32_t idle_ms; /* 0: the relay's own */
	uint32_t line;
	uint16_t upstream; /* or UPSTREAM_NONE; only of what is relayed */
	uint16_t domains;  /* a list's number, or DOMAINS_NONE */
	uint8_t names;	   /* RULE_NAME_AGREES, ...; 0: whatever it is */
	uint8_t unlogged;  /* 1: its flows have no rows */
	uint8_t by_dns;	   /* 1: see policy/told.h; only of a pass of domains */
	uint8_t reserved;
	struct rule_limits limits; /* flows only of what is relayed */
	struct image_span from;
	struct image_span to;
	struct image_span ports;
	struct image_span users;
	struct image_span groups;
	struct image_string text;
};

struct image; /* the block of bytes */

/*
 * 0 and bytes to free(3), or -1 with ENOMEM, EFBIG when it would be larger than
 * LIMIT_IMAGE_BYTES, or E2BIG when rules tell too many kinds of users and
 * groups apart (OWNER_CLASSES_MAX).  conf must come from conf_parse().
 */
int image_build(
    const struct conf *, uint32_t generation, void **bytes, size_t *len);

/* What errno of that means, a static string or that of strerror(3). */
const char *image_build_error(int error);

/* Gives an image that nobody shares yet another generation. */
void image_stamp(void *bytes, uint32_t generation);

/*
 * 0 when every byte is in order, -1 with EINVAL and the reason (a static
 * string) otherwise.  bytes must be aligned to 8, as a mapping is.
 */
int image_check(const void *bytes, size_t len, const char **why);

const struct image_settings *image_settings(const struct image *);
size_t image_bytes(const struct image *);
const char *image_control_socket(const struct image *);
const char *image_log_dir(const struct image *);

/* Of the domain index that belongs to it; 0 when there is none. */
uint64_t image_domains_id(const struct image *);
uint32_t image_domains_count(const struct image *);
const char *image_domains(const struct image *, uint32_t i); /* its name */

uint32_t image_block_count(const struct image *);
const struct image_block *image_block(const struct image *, uint32_t i);
const char *image_block_text(const struct image *, uint32_t i);

/* The first whose list has a name decides which of its questions have rows. */
uint32_t image_dns_log_count(const struct image *);
const struct image_dns_log *image_dns_log(const struct image *, uint32_t i);

const struct image_dns *image_dns(const struct image *);
/* Whether clients are kept from that way past it. */
int image_way_is_closed(const struct image *, enum dns_way);
uint32_t image_dns_server_count(const struct image *);
const struct image_dns_server *
image_dns_server(const struct image *, uint32_t i);
const char *
image_dns_server_name(const struct image *, const struct image_dns_server *);
/* Domains with all below them whose answers may name private addresses. */
uint32_t image_dns_allow_count(const struct image *);
const char *image_dns_allow(const struct image *, uint32_t i);
/*
 * Lines as in a zone file, or certificates in PEM, and a NUL; "" for what is
 * built in, or the system has.
 */
const char *image_dns_trust_anchor(const struct image *);
const char *image_dns_root_hints(const struct image *);
const char *image_dns_tls_authorities(const struct image *);

/* 0 only when something local is captured. */
uint32_t image_interface_count(const struct image *);
const char *image_interface(const struct image *, uint32_t);

/*
 * Sorted, apart from each other; none unless local is LOCAL_USERS.  What is of
 * one of the users or one of the groups is captured.
 */
const struct uid_range *image_users(const struct image *, uint32_t *count);
const struct uid_range *image_groups(const struct image *, uint32_t *count);

uint32_t image_table_count(const struct image *);
const char *image_table(const struct image *, uint32_t); /* its name */

uint32_t image_upstream_count(const struct image *);
/* NULL when there is no such upstream, as for UPSTREAM_NONE. */
const struct image_upstream *image_upstream(const struct image *, uint32_t);
const char *
image_upstream_user(const struct image *, const struct image_upstream *);
const char *image_upstream_password_file(
    const struct image *, const struct image_upstream *);
uint32_t image_endpoint_count(const struct image *);
/* NULL when there is no such endpoint. */
const struct image_endpoint *image_endpoint(const struct image *, uint32_t);

/*
 * "corp", or "corp 10.0.0.9:1080" when that is one of several; NULL when there
 * is no such endpoint.
 */
#define IMAGE_ENDPOINT_TEXT_BYTES (LIMIT_NAME_BYTES + ENDPOINT_TEXT_BYTES)
const char *image_endpoint_text(
    const struct image *, uint32_t, char buf[IMAGE_ENDPOINT_TEXT_BYTES]);

uint32_t image_rule_count(const struct image *);
/* NULL when there is no such rule, as for FLOW_RULE_DEFAULT. */
const struct image_rule *image_rule(const struct image *, uint32_t);
/* The rule as written, or the default statement for any other number. */
const char *image_rule_text(const struct image *, uint32_t);

/* What is as if nothing captured it, i below the count.  Before all rules. */
uint32_t image_exclusion_count(const struct image *);
const struct image_rule *image_exclusion(const struct image *, uint32_t i);
const char *image_exclusion_text(const struct image *, uint32_t i);

/* Whether no rule of the kernel can decide it: names decide about it. */
int image_rule_needs_name(const struct image_rule *);

/* Whether the kernel lets pass what has rows: by a rule, or by default. */
int image_has_pass(const struct image *);

/*
 * A rule's action, for TCP or UDP: of upstreams, those of SOCKS5 alone take UDP
 * (RFC 1928, 7).
 */
unsigned int image_action(const struct image *, unsigned int proto,
    unsigned int action, uint16_t upstream);

/* Whether a rule has servers of UDP see their clients' addresses. */
int image_lends_udp(const struct image *);

/* The i-th item of a rule's span, i below its count. */
uint32_t image_ref(const struct image *, struct image_span, uint32_t i);
const struct port_range *image_ports(const struct image *, struct image_span);
const struct uid_range *image_owners(const struct image *, struct image_span);

/* Whether a rule is only for sockets of some users or groups of this host. */
int image_has_owner(const struct image_rule *);

/* A set's ranges and how many; set numbers come from image_ref(). */
const struct image_range4 *
image_ranges4(const struct image *, uint32_t set, uint32_t *count);
const struct image_range6 *
image_ranges6(const struct image *, uint32_t set, uint32_t *count);
int image_set_contains(const struct image *, uint32_t set, const struct addr *);

#endif
