/* SPDX-License-Identifier: ISC */
/* Writes and reads SOCKS5.  Reads bytes of a server and trusts none.  Pure. */
#include "relay/socks5.h"

#include <errno.h>
#include <string.h>

#include "schema/flow.h"

#define VERSION 5
#define LOGIN_VERSION 1
#define NO_METHOD 0xff
#define GRANTED 0
#define REPLY_HEAD_BYTES 4 /* version, reply, reserved, kind of address */

enum kind { KIND_V4 = 1, KIND_NAME = 3, KIND_V6 = 4 };

static enum answer_status
bad(struct answer *answer, unsigned int error)
{
	answer->error = (uint16_t)error;
	return ANSWER_BAD;
}

static enum answer_status
good(struct answer *answer, size_t used)
{
	answer->used = used;
	return ANSWER_GOOD;
}

size_t
socks5_write_methods(int can_login, uint8_t buf[SOCKS5_METHODS_BYTES])
{
	buf[0] = VERSION;
	buf[1] = can_login ? 2 : 1;
	buf[2] = SOCKS5_NO_LOGIN;
	buf[3] = SOCKS5_LOGIN;
	return can_login ? 4 : 3;
}

enum answer_status
socks5_read_method(const uint8_t *bytes, size_t len, int can_login,
    enum socks5_method *method, struct answer *answer)
{
	if (len > 0 && bytes[0] != VERSION)
		return bad(answer, FLOW_ERROR_NOT_UNDERSTOOD);
	if (len < 2)
		return ANSWER_MORE;
	if (bytes[1] == NO_METHOD)
		return bad(answer, FLOW_ERROR_SOCKS5_METHOD);
	if (bytes[1] != SOCKS5_NO_LOGIN &&
	    !(bytes[1] == SOCKS5_LOGIN && can_login))
		return bad(answer, FLOW_ERROR_NOT_UNDERSTOOD);
	*method = (enum socks5_method)bytes[1];
	return good(answer, 2);
}

static size_t
write_counted(const char *text, uint8_t *buf)
{
	size_t len = strnlen(text, UINT8_MAX);

	buf[0] = (uint8_t)len;
	memcpy(buf + 1, text, len);
	return 1 + len;
}

size_t
socks5_write_login(
    const struct credential *credential, uint8_t buf[SOCKS5_LOGIN_BYTES])
{
	size_t len = 0;

	buf[len++] = LOGIN_VERSION;
	len += write_counted(credential->user, buf + len);
	return len + write_counted(credential->password, buf + len);
}

enum answer_status
socks5_read_login(const uint8_t *bytes, size_t len, struct answer *answer)
{
	if (len > 0 && bytes[0] != LOGIN_VERSION)
		return bad(answer, FLOW_ERROR_NOT_UNDERSTOOD);
	if (len < 2)
		return ANSWER_MORE;
	if (bytes[1] != GRANTED)
		return bad(answer, FLOW_ERROR_SOCKS5_LOGIN);
	return good(answer, 2);
}

/* Kind, address and port. */
static size_t
write_target(const struct target *target, uint8_t *buf)
{
	size_t len = 1;

	if (target->host != NULL) {
		buf[0] = KIND_NAME;
		len += write_counted(target->host, buf + len);
	} else if (addr_is_v4(&target->addr)) {
		buf[0] = KIND_V4;
		memcpy(buf + len, target->addr.byte + 12, 4);
		len += 4;
	} else {
		buf[0] = KIND_V6;
		memcpy(buf + len, target->addr.byte, 16);
		len += 16;
	}
	buf[len++] = (uint8_t)(target->port >> 8);
	buf[len++] = (uint8_t)target->port;
	return len;
}

size_t
socks5_write_request(enum socks5_command command, const struct target *target,
    uint8_t buf[SOCKS5_REQUEST_BYTES])
{
	buf[0] = VERSION;
	buf[1] = (uint8_t)command;
	buf[2] = 0;
	return 3 + write_target(target, buf + 3);
}

/*
 * Bytes of kind, address and port, 0 when they cannot be told yet, -1 when the
 * kind is none.
 */
static int
target_length(const uint8_t *bytes, size_t len)
{
	if (len < 1)
		return 0;
	switch (bytes[0]) {
	case KIND_V4:
		return 1 + 4 + 2;
	case KIND_V6:
		return 1 + 16 + 2;
	case KIND_NAME:
		return len < 2 ? 0 : 2 + bytes[1] + 2;
	}
	return -1;
}

/* A name leaves the address all zeros. */
static void
read_target(const uint8_t *bytes, int length, struct addr *addr, uint16_t *port)
{
	memset(addr, 0, sizeof(*addr));
	if (bytes[0] == KIND_V4)
		addr_from_v4(bytes + 1, addr);
	else if (bytes[0] == KIND_V6)
		memcpy(addr->byte, bytes + 1, 16);
	*port = (uint16_t)(bytes[length - 2] << 8 | bytes[length - 1]);
}

enum answer_status
socks5_read_reply(const uint8_t *bytes, size_t len, struct addr *bound,
    uint16_t *port, struct answer *answer)
{
	int length;

	if (len > 0 && bytes[0] != VERSION)
		return bad(answer, FLOW_ERROR_NOT_UNDERSTOOD);
	if (len < 2)
		return ANSWER_MORE;
	/* Some servers end a refusal here. */
	if (bytes[1] != GRANTED)
		return bad(answer, FLOW_ERROR_SOCKS5 + bytes[1]);
	if (len < REPLY_HEAD_BYTES)
		return ANSWER_MORE;
	length = target_length(
	    bytes + REPLY_HEAD_BYTES - 1, len - REPLY_HEAD_BYTES + 1);
	if (length == -1)
		return bad(answer, FLOW_ERROR_NOT_UNDERSTOOD);
	if (length == 0 || len < REPLY_HEAD_BYTES - 1 + (size_t)length)
		return ANSWER_MORE;
	read_target(bytes + REPLY_HEAD_BYTES - 1, length, bound, port);
	return good(answer, REPLY_HEAD_BYTES - 1 + (size_t)length);
}

size_t
socks5_write_datagram(
    const struct target *target, uint8_t buf[SOCKS5_REQUEST_BYTES])
{
	memset(buf, 0, 3); /* reserved, and no fragment */
	return 3 + write_target(target, buf + 3);
}

int
socks5_read_datagram(
    const uint8_t *bytes, size_t len, struct addr *from, uint16_t *port)
{
	int length;

	errno = EBADMSG;
	if (len < 4 || bytes[0] != 0 || bytes[1] != 0)
		return -1;
	length = target_length(bytes + 3, len - 3);
	if (length <= 0 || (size_t)length > len - 3)
		return -1;
	if (bytes[2] != 0 || bytes[3] == KIND_NAME) {
		errno = ENOTSUP;
		return -1;
	}
	read_target(bytes + 3, length, from, port);
	return 3 + length;
}
