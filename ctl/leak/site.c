/* SPDX-License-Identifier: ISC */
#include "ctl/leak/site.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/privilege.h"
#include "ctl/leak/parent.h"

#define CAPTURE_BYTES (32 << 20)
#define END "eth0" /* of clients and server */

struct link {
	struct addr near[2]; /* the gateway's, IPv4 and IPv6 */
	struct addr far[2];
};

static const uint8_t link_bits[] = { 96 + 24, 64 };

/* Lone fragments must not take up the room of others. */
#define FRAGMENT6_TIMEOUT "net/netfilter/nf_conntrack_frag6_timeout"
#define FRAGMENT_TIMEOUT_S "1"

static const struct {
	const char *name;
	const char *value;
} sysctls[] = {
	{ "net/ipv4/ip_forward", "1" },
	{ "net/ipv6/conf/all/forwarding", "1" },
	{ "net/ipv4/ip_local_port_range", "1024 16383" },
	{ "net/ipv4/ipfrag_time", FRAGMENT_TIMEOUT_S },
};

/* The networks of clients' links, and of the one to the server. */
static const struct addr clients[2] = {
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 18 } },
	{ { 0xfd, 0x74, 0x70, 0x78, 0, 1 } },
};
static const struct addr servers[2] = {
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 19 } },
	{ { 0xfd, 0x74, 0x70, 0x78, 0, 2 } },
};
static const struct addr any[2] = {
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } },
};
static const uint8_t any_bits[] = { 96, 0 };
static const struct addr forged[2] = {
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 19, 77, 77 } },
	{ { 0xfd, 0x74, 0x70, 0x78, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77 } },
};

static void
link_number(const struct addr networks[2], uint8_t number, struct link *link)
{
	static const size_t number_at[] = { 14, 7 };
	size_t f;

	for (f = 0; f < 2; f++) {
		link->near[f] = networks[f];
		link->near[f].byte[number_at[f]] = number;
		link->far[f] = link->near[f];
		link->near[f].byte[15] = 1;
		link->far[f].byte[15] = 2;
	}
}

/* Joins a namespace to the gateway, which is its way to everywhere. */
static int
attach(const struct site *site, const char *interface, const struct net *net,
    const struct link *link)
{
	size_t f;

	if (net_join(&site->gateway, interface, net, END) == -1)
		return -1;
	for (f = 0; f < 2; f++)
		if (net_address(&site->gateway, interface, &link->near[f],
			link_bits[f]) == -1 ||
		    net_address(net, END, &link->far[f], link_bits[f]) == -1 ||
		    net_route(net, &any[f], any_bits[f], &link->near[f]) == -1)
			return -1;
	return 0;
}

static int
raw_open(int family, const char *device)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	int on = 1;

	if (fd != -1 &&
	    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) == 0 &&
	    (device == NULL || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE,
				   device, (socklen_t)strlen(device)) == 0))
		return fd;
	log_warn("raw socket");
	if (fd != -1)
		close(fd);
	return -1;
}

static int
user_open(const struct site_origin *origin, struct site_user *user)
{
	static const int families[] = { AF_INET, AF_INET6 };
	int f;

	if (net_enter(&origin->net) == -1 ||
	    parent_follow_as(user->account.uid) == -1)
		return -1;
	for (f = 0; f < 2; f++) {
		user->raw[SITE_BOUND][f] =
		    raw_open(families[f], origin->device);
		user->raw[SITE_UNBOUND][f] = raw_open(families[f], NULL);
		if (user->raw[SITE_BOUND][f] == -1 ||
		    user->raw[SITE_UNBOUND][f] == -1)
			return -1;
	}
	return parent_follow_as(0);
}

/* Sources that rules name live with the first client. */
static int
origin_build(
    struct site *site, const struct image *image, struct site_origin *origin)
{
	uint8_t number = (uint8_t)(origin - site->origins);
	struct link link;
	size_t f, i;

	origin->interface = image_interface(image, number);
	origin->device = END;
	origin->nusers = 1;
	link_number(clients, number, &link);
	memcpy(origin->near, link.near, sizeof(link.near));
	memcpy(origin->far, link.far, sizeof(link.far));
	if (net_new(&origin->net) == -1 ||
	    attach(site, origin->interface, &origin->net, &link) == -1 ||
	    user_open(origin, &origin->users[0]) == -1)
		return -1;
	target_collect(image, link.far, number == 0, &origin->candidates);
	for (f = 0; f < 2; f++)
		for (i = 1; i < origin->candidates.src[f].count; i++) {
			const struct addr *src =
			    &origin->candidates.src[f].at[i];

			if (net_address(&origin->net, END, src, 128) == -1 ||
			    net_route(&site->gateway, src, 128, &link.far[f]) ==
				-1)
				return -1;
		}
	return 0;
}

