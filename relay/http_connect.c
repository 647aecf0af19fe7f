/* SPDX-License-Identifier: ISC */
/* Writes CONNECT and reads the head of its answer.  Pure. */
#include "relay/http_connect.h"

#include <stdio.h>
#include <string.h>

#include "schema/flow.h"

#define STATUS_AT 9 /* behind "HTTP/1.1 " */
#define STATUS_BYTES 3

static char *
write_base64(const uint8_t *bytes, size_t len, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t three;
	size_t i, n;

	for (i = 0; i < len; i += 3) {
		n = len - i < 3 ? len - i : 3;
		three = (uint32_t)bytes[i] << 16;
		if (n > 1)
			three |= (uint32_t)bytes[i + 1] << 8;
		if (n > 2)
			three |= bytes[i + 2];
		*out++ = digits[three >> 18];
		*out++ = digits[three >> 12 & 63];
		*out++ = n > 1 ? digits[three >> 6 & 63] : '=';
		*out++ = n > 2 ? digits[three & 63] : '=';
	}
	return out;
}

static char *
write_text(const char *text, char *out)
{
	size_t len = strlen(text);

	memcpy(out, text, len);
	return out + len;
}

static char *
write_credential(const struct credential *credential, char *out)
{
	uint8_t pair[2 * UINT8_MAX + 1];
	size_t len = strnlen(credential->user, UINT8_MAX);
	size_t rest = strnlen(credential->password, UINT8_MAX);

	memcpy(pair, credential->user, len);
	pair[len++] = ':';
	memcpy(pair + len, credential->password, rest);
	out = write_text("Proxy-Authorization: Basic ", out);
	out = write_base64(pair, len + rest, out);
	explicit_bzero(pair, sizeof(pair));
	return write_text("\r\n", out);
}

size_t
http_connect_write(const struct target *target,
    const struct credential *credential, char buf[HTTP_CONNECT_REQUEST_BYTES])
{
	char authority[TARGET_HOST_BYTES + sizeof(":65535")];
	char *out = buf;

	if (target->host != NULL)
		(void)snprintf(authority, sizeof(authority), "%.*s:%u",
		    TARGET_HOST_BYTES, target->host, target->port);
	else
		(void)endpoint_format(&target->addr, target->port, authority);
	out = write_text("CONNECT ", out);
	out = write_text(authority, out);
	out = write_text(" HTTP/1.1\r\nHost: ", out);
	out = write_text(authority, out);
	out = write_text("\r\n", out);
	if (credential->user != NULL)
		out = write_credential(credential, out);
	out = write_text("\r\n", out);
	return (size_t)(out - buf);
}

/* Bytes up to the empty line and with it, or 0 when it is not there. */
static size_t
head_length(const uint8_t *bytes, size_t len)
{
	size_t i, line = 0; /* bytes of this line but for a carriage return */

	for (i = 0; i < len; i++) {
		if (bytes[i] == '\n') {
			if (line == 0)
				return i + 1;
			line = 0;
		} else if (bytes[i] != '\r') {
			line++;
		}
	}
	return 0;
}

/* As far as it is there, it is "HTTP/1.x nnn" and then no further digit. */
static int
begins_well(const uint8_t *bytes, size_t len)
{
	static const char form[] = "HTTP/1.0 000";
	size_t i, n = sizeof(form) - 1;

	for (i = 0; i < len && i < n; i++)
		if (form[i] == '0' ? bytes[i] < '0' || bytes[i] > '9'
				   : bytes[i] != (uint8_t)form[i])
			return 0;
	return len <= n || (bytes[n] != 0 && memchr(" \r\n", bytes[n], 3));
}

static enum answer_status
bad(struct answer *answer, unsigned int error)
{
	answer->error = (uint16_t)error;
	return ANSWER_BAD;
}

enum answer_status
http_connect_read(const uint8_t *bytes, size_t len, struct answer *answer)
{
	unsigned int status;
	size_t used = 0, length;

	if (len > HTTP_CONNECT_HEAD_BYTES)
		len = HTTP_CONNECT_HEAD_BYTES;
	for (;; used += length) {
		const uint8_t *head = bytes + used;

		if (!begins_well(head, len - used))
			return bad(answer, FLOW_ERROR_NOT_UNDERSTOOD);
		/* The status is whole when something stands behind it. */
		if (len - used <= STATUS_AT + STATUS_BYTES)
			break;
		status = (unsigned int)(head[STATUS_AT] - '0') * 100 +
			 (unsigned int)(head[STATUS_AT + 1] - '0') * 10 +
			 (unsigned int)(head[STATUS_AT + 2] - '0');
		if (status < 100 || status == 101 || status >= 300)
			return bad(answer, FLOW_ERROR_HTTP + status);
		length = head_length(head, len - used);
		if (length == 0)
			break;
		if (status >= 200) {
			answer->used = used + length;
			return ANSWER_GOOD;
		}
	}
	if (len == HTTP_CONNECT_HEAD_BYTES)
		return bad(answer, FLOW_ERROR_NOT_UNDERSTOOD);
	return ANSWER_MORE;
}
