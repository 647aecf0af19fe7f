/* SPDX-License-Identifier: ISC */
/*
 * What the files of the parser share.  A parse function stands on the token
 * after its keyword and leaves the parser on the token after the last one it
 * took.  It reports what is wrong and returns -1 when the rest of the
 * statement makes no sense any more; a bad value alone is reported and passed
 * over, so that one reading finds all that is wrong.
 */
#ifndef POLICY_CONF_PARSE_H
#define POLICY_CONF_PARSE_H

#include "policy/conf.h"
#include "policy/lexer.h"

#define CONF_QUOTE_BYTES 64
#define CONF_DNS_OPTIONS 16 /* kinds of dns statements */

struct parser {
	struct lexer lexer;
	struct token token;   /* the next one to take */
	struct token keyword; /* that began the statement */
	const char *end;      /* of the last token taken */
	const struct users *users;
	struct conf *conf;
	struct conf_errors *errors;
	struct place log_dir;		    /* of the first 'log dir' */
	struct place local;		    /* of the first 'capture local' */
	struct place dns[CONF_DNS_OPTIONS]; /* of the first of each kind */
	int capture_seen;
	int resume;    /* token begins a statement already */
	int no_memory; /* then nothing else counts */
};

/* Takes the token. */
void parser_next(struct parser *);

/* conf_error.c */
void conf_report(struct conf_errors *, enum conf_severity, const struct place *,
    const char *expected, const char *suggestion, const char *, ...)
    __attribute__((format(printf, 6, 7)));
void conf_sort(struct conf_errors *);
/* The text in quotes, escaped and cut; returns buf. */
const char *conf_quote(const char *bytes, size_t len, char *buf);
/* Reports the token as not what was expected; returns -1. */
int parser_unexpected(struct parser *, const char *expected);
/* Reports a bad value and goes on; returns 0. */
int parser_bad_value(struct parser *, const char *what, const char *expected);
/* Reports a keyword that was given before; the place of the first one. */
void
parser_twice(struct parser *, const struct token *, const struct place *first);
/* Reports the token as a thing that this version cannot do; returns -1. */
int parser_unsupported(struct parser *, const struct token *);

/* Finds the known word nearest to a wrong one; best stays NULL if none is. */
struct nearest {
	const char *word;
	const char *best;
	size_t distance;
};
void nearest_init(struct nearest *, const char *word);
void nearest_try(struct nearest *, const char *known);

/* conf_value.c */
/* A fixed word, as the "mask" of "mark mask". */
int parse_keyword(struct parser *, const char *word);
/* choice: the place of the word in words. */
int parse_choice(struct parser *, const char *const *words, size_t count,
    const char *expected, unsigned int *choice);
int parse_yes(struct parser *, int *yes); /* "yes" or "no" */
/* Expects a word; its text to buf of LEXER_WORD_BYTES + 1. */
int parse_word(struct parser *, const char *expected, char *buf);
int parse_number(struct parser *, const char *what, uint64_t min, uint64_t max,
    const char *expected, uint64_t *);
int parse_duration(struct parser *, const char *what, uint64_t min_ms,
    uint64_t max_ms, const char *expected, uint64_t *ms);
int parse_size(struct parser *, const char *what, uint64_t min,
    const char *expected, uint64_t *bytes);
int parse_path(struct parser *, const char *what, char *buf, size_t size);
/* Digits alone, no leading zero; -1 when it is none or more than max. */
int number_read(const char *text, uint64_t max, uint64_t *);

/*
 * One item or a list of them in braces.  item() stands on one and takes it;
 * -1 from it ends the statement.
 */
struct list {
	const char *expected;
	int (*item)(struct parser *, void *);
	void *arg;
	int may_be_empty;
	int any_word; /* words of statements are items too */
	int strings;  /* so are strings */
};
int parse_list(struct parser *, struct list *);

/* Room for one more item of size bytes; NULL: no memory, and reported. */
void *array_grow(struct parser *, void *items, size_t count, size_t size);

/* conf_address.c */
int parse_addresses(struct parser *, struct conf_addresses *);
int parse_prefixes(struct parser *, struct conf_table *);
/* "<name>" to name; -1 when it is none. */
int parse_table_name(struct parser *, char name[LIMIT_NAME_BYTES]);

/* conf_upstream.c */
int parse_upstream(struct parser *);
int parse_via(struct parser *, struct conf_via *);
/* What its names stand for. */
void resolve_vias(struct parser *);

/* conf_dns.c */
int parse_dns(struct parser *);
/* Kinds of dns statements that stand once. */
enum dns_option {
	OPTION_MODE,
	OPTION_VALIDATE,
	OPTION_REBIND_PROTECT,
	OPTION_REBIND_ALLOW,
	OPTION_TRUST_ANCHOR,
	OPTION_ROOT_HINTS,
	OPTION_TLS_AUTHORITIES,
	OPTION_SERVE_STALE,
	OPTION_RANDOM_CASE,
	OPTION_MAX_RATE,
	OPTION_CANARY,
	OPTION_DDR,
	OPTION_PRIVATE_RELAY,
	OPTION_ENCRYPTED,
	OPTION_LOG_REST,
	OPTION_LOG_BLOCKED,
	OPTION_COUNT
};
/* Remembers one, or reports that it was there before. */
void parse_dns_once(struct parser *, const struct token *word, enum dns_option);
/* Of a dns statement that may stand any number of times. */
void warn_dns_off(struct parser *, const struct place *);
/* What of it has no effect. */
void warn_dns(struct parser *);
/* A file in quotes: an absolute path or a name without a slash. */
int parse_file(struct parser *, const char *what, struct conf_file *);

/* conf_domains.c */
int parse_domains(struct parser *);
int parse_rule_domain(struct parser *, struct conf_list *);
/* "<name>", on which the parser stays; -1: reported. */
int parse_list_name(struct parser *, char name[LIMIT_NAME_BYTES]);
int parse_dns_block(struct parser *, struct conf_dns *);
/* What the names of lists stand for, and which ones nothing uses. */
void resolve_domains(struct parser *);
void warn_domains(struct parser *);

/* conf_dns_log.c */
int parse_dns_log(struct parser *, struct conf_dns *);

/* conf_owner.c */
int parse_user_ids(struct parser *, struct conf_ids *);
int parse_group_ids(struct parser *, struct conf_ids *);

/* conf_capture.c */
int parse_capture(struct parser *);

/* conf_rule.c */
/* The statement so far, on one line, without comments, for free(3). */
char *statement_text(struct parser *);
int parse_exclusion(struct parser *);
int parse_rule_block(struct parser *);
int parse_rule_pass(struct parser *);
int parse_rule_relay(struct parser *);

/* conf_limit.c */
int parse_max_flows(struct parser *, struct conf_rule *);
int parse_max_rate(struct parser *, struct conf_rule *);

/* conf_statement.c */
int statement_known(const struct token *);
void parse_statements(struct parser *);

/* conf_check.c: what only the whole text can tell */
void conf_check(struct parser *);

#endif
