/* SPDX-License-Identifier: ISC */
/* tpxctl status */
#include "ctl/status.h"

#include <inttypes.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/table.h"
#include "ctl/when.h"
#include "ipc/msg.h"

#define ALARMS_SHOWN 4
#define GROUPS_SHOWN 8

static const char *
on_failure_word(const struct status *status)
{
	return status->main.fail_open ? "open" : "closed";
}

static void
json_processes(struct json *json, const struct status *status)
{
	const struct msg_ctl_process *process;
	size_t i;

	json_array(json, "processes");
	for (i = 0; i < status->nprocesses; i++) {
		process = &status->processes[i];
		json_object(json, NULL);
		json_string(json, "name", process->name);
		json_uint(json, "index", process->index);
		json_uint(json, "pid", process->pid);
		json_string(json, "state", process->state);
		json_uint(json, "restarts", process->restarts);
		if (process->heartbeat_age_ms < 0)
			json_null(json, "heartbeat_age_ms");
		else
			json_int(json, "heartbeat_age_ms",
			    process->heartbeat_age_ms);
		json_uint(json, "rss_kib", process->rss_kib);
		json_real(json, "cpu_s", (double)process->cpu_ms / 1000);
		json_object_end(json);
	}
	json_array_end(json);
}

static void
json_config(struct json *json, const struct msg_ctl_status *main)
{
	char when[WHEN_BYTES];

	json_object(json, "config");
	json_string(json, "path", main->config_path);
	json_uint(json, "generation", main->generation);
	json_string(json, "loaded_at", when_format(main->loaded_at_us, when));
	json_object_end(json);
}

static void
json_flows(struct json *json, const struct msg_ctl_status *main)
{
	json_object(json, "flows");
	json_uint(json, "open", main->open);
	json_uint(json, "accepted", main->accepted);
	json_uint(json, "relayed", main->relayed);
	json_uint(json, "passed", main->passed);
	json_uint(json, "blocked", main->blocked);
	json_uint(json, "unlogged", main->unlogged);
	json_uint(json, "refused", main->refused);
	json_uint(json, "long_hello", main->long_hello);
	json_object_end(json);
}

static void
json_dns(struct json *json, const struct msg_ctl_status *main)
{
	json_object(json, "dns");
	json_uint(json, "queries", main->dns_queries);
	json_uint(json, "cache_hits", main->dns_cache_hits);
	json_uint(json, "blocked", main->dns_blocked);
	json_uint(json, "servfail", main->dns_servfail);
	json_uint(json, "limited", main->dns_limited);
	json_uint(json, "repeated", main->dns_repeated);
	json_uint(json, "unlogged", main->dns_unlogged);
	json_object_end(json);
}

static void
json_log(struct json *json, const struct msg_ctl_status *main)
{
	json_object(json, "log");
	json_uint(json, "rows", main->log_rows);
	json_uint(json, "dropped", main->log_dropped);
	json_uint(json, "queued", main->log_queued);
	json_uint(json, "bytes", main->log_bytes);
	json_string(json, "path", main->log_path);
	json_object_end(json);
}

void
status_print_json(const struct status *status, FILE *out)
{
	const struct msg_ctl_status *main = &status->main;
	struct json json;
	size_t i;

	json_begin(&json, out);
	json_object(&json, NULL);
	json_string(&json, "version", main->version);
	json_string(&json, "state", ipc_state_word(main->state));
	json_string(&json, "on_failure", on_failure_word(status));
	json_uint(&json, "lease_ms", main->lease_ms);
	json_real(&json, "uptime_s", (double)main->uptime_us / 1000000);
	json_config(&json, main);
	json_processes(&json, status);
	json_flows(&json, main);
	json_dns(&json, main);
	json_log(&json, main);
	json_array(&json, "alarms");
	for (i = 0; i < status->nalarms; i++)
		json_string(&json, NULL, status->alarms[i].text);
	json_array_end(&json);
	json_object_end(&json);
	(void)putc('\n', out);
}

/* All processes of one name are one line. */
struct group {
	const struct msg_ctl_process *first;
	const char *state; /* of one that is not running, if there is one */
	unsigned int count;
	uint64_t restarts;
	int64_t heartbeat_ms; /* the oldest; -1: none */
	uint64_t rss_kib;
	uint64_t cpu_ms;
};

static void
group_add(struct group *group, const struct msg_ctl_process *process)
{
	if (group->count++ == 0) {
		group->first = process;
		group->heartbeat_ms = -1;
		group->state = process->state;
	}
	if (strcmp(process->state, "running") != 0)
		group->state = process->state;
	if (process->heartbeat_age_ms > group->heartbeat_ms)
		group->heartbeat_ms = process->heartbeat_age_ms;
	group->restarts += process->restarts;
	group->rss_kib += process->rss_kib;
	group->cpu_ms += process->cpu_ms;
}

static size_t
groups_make(const struct status *status, struct group groups[GROUPS_SHOWN])
{
	size_t count = 0;
	size_t i, at;

	memset(groups, 0, GROUPS_SHOWN * sizeof(groups[0]));
	for (i = 0; i < status->nprocesses; i++) {
		for (at = 0; at < count; at++)
			if (strcmp(groups[at].first->name,
				status->processes[i].name) == 0)
				break;
		if (at == GROUPS_SHOWN)
			continue;
		if (at == count)
			count++;
		group_add(&groups[at], &status->processes[i]);
	}
	return count;
}

