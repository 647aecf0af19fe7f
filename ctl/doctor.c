/* SPDX-License-Identifier: ISC */
/*
 * tpxctl doctor: what on this host breaks a transparent proxy, and the cure.
 * Goes by the policy of the running tpxd, else by that of a file.
 */
#include "ctl/doctor.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/image.h"
#include "ctl/json.h"
#include "ctl/policy.h"
#include "ctl/status.h"
#include "ctl/table.h"
#include "policy/conf.h"
#include "policy/mark.h"

/* BROKEN: something of tpx does not work.  NOTE: it is as it should be. */
enum severity { BROKEN, WARNING, NOTE };

static const char *const severities[] = {
	[BROKEN] = "broken",
	[WARNING] = "warning",
	[NOTE] = "note",
};

static const struct check {
	const char *name;
	check_fn *look;
	enum severity severity;
	const char *cure;
} checks[] = {
	{ "user", check_user, BROKEN,
	    "make them: systemd-sysusers, or contrib/deps --user" },
	{ "nft-features", check_nft_features, BROKEN,
	    "a kernel with these modules" },
	{ "landlock", check_landlock, WARNING,
	    "a kernel with CONFIG_SECURITY_LANDLOCK, and landlock in lsm=; "
	    "without it tpx's processes rely on seccomp alone" },
	{ "ipv6", check_ipv6, BROKEN,
	    "sysctl -w net.ipv6.conf.lo.disable_ipv6=0; relays listen there" },
	{ "ipv6-captured", check_ipv6_captured, NOTE,
	    "only IPv4 of these interfaces is captured, and there is no IPv6" },
	{ "interfaces", check_interfaces, WARNING,
	    "captured as soon as they are there; or mend capture forwarded" },
	{ "src-valid-mark", check_src_valid_mark, BROKEN,
	    "sysctl -w net.ipv4.conf.INTERFACE.src_valid_mark=0, and all; "
	    "IPv4 of clients is dropped as martian" },
	{ "rp-filter", check_rp_filter, WARNING,
	    "sysctl -w net.ipv4.conf.INTERFACE.rp_filter=2, and all, if the "
	    "way back to clients may be another one; else it is fine" },
	{ "bridge-netfilter", check_bridge, WARNING,
	    "sysctl -w net.bridge.bridge-nf-call-iptables=0 and "
	    "-ip6tables; else rules see what is only bridged as well" },
	{ "forwarding", check_forwarding4, BROKEN,
	    "sysctl -w net.ipv4.ip_forward=1; only what is relayed arrives" },
	{ "forwarding-v6", check_forwarding6, BROKEN,
	    "sysctl -w net.ipv6.conf.all.forwarding=1; only what is relayed "
	    "arrives" },
	{ "ip-rules", check_rules, BROKEN,
	    "give them other marks, tables or priorities, or tpx another "
	    "mark mask" },
	{ "ip-routes", check_routes, BROKEN, "put them into another table" },
	{ "nft-marks", check_nft_marks, BROKEN,
	    "have them keep those bits, as `meta mark set meta mark & "
	    "0xf8ffffff | ...', or give tpx another mark mask" },
	{ "networkd", check_networkd, WARNING,
	    "ManageForeignRoutingPolicyRules=no in "
	    "/etc/systemd/networkd.conf.d/tpx.conf" },
	{ "conntrack-room", check_conntrack_room, WARNING,
	    "sysctl -w net.netfilter.nf_conntrack_max=N; new flows are "
	    "dropped when it is full" },
	{ "conntrack-accounts", check_conntrack_accounts, WARNING,
	    "sysctl -w net.netfilter.nf_conntrack_acct=1; rows of passed "
	    "flows have no bytes" },
	{ "descriptors", check_descriptors, WARNING,
	    "LimitNOFILE= of its unit, or ulimit -Hn; a flow takes two" },
	{ "local-ports", check_local_ports, WARNING,
	    "sysctl -w net.ipv4.ip_local_port_range='15000 60999'; relays "
	    "need a port for each flow to one server" },
	{ "log-directory", check_log_owner, BROKEN,
	    "install -d -o tpx -g tpx -m 750 DIRECTORY; tpx writes the log" },
	{ "log-space", check_log_space, WARNING,
	    "make room, or give log dir a max; flows without room have no "
	    "row" },
	{ "resolver", check_resolver, NOTE,
	    "they answer who asks this host itself; whom they ask is captured "
	    "with capture local" },
	{ "clock", check_clock, WARNING,
	    "run an NTP client; DNSSEC fails when the clock is wrong" },
	{ "syn-cookies", check_syn_cookies, WARNING,
	    "sysctl -w net.ipv4.tcp_syncookies=1; in a flood of SYNs nobody "
	    "else gets in" },
	{ "tcp-fastopen", check_fast_open, NOTE,
	    "sysctl -w net.ipv4.tcp_fastopen=1, unless a server of this host "
	    "needs it" },
	{ "mptcp", check_mptcp, NOTE,
	    "clients that speak MPTCP get plain TCP from relays" },
};

