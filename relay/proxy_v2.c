/* SPDX-License-Identifier: ISC */
/* Writes the header of the PROXY protocol.  Pure. */
#include "relay/proxy_v2.h"

#include <string.h>

#define HEAD_BYTES 16
#define VERSION_2_PROXY 0x21
#define TCP_OVER_V4 0x11
#define TCP_OVER_V6 0x21
#define TYPE_AUTHORITY 0x02

static uint8_t *
write16(size_t value, uint8_t *out)
{
	*out++ = (uint8_t)(value >> 8);
	*out++ = (uint8_t)value;
	return out;
}

static uint8_t *
write_addr(const struct addr *addr, int is_v4, uint8_t *out)
{
	size_t skip = is_v4 ? 12 : 0;

	memcpy(out, addr->byte + skip, sizeof(addr->byte) - skip);
	return out + sizeof(addr->byte) - skip;
}

static uint8_t *
write_authority(const char *host, uint8_t *out)
{
	size_t len = strnlen(host, TARGET_HOST_BYTES);

	*out++ = TYPE_AUTHORITY;
	out = write16(len, out);
	memcpy(out, host, len);
	return out + len;
}

size_t
proxy_v2_write(const struct addr *client, uint16_t port,
    const struct target *target, uint8_t buf[PROXY_V2_BYTES])
{
	static const uint8_t signature[] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
		0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };
	int is_v4 = addr_is_v4(client);
	uint8_t *out = buf + HEAD_BYTES;

	memcpy(buf, signature, sizeof(signature));
	buf[12] = VERSION_2_PROXY;
	buf[13] = is_v4 ? TCP_OVER_V4 : TCP_OVER_V6;
	out = write_addr(client, is_v4, out);
	out = write_addr(&target->addr, is_v4, out);
	out = write16(port, out);
	out = write16(target->port, out);
	if (target->host != NULL)
		out = write_authority(target->host, out);
	(void)write16((size_t)(out - buf) - HEAD_BYTES, buf + 14);
	return (size_t)(out - buf);
}
