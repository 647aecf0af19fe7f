/* SPDX-License-Identifier: ISC */
/*
 * tpxctl dns: questions of DNS from the log.  A row's id is its time, by which
 * it is found.
 */
#include <stdio.h>

#include "ctl/logged.h"
#include "ctl/table.h"
#include "ctl/when.h"

/* Longer than the flow log is away when it is started again. */
#define LATE_US 10000000

static const struct table_column columns[] = {
	{ "TIME", -24 },
	{ "ACTION", -6 },
	{ "CLIENT", -15 },
	{ "TYPE", -5 },
	{ "NAME", -28 },
	{ "RCODE", -8 },
	{ "SOURCE", -8 },
	{ "DNSSEC", -8 },
	{ "TOOK", 8 },
	{ "ANSWERS", -20 },
	{ "RULE", 0 },
	{ NULL, 0 },
};

#define MATCHES                                     \
	" id >= ?1 AND (?2 IS NULL OR client = ?2)" \
	" AND (?3 IS NULL OR action = ?3)"          \
	" AND (?4 IS NULL OR server = ?4 OR qname GLOB ?4)"

static const char newest[] = "SELECT * FROM (SELECT * FROM dns WHERE" MATCHES
			     " ORDER BY id DESC LIMIT ?5) ORDER BY id";
static const char fresh[] =
    "SELECT * FROM dns WHERE" MATCHES
    " AND id NOT IN (SELECT id FROM temp.shown) ORDER BY id LIMIT ?5";
static const char mark[] =
    "INSERT OR IGNORE INTO temp.shown SELECT id, id FROM query WHERE id >= ?1";

static void
head(FILE *out)
{
	table_head(out, columns);
}

static void
text_row(struct sqlite3_stmt *row)
{
	char took[WHEN_BYTES];
	const char *const cells[] = { logged_text(row, "time"),
		logged_text(row, "action"), logged_text(row, "client"),
		logged_text(row, "qtype"), logged_text(row, "qname"),
		logged_text(row, "rcode"), logged_text(row, "source"),
		logged_text(row, "dnssec"),
		when_format_duration(
		    (int64_t)logged_number(row, "latency_us"), took),
		logged_text(row, "answers"), logged_text(row, "rule") };

	table_row(stdout, columns, cells);
}

static const struct logged logged = {
	.newest = newest,
	.fresh = fresh,
	.mark = mark,
	.late_us = LATE_US,
	.head = head,
	.row = text_row,
};

int
dns_run(const struct ctl *ctl, int argc, char *argv[])
{
	struct flows_filter filter;

	if (flows_options(argc, argv, &filter) == -1 || filter.live)
		return CTL_USAGE;
	return logged_print(ctl, &filter, &logged);
}
