/* SPDX-License-Identifier: ISC */
/* Settings of the network namespace that it runs in. */
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

#include "ctl/doctor.h"

#define PORTS_FEW 10000
#define FAST_OPEN_EVERYWHERE 0x400 /* tcp_fastopen, see tcp(7) */
#define FULL_PERCENT 80

/* 0 and the numbers of a setting, or -1 when there is none. */
static int
numbers_read(const char *name, long *first, long *second)
{
	char path[160];
	FILE *file;
	int got;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	if ((file = fopen(path, "re")) == NULL)
		return -1;
	got = fscanf(file, "%ld%ld", first, second);
	(void)fclose(file);
	return got >= 1 ? 0 : -1;
}

/* Of a setting that is not there: otherwise. */
static long
setting(const char *name, long otherwise)
{
	long value, second;

	return numbers_read(name, &value, &second) == 0 ? value : otherwise;
}

/* The larger one of what is for all interfaces and for one. */
static long
setting_of(const char *family, const char *interface, const char *name)
{
	char path[128];
	long all, one;

	(void)snprintf(path, sizeof(path), "%s/conf/all/%s", family, name);
	all = setting(path, 0);
	(void)snprintf(
	    path, sizeof(path), "%s/conf/%s/%s", family, interface, name);
	one = setting(path, 0);
	return one > all ? one : all;
}

static uint32_t
captured(const struct patient *patient)
{
	return patient->image == NULL ? 0
				      : image_interface_count(patient->image);
}

/* Those captured interfaces for which a setting has that value. */
static enum health
captured_have(const struct patient *patient, const char *name, long value,
    struct text *found)
{
	enum health health = HEALTH_FINE;
	const char *interface;
	uint32_t i;

	for (i = 0; i < captured(patient); i++) {
		interface = image_interface(patient->image, i);
		if (setting_of("ipv4", interface, name) != value)
			continue;
		text_printf(
		    found, "%s%s", health == HEALTH_ILL ? ", " : "", interface);
		health = HEALTH_ILL;
	}
	if (health == HEALTH_ILL)
		text_printf(found, ": %s is %ld", name, value);
	return health;
}

enum health
check_src_valid_mark(const struct patient *patient, struct text *found)
{
	return captured_have(patient, "src_valid_mark", 1, found);
}

enum health
check_rp_filter(const struct patient *patient, struct text *found)
{
	return captured_have(patient, "rp_filter", 1, found);
}

enum health
check_bridge(const struct patient *patient, struct text *found)
{
	static const char *const names[] = { "bridge-nf-call-iptables",
		"bridge-nf-call-ip6tables" };
	enum health health = HEALTH_FINE;
	const char *interface;
	char path[128];
	uint32_t i;
	size_t n;

	for (i = 0; i < captured(patient); i++) {
		interface = image_interface(patient->image, i);
		(void)snprintf(
		    path, sizeof(path), "/sys/class/net/%s/bridge", interface);
		if (access(path, F_OK) == -1)
			continue;
		for (n = 0; n < 2; n++) {
			(void)snprintf(
			    path, sizeof(path), "bridge/%s", names[n]);
			if (setting(path, 0) == 0)
				continue;
			text_printf(found, "%s%s is a bridge: %s is 1",
			    health == HEALTH_ILL ? ", " : "", interface,
			    names[n]);
			health = HEALTH_ILL;
		}
	}
	return health;
}

static enum health
is_forwarding(
    const struct patient *patient, const char *name, struct text *found)
{
	if (captured(patient) == 0 || setting(name, 1) != 0)
		return HEALTH_FINE;
	text_printf(found, "net/%s is 0", name);
	return HEALTH_ILL;
}

enum health
check_forwarding4(const struct patient *patient, struct text *found)
{
	return is_forwarding(patient, "ipv4/ip_forward", found);
}

enum health
check_forwarding6(const struct patient *patient, struct text *found)
{
	if (setting("ipv6/conf/all/disable_ipv6", 1) != 0)
		return HEALTH_FINE;
	return is_forwarding(patient, "ipv6/conf/all/forwarding", found);
}

enum health
check_conntrack_room(const struct patient *patient, struct text *found)
{
	long count = setting("netfilter/nf_conntrack_count", 0);
	long most = setting("netfilter/nf_conntrack_max", 0);

	(void)patient;
	if (most == 0 || count < most / 100 * FULL_PERCENT)
		return HEALTH_FINE;
	text_printf(found, "%ld of %ld entries are in use", count, most);
	return HEALTH_ILL;
}

enum health
check_conntrack_accounts(const struct patient *patient, struct text *found)
{
	/* tpxd sets it when it starts. */
	if (!patient->is_running || patient->image == NULL ||
	    !image_has_pass(patient->image) ||
	    setting("netfilter/nf_conntrack_acct", 1) != 0)
		return HEALTH_FINE;
	text_puts(found, "net/netfilter/nf_conntrack_acct is 0");
	return HEALTH_ILL;
}

enum health
check_local_ports(const struct patient *patient, struct text *found)
{
	long first, last;

	(void)patient;
	if (numbers_read("ipv4/ip_local_port_range", &first, &last) == -1 ||
	    last - first >= PORTS_FEW)
		return HEALTH_FINE;
	text_printf(
	    found, "%ld ports, %ld to %ld", last - first + 1, first, last);
	return HEALTH_ILL;
}

enum health
check_ipv6(const struct patient *patient, struct text *found)
{
	(void)patient;
	if (setting("ipv6/conf/lo/disable_ipv6", 1) == 0)
		return HEALTH_FINE;
	text_puts(found, "the loopback interface has no IPv6");
	return HEALTH_ILL;
}

enum health
check_ipv6_captured(const struct patient *patient, struct text *found)
{
	enum health health = HEALTH_FINE;
	const char *interface;
	char path[128];
	uint32_t i;

	for (i = 0; i < captured(patient); i++) {
		interface = image_interface(patient->image, i);
		(void)snprintf(
		    path, sizeof(path), "ipv6/conf/%s/disable_ipv6", interface);
		if (setting(path, 0) == 0)
			continue;
		text_printf(
		    found, "%s%s", health == HEALTH_ILL ? ", " : "", interface);
		health = HEALTH_ILL;
	}
	if (health == HEALTH_ILL)
		text_puts(found, ": disable_ipv6 is 1");
	return health;
}

enum health
check_syn_cookies(const struct patient *patient, struct text *found)
{
	(void)patient;
	/* A kernel that is built without them has no such setting. */
	if (setting("ipv4/tcp_syncookies", 0) != 0)
		return HEALTH_FINE;
	text_puts(found, "net/ipv4/tcp_syncookies is 0");
	return HEALTH_ILL;
}

enum health
check_fast_open(const struct patient *patient, struct text *found)
{
	long value = setting("ipv4/tcp_fastopen", 0);

	(void)patient;
	if ((value & FAST_OPEN_EVERYWHERE) == 0)
		return HEALTH_FINE;
	text_printf(found,
	    "net/ipv4/tcp_fastopen is 0x%lx: listeners take data "
	    "with the first packet",
	    (unsigned long)value);
	return HEALTH_ILL;
}

enum health
check_mptcp(const struct patient *patient, struct text *found)
{
	if (captured(patient) == 0 || setting("mptcp/enabled", 0) == 0)
		return HEALTH_FINE;
	text_puts(found, "net/mptcp/enabled is 1");
	return HEALTH_ILL;
}