static void
text_group(const struct group *group, FILE *out)
{
	char bytes[16];

	(void)fputs("  ", out);
	(void)fprintf(out, "%*s", 11 - table_text(out, group->first->name), "");
	(void)fprintf(out, "%ux ", group->count);
	(void)table_text(out, group->state);
	(void)fprintf(out, ", %" PRIu64 " restarts, ", group->restarts);
	if (group->heartbeat_ms >= 0)
		(void)fprintf(
		    out, "heartbeat %" PRId64 " ms ago, ", group->heartbeat_ms);
	(void)fprintf(out, "%s, cpu %.1f s\n",
	    table_bytes((unsigned long long)group->rss_kib * 1024, bytes),
	    (double)group->cpu_ms / 1000);
}

static void
text_alarms(const struct status *status, FILE *out)
{
	size_t i;

	if (status->nalarms == 0)
		(void)fputs("alarms      none\n", out);
	for (i = 0; i < status->nalarms && i < ALARMS_SHOWN; i++) {
		(void)fputs(i == 0 ? "alarms      " : "            ", out);
		(void)table_text(out, status->alarms[i].text);
		(void)putc('\n', out);
	}
	if (status->nalarms > ALARMS_SHOWN)
		(void)fprintf(out, "            and %zu more\n",
		    status->nalarms - ALARMS_SHOWN);
}

static void
text_main(const struct status *status, FILE *out)
{
	const struct msg_ctl_status *main = &status->main;
	char when[WHEN_BYTES], bytes[16];

	(void)fprintf(out, "state       %s (on failure %s, lease %g s)\n",
	    ipc_state_word(main->state), on_failure_word(status),
	    main->lease_ms / 1000.0);
	(void)fputs("version     ", out);
	(void)table_text(out, main->version);
	(void)fprintf(
	    out, ", up %s\n", when_format_duration(main->uptime_us, when));
	(void)fputs("config      ", out);
	(void)table_text(out, main->config_path);
	(void)fprintf(out, ", generation %" PRIu32 ", loaded %s\n",
	    main->generation, when_format(main->loaded_at_us, when));
	(void)fprintf(out,
	    "flows       %" PRIu64 " open, %" PRIu64 " accepted, %" PRIu64
	    " relayed, %" PRIu64 " passed, %" PRIu64 " blocked, %" PRIu64
	    " refused, %" PRIu64 " unlogged, %" PRIu64 " with a long hello\n",
	    main->open, main->accepted, main->relayed, main->passed,
	    main->blocked, main->refused, main->unlogged, main->long_hello);
	(void)fprintf(out,
	    "dns         %" PRIu64 " queries, %" PRIu64 " from the cache, "
	    "%" PRIu64 " blocked, %" PRIu64 " failed, %" PRIu64 " limited, "
	    "%" PRIu64 " not logged\n",
	    main->dns_queries, main->dns_cache_hits, main->dns_blocked,
	    main->dns_servfail, main->dns_limited, main->dns_unlogged);
	(void)fprintf(out,
	    "log         %" PRIu64 " rows, %" PRIu64 " dropped, %" PRIu64
	    " queued, %s, ",
	    main->log_rows, main->log_dropped, main->log_queued,
	    table_bytes(main->log_bytes, bytes));
	(void)table_text(out, main->log_path);
	(void)putc('\n', out);
}

void
status_print_text(const struct status *status, FILE *out)
{
	struct group groups[GROUPS_SHOWN];
	size_t count = groups_make(status, groups);
	size_t i;

	text_main(status, out);
	(void)fputs("processes\n", out);
	for (i = 0; i < count; i++)
		text_group(&groups[i], out);
	text_alarms(status, out);
}

static int
on_message(void *ctx, const struct client_message *message)
{
	struct status *status = ctx;

	if (message->type == MSG_CTL_STATUS)
		memcpy(&status->main, message->body, sizeof(status->main));
	if (message->type == MSG_CTL_DNS)
		memcpy(&status->dns, message->body, message->len);
	if (message->type == MSG_CTL_LOG)
		memcpy(&status->log, message->body, message->len);
	if (message->type == MSG_CTL_PROCESS &&
	    status->nprocesses < STATUS_PROCESSES)
		memcpy(&status->processes[status->nprocesses++], message->body,
		    sizeof(status->processes[0]));
	if (message->type == MSG_CTL_ALARM && status->nalarms < STATUS_ALARMS)
		memcpy(&status->alarms[status->nalarms++], message->body,
		    sizeof(status->alarms[0]));
	return 0;
}

int
status_ask(const struct ctl *ctl, struct status *status)
{
	memset(status, 0, sizeof(*status));
	return client_ask(ctl, IPC_CTL_COMMAND_STATUS, on_message, status);
}

int
status_run(const struct ctl *ctl, int argc, char *argv[])
{
	static struct status status;
	int result;

	(void)argv;
	if (argc != 1)
		return CTL_USAGE;
	result = status_ask(ctl, &status);
	if (result != CTL_GOOD)
		return result;
	if (ctl->json)
		status_print_json(&status, stdout);
	else
		status_print_text(&status, stdout);
	return CTL_GOOD;
}
