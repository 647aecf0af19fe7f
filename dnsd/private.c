/* SPDX-License-Identifier: ISC */
/* Reads addresses that hostile servers wrote.  Pure. */
#include "dnsd/private.h"

#include <arpa/inet.h>

#include <stdlib.h>
#include <string.h>

const char *const private_networks[] = {
	"0.0.0.0/8",
	"64:ff9b::/104",
	"2002::/24",
	"10.0.0.0/8",
	"64:ff9b::a00:0/104",
	"2002:a00::/24",
	"100.64.0.0/10",
	"64:ff9b::6440:0/106",
	"2002:6440::/26",
	"127.0.0.0/8",
	"64:ff9b::7f00:0/104",
	"2002:7f00::/24",
	"169.254.0.0/16",
	"64:ff9b::a9fe:0/112",
	"2002:a9fe::/32",
	"172.16.0.0/12",
	"64:ff9b::ac10:0/108",
	"2002:ac10::/28",
	"192.168.0.0/16",
	"64:ff9b::c0a8:0/112",
	"2002:c0a8::/32",
	"::/96",
	"::ffff:0:0/96",
	"::ffff:0:0:0/96",
	"64:ff9b:1::/48",
	"fc00::/7",
	"fe80::/10",
	"fec0::/10",
	NULL,
};

#define NETWORKS (sizeof(private_networks) / sizeof(private_networks[0]) - 1)

struct network {
	size_t addr_bytes;
	uint8_t addr[PRIVATE_ADDR_MAX];
	unsigned int bits;
};

static void
network_read(const char *text, struct network *network)
{
	size_t len = strcspn(text, "/");
	char addr[INET6_ADDRSTRLEN] = "";
	int is_v4 = strchr(text, ':') == NULL;

	memcpy(addr, text, len);
	network->addr_bytes = is_v4 ? 4 : 16;
	network->bits = (unsigned int)strtoul(text + len + 1, NULL, 10);
	(void)inet_pton(is_v4 ? AF_INET : AF_INET6, addr, network->addr);
}

static int
is_in(const struct network *network, const uint8_t *addr, size_t bytes)
{
	unsigned int whole = network->bits / 8, rest = network->bits % 8;

	return network->addr_bytes == bytes &&
	       memcmp(network->addr, addr, whole) == 0 &&
	       (rest == 0 ||
		   (network->addr[whole] ^ addr[whole]) >> (8 - rest) == 0);
}

int
private_is(const uint8_t *addr, size_t bytes)
{
	static struct network networks[NETWORKS];
	size_t i;

	if (networks[0].addr_bytes == 0)
		for (i = 0; i < NETWORKS; i++)
			network_read(private_networks[i], &networks[i]);
	for (i = 0; i < NETWORKS; i++)
		if (is_in(&networks[i], addr, bytes))
			return 1;
	return 0;
}
