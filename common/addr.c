/* SPDX-License-Identifier: ISC */
/* Addresses and prefixes.  Pure; reads text of the configuration. */
#include "common/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define V4_BITS 96 /* of a v4-mapped address, before the IPv4 part */

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

int
addr_is_v4(const struct addr *addr)
{
	return memcmp(addr->byte, mapped, sizeof(mapped)) == 0;
}

int
addr_is_loopback(const struct addr *addr)
{
	if (addr_is_v4(addr))
		return addr->byte[12] == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)addr->byte);
}

int
addr_compare(const struct addr *a, const struct addr *b)
{
	return memcmp(a->byte, b->byte, sizeof(a->byte));
}

void
addr_from_v4(const uint8_t bytes[4], struct addr *addr)
{
	memcpy(addr->byte, mapped, sizeof(mapped));
	memcpy(addr->byte + sizeof(mapped), bytes, 4);
}

int
addr_from_sockaddr(const struct sockaddr *sa, struct addr *addr, uint16_t *port)
{
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;

	if (sa->sa_family == AF_INET) {
		memcpy(&sin, sa, sizeof(sin));
		addr_from_v4((const uint8_t *)&sin.sin_addr, addr);
		*port = ntohs(sin.sin_port);
		return 0;
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&sin6, sa, sizeof(sin6));
		memcpy(addr->byte, &sin6.sin6_addr, sizeof(addr->byte));
		*port = ntohs(sin6.sin6_port);
		return 0;
	}
	errno = EAFNOSUPPORT;
	return -1;
}

socklen_t
addr_to_sockaddr(
    const struct addr *addr, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };

	memset(ss, 0, sizeof(*ss));
	if (addr_is_v4(addr)) {
		sin.sin_port = htons(port);
		memcpy(&sin.sin_addr, addr->byte + sizeof(mapped),
		    sizeof(sin.sin_addr));
		memcpy(ss, &sin, sizeof(sin));
		return sizeof(sin);
	}
	sin6.sin6_port = htons(port);
	memcpy(&sin6.sin6_addr, addr->byte, sizeof(addr->byte));
	memcpy(ss, &sin6, sizeof(sin6));
	return sizeof(sin6);
}

static char *
octet_format(char *to, unsigned int octet)
{
	if (octet >= 100)
		*to++ = (char)('0' + octet / 100);
	if (octet >= 10)
		*to++ = (char)('0' + octet / 10 % 10);
	*to++ = (char)('0' + octet % 10);
	return to;
}

/* As inet_ntop(3), which takes several times as long: rows have many. */
static void
v4_format(const uint8_t *octets, char *to)
{
	int i;

	for (i = 0; i < 4; i++) {
		to = octet_format(to, octets[i]);
		*to++ = i < 3 ? '.' : '\0';
	}
}

char *
addr_format(const struct addr *addr, char buf[ADDR_TEXT_BYTES])
{
	if (addr_is_v4(addr))
		v4_format(addr->byte + sizeof(mapped), buf);
	/* It cannot fail: the family is known and the buffer large enough. */
	else if (inet_ntop(AF_INET6, addr->byte, buf, ADDR_TEXT_BYTES) == NULL)
		buf[0] = '\0';
	return buf;
}

/* A decimal number without sign, blanks or leading zeros. */
static int
parse_number(const char *text, unsigned int max, unsigned int *number)
{
	unsigned int value = 0;
	size_t i;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -1;
	for (i = 0; text[i] != '\0'; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (unsigned int)(text[i] - '0');
		if (value > max)
			return -1;
	}
	*number = value;
	return 0;
}

static int
parse_addr(const char *text, struct addr *addr, int *is_v4)
{
	struct in_addr v4;

	*is_v4 = inet_pton(AF_INET, text, &v4) == 1;
	if (*is_v4) {
		addr_from_v4((const uint8_t *)&v4, addr);
		return 0;
	}
	if (inet_pton(AF_INET6, text, addr->byte) != 1 || addr_is_v4(addr))
		return -1;
	return 0;
}

