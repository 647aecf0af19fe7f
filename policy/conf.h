/* SPDX-License-Identifier: ISC */
/*
 * A configuration: text to parse tree.  All errors of a text are collected,
 * and nothing that this version does not do is accepted silently.
 */
#ifndef POLICY_CONF_H
#define POLICY_CONF_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/users.h"
#include "policy/lexer.h"
#include "policy/rule.h"
#include "policy/text.h"
#include "schema/limits.h"

#define CONF_BYTES_MAX (64U << 20)
#define CONF_PATH_BYTES 1024 /* of log dir, NUL included */
#define CONF_FULL_PATH_BYTES (CONF_PATH_BYTES * 2)
#define CONF_LEASE_MS 3000
#define CONF_FILE "/etc/tpx/tpx.conf" /* unless another one is named */
#define CONF_SOCKET "/run/tpx/tpxd.sock"
#define CONF_LOG_DIR "/var/lib/tpx"

/* A list names at most this many tables; the kernel's rules multiply them. */
#define CONF_LIST_TABLES 16

#define CONF_ERRORS_MAX 100

struct conf_interface {
	char name[IFNAMSIZ];
	struct place place;
};

/* A file whose text is part of the policy, see conf_file.h. */
struct conf_file {
	char path[CONF_PATH_BYTES]; /* as written; "": none */
	struct place place;
	char *text; /* NULL until it was read; then it ends in a NUL */
	size_t len;
};

struct conf_table {
	char name[LIMIT_NAME_BYTES];
	struct place place;
	struct prefix *prefixes; /* in the order written, or as in the file */
	size_t count;
	struct conf_file file;
};

/* A prefix, or a table when table is not CONF_NO_TABLE. */
#define CONF_NO_TABLE UINT32_MAX
struct conf_address {
	struct prefix prefix;
	uint32_t table; /* index in the tables of struct conf */
	char name[LIMIT_NAME_BYTES];
	struct place place;
};

/* count 0: any */
struct conf_addresses {
	struct conf_address *items;
	size_t count;
};

struct conf_ports {
	struct port_range *items;
	size_t count;
};

/* Written as a name, or as numbers when name is "".  A group is one, too. */
struct conf_user {
	char name[USERS_NAME_BYTES];
	struct uid_range uids;
};

/* In the order written; count 0: any. */
struct conf_ids {
	struct conf_user *items;
	size_t count;
};

struct conf_endpoint {
	struct addr addr;
	uint16_t port;
};

struct conf_upstream {
	char name[LIMIT_NAME_BYTES];
	struct place place;
	enum upstream_kind kind;
	struct conf_endpoint *endpoints; /* in the order written */
	size_t count;
	int names; /* it is given hosts' names where they are known */
	char user[LIMIT_CREDENTIAL_BYTES + 1]; /* "": none, and no password */
	char password_file[CONF_PATH_BYTES];   /* as written */
	uint32_t check_ms; /* between checks; 0: there are none */
};

struct conf_dns_server {
	struct addr addr;
	uint16_t port;
	char name[LIMIT_DOMAIN_BYTES]; /* of its certificate; "" without TLS */
};

struct conf_domain {
	char name[LIMIT_DOMAIN_BYTES];
};

struct conf_pattern {
	char name[LIMIT_DOMAIN_BYTES];
	int below; /* "*.name" */
};

/* Its number among the lists is that in the domain index. */
struct conf_domains {
	char name[LIMIT_NAME_BYTES]; /* "": written out by a rule */
	struct place place;
	struct conf_pattern *patterns;
	size_t count;
	struct conf_file file;
};

/* "<name>" of a list that may be defined later. */
struct conf_list {
	char name[LIMIT_NAME_BYTES]; /* "": none, or known by its number */
	struct place place;
	uint16_t list; /* or DOMAINS_NONE */
};

struct conf_block {
	struct conf_list domains;
	enum dns_answer answer;
	struct place place;
	char *text; /* as of a rule */
};

/* Of the questions about names of a list, one in so many has a row; 0: none. */
struct conf_dns_log {
	struct conf_list domains;
	uint32_t one_in;
	struct place place;
};

struct conf_dns {
	enum dns_mode mode;
	int validate;
	int rebind_protect;
	int random_case;
	uint32_t stale_s;		 /* 0: nothing stale is served */
	struct conf_dns_server *servers; /* in the order written */
	size_t server_count;
	struct conf_domain *allow;
	size_t allow_count;
	struct conf_file trust_anchor;
	struct conf_file root_hints;
	struct conf_file tls_authorities;
	struct conf_block *blocks; /* the first that matches answers */
	size_t block_count;
	uint32_t max_rate;   /* questions a second and client; 0: no limit */
	unsigned int closed; /* bits of enum dns_way */
	struct conf_dns_log *logs; /* the first that matches decides */
	size_t log_count;
	uint32_t log_rest; /* of what no list has; as in struct conf_dns_log */
	uint32_t log_blocked; /* of what is blocked */
};

