/* SPDX-License-Identifier: ISC */
/*
 * tpxctl metrics: what tpxd says about itself, for Prometheus.  Counters begin
 * anew with tpxd; whoever reads them knows that (rate() does).
 */
#include "ctl/metrics.h"

#include <stddef.h>
#include <string.h>

#include "common/array.h"
#include "ctl/ctl.h"
#include "ctl/metrics_format.h"
#include "ctl/status.h"
#include "ipc/msg.h"

#define US_PER_MS 1000U
#define BYTES_PER_KIB 1024U

/* A number of the status that has no labels. */
struct plain {
	const char *name;
	const char *type;
	const char *help;
	size_t offset; /* of a uint64_t in struct status */
};

#define MAIN(field) \
	offsetof(struct status, main) + offsetof(struct msg_ctl_status, field)
#define DNS(field) \
	offsetof(struct status, dns) + offsetof(struct msg_dns_stats, field)

static const struct plain flows[] = {
	{ "tpx_flows_open", "gauge", "Flows that relays have open.",
	    MAIN(open) },
	{ "tpx_flows_accepted_total", "counter",
	    "Flows that relays have accepted.", MAIN(accepted) },
};

static const struct plain rest[] = {
	{ "tpx_log_rows", "gauge", "Flows in the log.", MAIN(log_rows) },
	{ "tpx_log_queued_rows", "gauge",
	    "Flows that wait to be written to the log.", MAIN(log_queued) },
	{ "tpx_log_size_bytes", "gauge",
	    "Size of the log with its write-ahead log.", MAIN(log_bytes) },
	{ "tpx_dns_queries_total", "counter", "Questions that came.",
	    DNS(queries) },
	{ "tpx_dns_cache_hits_total", "counter",
	    "Questions that the cache answered.", DNS(cache_hits) },
	{ "tpx_dns_blocked_total", "counter",
	    "Questions that the policy answered.", DNS(blocked) },
	{ "tpx_dns_servfail_total", "counter",
	    "Questions that were answered with SERVFAIL.", DNS(servfail) },
	{ "tpx_dns_limited_total", "counter",
	    "Questions beyond a client's rate, refused or dropped.",
	    DNS(limited) },
	{ "tpx_dns_repeated_total", "counter",
	    "Questions that came again while their answer was awaited.",
	    DNS(repeated) },
	{ "tpx_dns_unlogged_total", "counter",
	    "Answers that have no row because the configuration says so.",
	    DNS(unlogged) },
	{ "tpx_dns_names_total", "counter",
	    "Addresses that the kernel passes by rules with 'by dns'.",
	    DNS(names) },
	{ "tpx_dns_names_refused_total", "counter",
	    "Addresses that it was asked to pass, and does not.",
	    DNS(names_refused) },
	{ "tpx_dns_names_late_total", "counter",
	    "Answers that left before the kernel knew of them.",
	    DNS(names_late) },
};

static void
put_plain(struct metrics *metrics, const struct status *status,
    const struct plain *plain, size_t count)
{
	const char *bytes = (const char *)status;
	uint64_t value;
	size_t i;

	for (i = 0; i < count; i++) {
		memcpy(&value, bytes + plain[i].offset, sizeof(value));
		metrics_family(
		    metrics, plain[i].name, plain[i].type, plain[i].help);
		metrics_uint(metrics, "", NULL, value);
	}
}

static void
put_state(struct metrics *metrics, const struct msg_ctl_status *main)
{
	unsigned int state;

	metrics_family(metrics, "tpx_state", "gauge",
	    "1 for the state that tpxd is in, 0 for the others.");
	for (state = 0; state < IPC_STATE_COUNT; state++) {
		const struct metrics_label labels[] = {
			{ "state", ipc_state_word(state) },
			{ NULL, NULL },
		};

		metrics_uint(metrics, "", labels, state == main->state);
	}
}