/* Clears the bits beyond the prefix; returns whether any was set. */
static int
mask_prefix(struct prefix *prefix)
{
	int changed = 0;
	unsigned int i, keep;
	uint8_t mask;

	for (i = 0; i < sizeof(prefix->addr.byte); i++) {
		keep = prefix->bits > i * 8 ? prefix->bits - i * 8 : 0;
		mask = (uint8_t)(keep >= 8 ? 0xff : 0xff00 >> keep);
		if ((prefix->addr.byte[i] & ~mask) != 0)
			changed = 1;
		prefix->addr.byte[i] &= mask;
	}
	return changed;
}

int
prefix_parse(const char *text, struct prefix *prefix)
{
	char buf[ADDR_TEXT_BYTES];
	const char *slash = strchr(text, '/');
	size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
	unsigned int bits, max;
	int is_v4;

	if (len >= sizeof(buf))
		goto invalid;
	memcpy(buf, text, len);
	buf[len] = '\0';
	if (parse_addr(buf, &prefix->addr, &is_v4) == -1)
		goto invalid;
	bits = max = is_v4 ? 128 - V4_BITS : 128;
	if (slash != NULL && parse_number(slash + 1, max, &bits) == -1)
		goto invalid;
	prefix->bits = (uint8_t)(is_v4 ? bits + V4_BITS : bits);
	if (mask_prefix(prefix)) {
		errno = ERANGE;
		return -1;
	}
	return 0;

invalid:
	errno = EINVAL;
	return -1;
}

/* A short IPv6 prefix may contain the mapped block without being IPv4. */
static int
prefix_is_v4(const struct prefix *prefix)
{
	return prefix->bits >= V4_BITS && addr_is_v4(&prefix->addr);
}

char *
prefix_format(const struct prefix *prefix, char buf[PREFIX_TEXT_BYTES])
{
	unsigned int bits = prefix->bits;
	size_t len;

	addr_format(&prefix->addr, buf);
	if (bits == 128)
		return buf;
	if (prefix_is_v4(prefix))
		bits -= V4_BITS;
	len = strlen(buf);
	snprintf(buf + len, PREFIX_TEXT_BYTES - len, "/%u", bits);
	return buf;
}

int
endpoint_parse(const char *text, struct addr *addr, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	unsigned int number;
	char buf[ADDR_TEXT_BYTES + 2];
	size_t len;
	int is_v4, bracketed = text[0] == '[';

	if (colon == NULL || (len = (size_t)(colon - text)) >= sizeof(buf) ||
	    parse_number(colon + 1, UINT16_MAX, &number) == -1 || number == 0)
		goto invalid;
	if (bracketed && (len < 2 || text[len - 1] != ']'))
		goto invalid;
	memcpy(buf, text + bracketed, len - (bracketed ? 2 : 0));
	buf[len - (bracketed ? 2 : 0)] = '\0';
	if (parse_addr(buf, addr, &is_v4) == -1 || is_v4 == bracketed)
		goto invalid;
	*port = (uint16_t)number;
	return 0;

invalid:
	errno = EINVAL;
	return -1;
}

char *
endpoint_format(
    const struct addr *addr, uint16_t port, char buf[ENDPOINT_TEXT_BYTES])
{
	char text[ADDR_TEXT_BYTES];

	snprintf(buf, ENDPOINT_TEXT_BYTES,
	    addr_is_v4(addr) ? "%s:%u" : "[%s]:%u", addr_format(addr, text),
	    port);
	return buf;
}

int
prefix_contains(const struct prefix *prefix, const struct addr *addr)
{
	struct prefix of = { *addr, prefix->bits };

	if (prefix_is_v4(prefix) != addr_is_v4(addr))
		return 0;
	mask_prefix(&of);
	return addr_compare(&of.addr, &prefix->addr) == 0;
}

struct addr
addr_network(
    const struct addr *addr, unsigned int v4_bits, unsigned int v6_bits)
{
	struct prefix of = { .addr = *addr };

	of.bits = (uint8_t)(addr_is_v4(addr) ? V4_BITS + v4_bits : v6_bits);
	mask_prefix(&of);
	return of.addr;
}

struct addr
addr_client(const struct addr *addr)
{
	return addr_network(addr, ADDR_CLIENT_V4_BITS, ADDR_CLIENT_V6_BITS);
}
