/* SPDX-License-Identifier: ISC */
/*
 * tpxctl flows: its options and its lines; rows come from live.c, or from the
 * log, where they are found by the time they ended, which is the order they are
 * written in.
 */
#include "ctl/flows.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <getopt.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "ctl/logged.h"
#include "ctl/table.h"
#include "ctl/when.h"
#include "policy/name.h"

#define ADDRESS_WIDTH (-28)
#define LATE_US 30000000

static const struct table_column columns[] = {
	{ "START", -24 },
	{ "ACTION", -6 },
	{ "PROTO", -5 },
	{ "CLIENT", ADDRESS_WIDTH },
	{ "SERVER", ADDRESS_WIDTH },
	{ "UP", 6 },
	{ "DOWN", 6 },
	{ "TIME", 8 },
	{ "CLOSE", -11 },
	{ "RULE", 0 },
	{ NULL, 0 },
};

void
flows_head(FILE *out)
{
	table_head(out, columns);
}

/* IPv6 addresses need brackets before a port (RFC 3986, 3.2.2). */
static void
endpoint(char *buf, size_t size, const char *host, uint16_t port)
{
	const char *shown = host == NULL ? "?" : host;

	if (strchr(shown, ':') != NULL)
		(void)snprintf(buf, size, "[%s]:%u", shown, port);
	else
		(void)snprintf(buf, size, "%s:%u", shown, port);
}

void
flows_line_print(FILE *out, const struct flows_line *line)
{
	char client[80], server[300];
	char up[16], down[16], time[WHEN_BYTES];
	const char *const cells[] = { line->start, line->action, line->proto,
		client, server, table_bytes(line->up_bytes, up),
		table_bytes(line->down_bytes, down),
		when_format_duration((int64_t)(line->duration_ms * 1000), time),
		line->close, line->rule };

	endpoint(client, sizeof(client), line->src, line->sport);
	endpoint(server, sizeof(server), line->host, line->dport);
	table_row(out, columns, cells);
}

#define MATCHES                                          \
	" f.end_us >= ?1 AND (?2 IS NULL OR v.src = ?2)" \
	" AND (?3 IS NULL OR v.action = ?3)"             \
	" AND (?4 IS NULL OR v.dst = ?4 OR v.host GLOB ?4)"

static const char newest[] =
    "SELECT v.* FROM (SELECT f.id AS id, f.end_us AS end_us"
    " FROM flow f JOIN flows v ON v.id = f.id WHERE" MATCHES
    " ORDER BY f.end_us DESC, f.id DESC LIMIT ?5) n"
    " JOIN flows v ON v.id = n.id ORDER BY n.end_us, n.id";
static const char fresh[] =
    "SELECT v.* FROM flow f JOIN flows v ON v.id = f.id WHERE" MATCHES
    " AND f.id NOT IN (SELECT id FROM temp.shown)"
    " ORDER BY f.end_us, f.id LIMIT ?5";
static const char mark[] =
    "INSERT OR IGNORE INTO temp.shown SELECT id, end_us FROM flow"
    " WHERE end_us >= ?1";

static void
text_row(sqlite3_stmt *row)
{
	struct flows_line line = { .start = logged_text(row, "start"),
		.action = logged_text(row, "action"),
		.proto = logged_text(row, "proto"),
		.src = logged_text(row, "src"),
		.sport = (uint16_t)logged_number(row, "sport"),
		.host = logged_text(row, "host"),
		.dport = (uint16_t)logged_number(row, "dport"),
		.up_bytes = (uint64_t)logged_number(row, "up_bytes"),
		.down_bytes = (uint64_t)logged_number(row, "down_bytes"),
		.duration_ms = logged_number(row, "duration_ms"),
		.close = logged_text(row, "close"),
		.rule = logged_text(row, "rule") };

	if (line.host == NULL)
		line.host = logged_text(row, "dst");
	flows_line_print(stdout, &line);
}

static const struct logged logged = {
	.newest = newest,
	.fresh = fresh,
	.mark = mark,
	.late_us = LATE_US,
	.head = flows_head,
	.row = text_row,
};

static int
is_action(const char *word)
{
	unsigned int i;

	for (i = 0; i < FLOW_ACTION_COUNT; i++)
		if (strcmp(flow_action_word(i), word) == 0)
			return 1;
	return 0;
}