struct conf_via {
	char name[LIMIT_NAME_BYTES]; /* "": not written */
	struct place place;
	uint16_t upstream; /* its index, or UPSTREAM_NONE */
};

/* An exclusion is one too, with action pass and neither mode nor idle. */
struct conf_rule {
	enum flow_action action;
	/* Both when not written; an exclusion's RULE_OTHER, see rule.h. */
	unsigned int protos;
	enum block_mode mode;
	uint32_t idle_ms; /* 0: not written */
	struct conf_addresses from;
	struct conf_addresses to;
	struct conf_ports ports;
	struct conf_ids users; /* with these, only of this host's sockets */
	struct conf_ids groups;
	struct conf_list domains;
	unsigned int names; /* RULE_NAME_AGREES, ...; 0: not written */
	int by_dns; /* the kernel passes what DNS has told, see policy/told.h */
	enum rule_source source;
	struct conf_via via;
	struct rule_limits limits;
	int unlogged; /* its flows have no rows */
	struct place place;
	char *text; /* as written, on one line, without comments */
};

struct conf {
	enum on_failure on_failure;
	uint32_t lease_ms;
	uint32_t workers; /* 0: one per core */
	uint32_t mark_mask;
	enum other_protocols other_protocols;
	enum flow_action default_action;
	struct conf_via default_via;
	char socket[LIMIT_SOCKET_PATH_BYTES]; /* of the control socket */
	char log_dir[CONF_PATH_BYTES];
	char dir[CONF_PATH_BYTES]; /* of the text's file; names are beside it */
	uint64_t keep_ms;	   /* 0: for ever */
	uint64_t max_bytes;	   /* 0: no limit */
	struct conf_interface *interfaces;
	size_t interface_count;
	enum capture_local local;
	struct conf_ids users;	/* of this host, that are captured, and */
	struct conf_ids groups; /* so are these */
	struct conf_table *tables;
	size_t table_count;
	struct conf_upstream *upstreams;
	size_t upstream_count;
	struct conf_domains *domains;
	size_t domains_count;
	uint64_t domains_id; /* of the index with their names; 0: not built */
	struct conf_dns dns;
	struct conf_rule *rules;
	size_t rule_count;
	struct conf_rule *exclusions;
	size_t exclusion_count;
};

enum conf_severity { CONF_ERROR, CONF_WARNING };

/* Texts are printable ASCII; what came from the file is escaped and cut. */
struct conf_error {
	enum conf_severity severity;
	struct place place; /* line 0: of the file as a whole */
	char message[192];
	char expected[192];  /* "" or what would have been right */
	char suggestion[64]; /* "" or the nearest known word */
};

/* In the order of the text.  Warnings only when there is no error. */
struct conf_errors {
	struct conf_error items[CONF_ERRORS_MAX];
	size_t count;
	size_t omitted; /* errors or warnings for which there was no room */
	size_t errors;	/* all of them, omitted ones too */
};

/*
 * Parses a whole configuration, with names of users as that list has them;
 * NULL knows no name.  errors is cleared first.  0 and a tree for
 * conf_free(), with perhaps warnings in errors; -1 with EINVAL when there are
 * errors, or ENOMEM; *out is NULL then.
 */
int conf_parse(const char *text, size_t len, const struct users *,
    struct conf **out, struct conf_errors *);
void conf_free(struct conf *); /* NULL is fine */

/*
 * Where the text was read from: an absolute path, beside which file names
 * without a slash are.  -1 with EINVAL or ENAMETOOLONG; without it they are in
 * the root directory.
 */
int conf_set_path(struct conf *, const char *path);

/* Where a file is that the text names: beside it, or an absolute path. */
void conf_path(
    const struct conf *, const char *name, char path[CONF_FULL_PATH_BYTES]);

/*
 * "tpx.conf:12:7: unknown statement 'relya'; did you mean 'relay'?", the line
 * and a line with a caret.  text is what was parsed.  A long line is cut
 * around the place, and its bytes are escaped.
 */
void conf_error_format(const struct conf_error *, const char *file,
    const char *text, size_t len, struct text *);

/* Everything that was found, and "and N more" when some had no room. */
void conf_errors_format(const struct conf_errors *, const char *file,
    const char *text, size_t len, struct text *);

#endif