static void
put_main(struct metrics *metrics, const struct status *status)
{
	const struct msg_ctl_status *main = &status->main;
	const struct metrics_label labels[] = {
		{ "version", main->version },
		{ "on_failure", main->fail_open ? "open" : "closed" },
		{ "config", main->config_path },
		{ "log", main->log_path },
		{ NULL, NULL },
	};

	metrics_family(metrics, "tpx_info", "gauge",
	    "Always 1; what tpxd is and reads is in the labels.");
	metrics_uint(metrics, "", labels, 1);
	put_state(metrics, main);
	metrics_family(metrics, "tpx_lease_seconds", "gauge",
	    "How long capture outlives the last proof of work.");
	metrics_seconds(
	    metrics, "", NULL, (uint64_t)main->lease_ms * US_PER_MS);
	metrics_family(metrics, "tpx_uptime_seconds", "gauge",
	    "Time since tpxd was started.");
	metrics_seconds(metrics, "", NULL, (uint64_t)main->uptime_us);
	metrics_family(metrics, "tpx_config_generation", "gauge",
	    "Number of the configuration in force; a new one is greater.");
	metrics_uint(metrics, "", NULL, main->generation);
	metrics_family(metrics, "tpx_config_loaded_timestamp_seconds", "gauge",
	    "When the configuration in force was loaded.");
	metrics_seconds(metrics, "", NULL, (uint64_t)main->loaded_at_us);
	metrics_family(metrics, "tpx_alarms", "gauge",
	    "Alarms that tpxctl status shows at present.");
	metrics_uint(metrics, "", NULL, status->nalarms);
}

static void
put_decided(struct metrics *metrics, const struct msg_ctl_status *main)
{
	const uint64_t values[FLOW_ACTION_COUNT] = {
		[FLOW_ACTION_RELAY] = main->relayed,
		[FLOW_ACTION_PASS] = main->passed,
		[FLOW_ACTION_BLOCK] = main->blocked,
	};
	unsigned int action;

	metrics_family(metrics, "tpx_flows_total", "counter",
	    "Flows by what was done with them.");
	for (action = 0; action < FLOW_ACTION_COUNT; action++) {
		const struct metrics_label labels[] = {
			{ "action", flow_action_word(action) },
			{ NULL, NULL },
		};

		metrics_uint(metrics, "", labels, values[action]);
	}
	metrics_family(metrics, "tpx_flows_unlogged_total", "counter",
	    "Flows that have no row because their rule says so.");
	metrics_uint(metrics, "", NULL, main->unlogged);
	metrics_family(metrics, "tpx_flows_refused_total", "counter",
	    "Connections and datagrams that relays did not take.");
	metrics_uint(metrics, "", NULL, main->refused);
	metrics_family(metrics, "tpx_flows_long_hello_total", "counter",
	    "TLS ClientHellos that were too long to be read.");
	metrics_uint(metrics, "", NULL, main->long_hello);
}

static void
put_drops(struct metrics *metrics, const struct msg_log_stats *log)
{
	unsigned int loss;

	metrics_family(metrics, "tpx_drops_total", "counter",
	    "Flows, questions and events that have no row of the log.");
	for (loss = 0; loss < LOSS_COUNT; loss++) {
		const struct metrics_label labels[] = {
			{ "source", flow_loss_source(loss) },
			{ "kind", flow_loss_kind(loss) },
			{ NULL, NULL },
		};

		metrics_uint(metrics, "", labels, log->lost[loss]);
	}
}

typedef void process_fn(struct metrics *, const struct metrics_label *,
    const struct msg_ctl_process *);

static void
process_up(struct metrics *metrics, const struct metrics_label *labels,
    const struct msg_ctl_process *process)
{
	metrics_uint(
	    metrics, "", labels, strcmp(process->state, "running") == 0);
}

static void
process_restarts(struct metrics *metrics, const struct metrics_label *labels,
    const struct msg_ctl_process *process)
{
	metrics_uint(metrics, "", labels, process->restarts);
}

static void
process_heartbeat(struct metrics *metrics, const struct metrics_label *labels,
    const struct msg_ctl_process *process)
{
	if (process->heartbeat_age_ms >= 0)
		metrics_seconds(metrics, "", labels,
		    (uint64_t)process->heartbeat_age_ms * US_PER_MS);
}