#define CHECKS (sizeof(checks) / sizeof(checks[0]))

static const char *
severity_word(const struct check *check, enum health health)
{
	return health == HEALTH_UNKNOWN ? "unknown"
					: severities[check->severity];
}

static void
print_json(struct json *json, const struct check *check, enum health health,
    const char *found)
{
	json_object(json, NULL);
	json_string(json, "check", check->name);
	json_string(json, "severity", severity_word(check, health));
	json_string(json, "found", found);
	json_string(
	    json, "cure", health == HEALTH_UNKNOWN ? NULL : check->cure);
	json_object_end(json);
}

static void
print_text(const struct check *check, enum health health, const char *found)
{
	(void)printf("%-8s %s: ", severity_word(check, health), check->name);
	(void)table_text(stdout, found);
	if (health != HEALTH_UNKNOWN)
		(void)printf("; cure: %s", check->cure);
	(void)putchar('\n');
}

/* How many are broken. */
static unsigned int
examine(const struct ctl *ctl, const struct patient *patient)
{
	unsigned int broken = 0, shown = 0;
	enum health health;
	struct text found;
	struct json json;
	size_t i;

	json_begin(&json, stdout);
	if (ctl->json)
		json_array(&json, NULL);
	for (i = 0; i < CHECKS; i++) {
		memset(&found, 0, sizeof(found));
		health = checks[i].look(patient, &found);
		if (health != HEALTH_FINE && ctl->json)
			print_json(&json, &checks[i], health,
			    found.bytes != NULL ? found.bytes : "");
		else if (health != HEALTH_FINE)
			print_text(&checks[i], health,
			    found.bytes != NULL ? found.bytes : "");
		broken += health == HEALTH_ILL && checks[i].severity == BROKEN;
		shown += health != HEALTH_FINE;
		text_free(&found);
	}
	if (ctl->json) {
		json_array_end(&json);
		(void)putchar('\n');
	} else if (shown == 0) {
		(void)printf("nothing found by %zu checks\n", CHECKS);
	}
	return broken;
}

static int
examine_policy(
    const struct ctl *ctl, struct patient *patient, const struct image *image)
{
	patient->image = image;
	patient->mark_mask = image != NULL ? image_settings(image)->mark_mask
					   : MARK_MASK_DEFAULT;
	return examine(ctl, patient) > 0 ? CTL_FAILED : CTL_GOOD;
}

static uint32_t
relay_pid(const struct status *status)
{
	size_t i;

	for (i = 0; i < status->nprocesses; i++)
		if (strcmp(status->processes[i].name, "relay") == 0)
			return status->processes[i].pid;
	return 0;
}

static int
examine_running(const struct ctl *ctl)
{
	static struct status status;
	struct patient patient = { .is_running = 1 };
	struct image_answer answer;
	int result = image_ask(ctl, &answer);

	if (result == CTL_GOOD)
		result = status_ask(ctl, &status);
	patient.pid = relay_pid(&status);
	if (result == CTL_GOOD)
		result = examine_policy(ctl, &patient, answer.policy.image);
	mapping_free(&answer.policy);
	lists_unmap(&answer.domains);
	return result;
}

static int
examine_file(const struct ctl *ctl, const char *path)
{
	struct patient patient = { 0 };
	struct policy_bytes bytes;
	int result = policy_read_whole(path, &bytes);

	if (result == CTL_GOOD)
		result = examine_policy(ctl, &patient, bytes.image);
	policy_free(&bytes);
	return result;
}

int
doctor_run(const struct ctl *ctl, int argc, char *argv[])
{
	struct patient patient = { 0 };
	const char *path = NULL;
	int c;

	while ((c = getopt(argc, argv, "f:")) != -1) {
		if (c != 'f')
			return CTL_USAGE;
		path = optarg;
	}
	if (optind != argc)
		return CTL_USAGE;
	if (path == NULL && client_is_running(ctl) == 1)
		return examine_running(ctl);
	if (path == NULL && access(CONF_FILE, F_OK) == 0)
		path = CONF_FILE;
	return path != NULL ? examine_file(ctl, path)
			    : examine_policy(ctl, &patient, NULL);
}