/* A name that no captured interface has. */
static void
uplink_name(const struct image *image, char name[IFNAMSIZ])
{
	uint32_t i;
	uint8_t number = 0;

	do {
		(void)snprintf(name, IFNAMSIZ, "uplink%u", number++);
		for (i = 0; i < image_interface_count(image); i++)
			if (strcmp(image_interface(image, i), name) == 0)
				break;
	} while (i < image_interface_count(image));
}

static int
server_build(struct site *site, const struct image *image)
{
	struct link link;
	size_t f;

	uplink_name(image, site->uplink_name);
	link_number(servers, 0, &link);
	if (net_new(&site->server) == -1 ||
	    attach(site, site->uplink_name, &site->server, &link) == -1)
		return -1;
	memcpy(site->uplink, link.near, sizeof(site->uplink));
	for (f = 0; f < 2; f++)
		if (net_route(&site->gateway, &any[f], any_bits[f],
			&link.far[f]) == -1)
			return -1;
	return 0;
}

static int
own_build(struct site *site, const struct image *image)
{
	struct site_origin *origin = &site->origins[site->norigins];
	const struct passwd *ours = getpwnam(PRIVILEGE_USER);
	struct account users[ACCOUNT_MOST];
	size_t i;

	if (image_settings(image)->local == LOCAL_NONE)
		return 0;
	if (ours == NULL) {
		log_warnx("there is no user " PRIVILEGE_USER);
		return -1;
	}
	site->norigins++;
	origin->is_own = 1;
	origin->device = site->uplink_name;
	origin->net = site->gateway;
	target_collect(image, site->uplink, 0, &origin->candidates);
	origin->nusers = account_choose(image, ours->pw_uid, users);
	for (i = 0; i < origin->nusers; i++) {
		origin->users[i].account = users[i];
		if (user_open(origin, &origin->users[i]) == -1)
			return -1;
	}
	return 0;
}

static int
capture_open(struct site *site, const struct net *net)
{
	struct sockaddr_ll name = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL) };
	int fd, size = CAPTURE_BYTES;

	if (net_enter(net) == -1)
		return -1;
	name.sll_ifindex = (int)if_nametoindex(END);
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1 || name.sll_ifindex == 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ==
		-1 ||
	    bind(fd, (struct sockaddr *)&name, sizeof(name)) == -1) {
		log_warn("capture");
		return -1;
	}
	site->captures[site->ncaptures++] = fd;
	return 0;
}

/* Everywhere that a packet can get to; answers to nobody get no further. */
static int
ends_open(struct site *site)
{
	size_t i, f;

	for (i = 0; i <= site->norigins; i++) {
		const struct net *net =
		    i == site->norigins ? &site->server : &site->origins[i].net;

		if (i < site->norigins && site->origins[i].is_own)
			continue;
		for (f = 0; f < 2; f++)
			if (net_address(net, "lo", &forged[f], 128) == -1)
				return -1;
		if (capture_open(site, net) == -1)
			return -1;
	}
	return 0;
}

int
site_build(struct site *site, const struct image *image)
{
	size_t i;

	if (net_new(&site->gateway) == -1)
		return -1;
	for (i = 0; i < sizeof(sysctls) / sizeof(sysctls[0]); i++)
		if (net_sysctl(&site->gateway, sysctls[i].name,
			sysctls[i].value) == -1)
			return -1;
	/* It is not there before its module is. */
	if (access("/proc/sys/" FRAGMENT6_TIMEOUT, W_OK) == 0)
		(void)net_sysctl(
		    &site->gateway, FRAGMENT6_TIMEOUT, FRAGMENT_TIMEOUT_S);
	site->norigins = image_interface_count(image);
	for (i = 0; i < site->norigins; i++)
		if (origin_build(site, image, &site->origins[i]) == -1)
			return -1;
	if (server_build(site, image) == -1 || own_build(site, image) == -1)
		return -1;
	return ends_open(site);
}

const struct addr *
site_forged(int v6)
{
	return &forged[v6];
}

static int
is_one_of(const struct addr pair[2], const struct addr *addr)
{
	return addr_compare(&pair[0], addr) == 0 ||
	       addr_compare(&pair[1], addr) == 0;
}

int
site_is_gateway(const struct site *site, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < site->norigins; i++)
		if (!site->origins[i].is_own &&
		    is_one_of(site->origins[i].near, addr))
			return 1;
	return is_one_of(site->uplink, addr);
}

const struct site_origin *
site_origin_of(const struct site *site, const struct addr *addr)
{
	int is_own = site_is_gateway(site, addr) || is_one_of(forged, addr);
	size_t i, j;

	for (i = 0; i < site->norigins; i++) {
		const struct site_origin *origin = &site->origins[i];
		const struct target_list *src =
		    &origin->candidates.src[!addr_is_v4(addr)];

		if (origin->is_own && is_own)
			return origin;
		for (j = 0; j < src->count; j++)
			if (addr_compare(&src->at[j], addr) == 0)
				return origin;
	}
	return NULL;
}

int
site_serve(const struct site *site, const struct addr *addr)
{
	return net_address(&site->server, "lo", addr, 128);
}