static void
process_memory(struct metrics *metrics, const struct metrics_label *labels,
    const struct msg_ctl_process *process)
{
	metrics_uint(metrics, "", labels, process->rss_kib * BYTES_PER_KIB);
}

static void
process_cpu(struct metrics *metrics, const struct metrics_label *labels,
    const struct msg_ctl_process *process)
{
	metrics_seconds(metrics, "", labels, process->cpu_ms * US_PER_MS);
}

static const struct {
	const char *name;
	const char *type;
	const char *help;
	process_fn *put;
} of_processes[] = {
	{ "tpx_process_up", "gauge", "1 while the process runs.", process_up },
	{ "tpx_process_restarts_total", "counter",
	    "How often the process was started again.", process_restarts },
	{ "tpx_process_heartbeat_age_seconds", "gauge",
	    "Time since the process has proven work.", process_heartbeat },
	{ "tpx_process_resident_memory_bytes", "gauge",
	    "Memory of the process that is resident.", process_memory },
	{ "tpx_process_cpu_seconds_total", "counter",
	    "User and system time of the process that runs now.", process_cpu },
};

static void
put_processes(struct metrics *metrics, const struct status *status)
{
	char index[16];
	size_t i, n;

	for (i = 0; i < COUNT(of_processes); i++) {
		metrics_family(metrics, of_processes[i].name,
		    of_processes[i].type, of_processes[i].help);
		for (n = 0; n < status->nprocesses; n++) {
			const struct metrics_label labels[] = {
				{ "process", status->processes[n].name },
				{ "index", index },
				{ NULL, NULL },
			};

			(void)snprintf(index, sizeof(index), "%u",
			    status->processes[n].index);
			of_processes[i].put(
			    metrics, labels, &status->processes[n]);
		}
	}
}

/* What is in a bucket of a histogram is in every larger one as well. */
static void
put_latency(struct metrics *metrics, const char *source,
    const struct dns_latency *latency)
{
	char bound[METRICS_NUMBER_BYTES];
	const struct metrics_label one[] = {
		{ "source", source },
		{ NULL, NULL },
	};
	uint64_t count = 0;
	unsigned int i;

	for (i = 0; i < DNS_LATENCY_BUCKETS; i++) {
		const struct metrics_label labels[] = {
			{ "source", source },
			{ "le", i == DNS_LATENCY_MORE
				    ? "+Inf"
				    : metrics_seconds_text(
					  dns_latency_bound_us(i), bound) },
			{ NULL, NULL },
		};

		count += latency->bucket[i];
		metrics_uint(metrics, "_bucket", labels, count);
	}
	metrics_seconds(metrics, "_sum", one, latency->sum_us);
	metrics_uint(metrics, "_count", one, count);
}

static void
put_latencies(struct metrics *metrics, const struct msg_dns_stats *dns)
{
	unsigned int source;
	const char *word;

	metrics_family(metrics, "tpx_dns_latency_seconds", "histogram",
	    "Time until a question was answered, by where the answer was.");
	for (source = 0; source < DNS_SOURCE_COUNT; source++) {
		word = dns_source_word(source);
		put_latency(metrics, word != NULL ? word : "none",
		    &dns->latency[source]);
	}
}

void
metrics_print(const struct status *status, FILE *out, int is_json)
{
	struct metrics metrics;

	metrics_begin(&metrics, out, is_json);
	put_main(&metrics, status);
	put_processes(&metrics, status);
	put_plain(&metrics, status, flows, COUNT(flows));
	put_decided(&metrics, &status->main);
	put_drops(&metrics, &status->log);
	put_plain(&metrics, status, rest, COUNT(rest));
	put_latencies(&metrics, &status->dns);
	metrics_end(&metrics);
}

int
metrics_run(const struct ctl *ctl, int argc, char *argv[])
{
	static struct status status;
	int result;

	(void)argv;
	if (argc != 1)
		return CTL_USAGE;
	result = status_ask(ctl, &status);
	if (result == CTL_GOOD)
		metrics_print(&status, stdout, ctl->json);
	return result;
}