/* Addresses are compared as text, so theirs has to be the log's form. */
static const char *
address_canonical(char *text)
{
	static char buf[2][INET6_ADDRSTRLEN];
	static unsigned int next;
	char *out = buf[next++ % 2];
	unsigned char bytes[16];

	if (inet_pton(AF_INET6, text, bytes) == 1)
		return inet_ntop(AF_INET6, bytes, out, INET6_ADDRSTRLEN);
	if (inet_pton(AF_INET, text, bytes) == 1)
		return inet_ntop(AF_INET, bytes, out, INET6_ADDRSTRLEN);
	return NULL;
}

static int
set_client(struct flows_filter *filter, char *text)
{
	filter->client = address_canonical(text);
	return filter->client == NULL ? -1 : 0;
}

/* The name as the log has it, so that as a pattern only "*." means more. */
static const char *
host_canonical(const char *text)
{
	static char buf[sizeof("*.") + FLOW_HOST_BYTES];
	const char *name = buf;
	size_t i;

	if (strlen(text) >= sizeof(buf))
		return NULL;
	for (i = 0; i <= strlen(text); i++)
		buf[i] = (char)tolower((unsigned char)text[i]);
	if (strncmp(name, "*.", 2) == 0)
		name += 2;
	return name_is_host(name, FLOW_HOST_BYTES) ? buf : NULL;
}

static int
set_host(struct flows_filter *filter, char *text)
{
	filter->host = address_canonical(text);
	if (filter->host == NULL)
		filter->host = host_canonical(text);
	return filter->host == NULL ? -1 : 0;
}

static int
set_action(struct flows_filter *filter, char *text)
{
	filter->action = text;
	return is_action(text) ? 0 : -1;
}

static int
set_since(struct flows_filter *filter, char *text)
{
	int64_t age_us;

	if (when_parse_duration(text, &age_us) == -1)
		return -1;
	filter->since_us = clock_real_us() - age_us;
	return 0;
}

static int
set_most(struct flows_filter *filter, char *text)
{
	char *end;

	filter->most = strtoll(text, &end, 10);
	return *text != '\0' && *end == '\0' && filter->most > 0 ? 0 : -1;
}

static int
set_db(struct flows_filter *filter, char *text)
{
	filter->db = text;
	return 0;
}

static const struct setter {
	int letter;
	int (*set)(struct flows_filter *, char *text);
	const char *option;
	const char *expected;
} setters[] = {
	{ 'c', set_client, "--client", "an address" },
	{ 'h', set_host, "--host", "a name, *.NAME or an address" },
	{ 'a', set_action, "--action", "relay, pass or block" },
	{ 's', set_since, "--since", "a time, as 90s, 10m, 1h or 7d" },
	{ 'n', set_most, "-n", "a number of rows" },
	{ 'd', set_db, "--db", "a file" },
};

/* getopt(3) has said what is wrong with an option that is none. */
static int
option_set(struct flows_filter *filter, int letter)
{
	const struct setter *setter;
	size_t i;

	for (i = 0; i < sizeof(setters) / sizeof(setters[0]); i++) {
		setter = &setters[i];
		if (setter->letter != letter)
			continue;
		if (setter->set(filter, optarg) == 0)
			return 0;
		log_warnx("bad %s '%s'; expected %s", setter->option, optarg,
		    setter->expected);
	}
	return -1;
}

int
flows_options(int argc, char *argv[], struct flows_filter *filter)
{
	const struct option options[] = {
		{ "live", no_argument, &filter->live, 1 },
		{ "follow", no_argument, &filter->follow, 1 },
		{ "since", required_argument, NULL, 's' },
		{ "client", required_argument, NULL, 'c' },
		{ "action", required_argument, NULL, 'a' },
		{ "host", required_argument, NULL, 'h' },
		{ "db", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	memset(filter, 0, sizeof(*filter));
	while ((c = getopt_long(argc, argv, "n:", options, NULL)) != -1)
		if (c != 0 && option_set(filter, c) == -1)
			return -1;
	/* Whoever asks for a time wants all of it. */
	if (filter->most == 0)
		filter->most = filter->since_us != 0 || filter->live
				   ? INT64_MAX
				   : FLOWS_SHOWN;
	if (filter->live && (filter->follow || filter->since_us != 0)) {
		log_warnx("--live goes with neither --follow nor --since");
		return -1;
	}
	return optind == argc ? 0 : -1;
}

int
flows_run(const struct ctl *ctl, int argc, char *argv[])
{
	struct flows_filter filter;

	if (flows_options(argc, argv, &filter) == -1)
		return CTL_USAGE;
	return filter.live ? flows_live(ctl, &filter)
			   : logged_print(ctl, &filter, &logged);
}
