/* SPDX-License-Identifier: ISC */
/*
 * Reads heads of requests of hostile clients.  Says as early as it can that
 * something is no HTTP: whoever sends it waits for this answer.
 */
#include "relay/sniff_http.h"

#include <string.h>
#include <strings.h>

#define METHOD_MOST 24
#define VERSION "HTTP/1."
#define OFTEN_BYTES 512 /* up to them each look is a new one */

struct text {
	const uint8_t *at;
	size_t len;
};

static int
is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static int
is_capital(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z';
}

static int
is_letter(uint8_t byte)
{
	return is_capital(byte & ~0x20);
}

/* tchar of RFC 9110, 5.6.2 */
static int
is_token(uint8_t byte)
{
	return is_letter(byte) || is_digit(byte) ||
	       (byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

static int
is_visible(uint8_t byte)
{
	return byte > ' ' && byte < 0x7f;
}

/* What a field's value is made of, RFC 9110, 5.5. */
static int
is_value(uint8_t byte)
{
	return byte >= 0x80 || is_visible(byte) || byte == ' ' || byte == '\t';
}

/* How many bytes from the beginning are of a kind. */
static size_t
span(struct text text, int (*is_kind)(uint8_t))
{
	size_t n = 0;

	while (n < text.len && is_kind(text.at[n]))
		n++;
	return n;
}

static struct text
after(struct text text, size_t bytes)
{
	return (struct text){ text.at + bytes, text.len - bytes };
}

/* FOUND: bytes of the kind, and behind them the byte that ends them. */
static enum sniff_status
part(struct text *rest, int (*is_kind)(uint8_t), uint8_t end, struct text *out)
{
	size_t n = span(*rest, is_kind);

	*out = (struct text){ rest->at, n };
	if (n == rest->len)
		return SNIFF_MORE;
	if (n == 0 || rest->at[n] != end)
		return SNIFF_NONE;
	*rest = after(*rest, n + 1);
	return SNIFF_FOUND;
}

static int
is_method_byte(uint8_t byte)
{
	return is_token(byte) && (is_capital(byte) || !is_letter(byte));
}

static enum sniff_status
method_read(struct text *rest, struct text *method)
{
	enum sniff_status status = part(rest, is_method_byte, ' ', method);

	return method->len > METHOD_MOST ? SNIFF_NONE : status;
}

/* A line's end; a lone LF will do, RFC 9112, 2.2. */
static enum sniff_status
line_end(struct text *rest)
{
	size_t n = rest->len > 0 && rest->at[0] == '\r';

	if (n == rest->len)
		return SNIFF_MORE;
	if (rest->at[n] != '\n')
		return SNIFF_NONE;
	*rest = after(*rest, n + 1);
	return SNIFF_FOUND;
}

static enum sniff_status
version_read(struct text *rest)
{
	size_t len = strlen(VERSION);
	size_t have = rest->len < len ? rest->len : len;

	if (memcmp(rest->at, VERSION, have) != 0)
		return SNIFF_NONE;
	if (rest->len <= len)
		return SNIFF_MORE;
	if (!is_digit(rest->at[len]))
		return SNIFF_NONE;
	*rest = after(*rest, len + 1);
	return line_end(rest);
}

/* uri-host [ ":" port ], RFC 9110, 7.2 */
static enum sniff_status
authority_read(struct text text, struct sniff_name *name)
{
	const uint8_t *colon = memchr(text.at, ':', text.len);
	size_t host = colon == NULL ? text.len : (size_t)(colon - text.at);
	struct text port = after(text, host);

	if (port.len > 0)
		port = after(port, 1);
	if (span(port, is_digit) != port.len)
		return SNIFF_NONE;
	return sniff_take_host(name, text.at, host, FLOW_HOST_HTTP);
}

static int
is_scheme_byte(uint8_t byte)
{
	return is_letter(byte) || is_digit(byte) || byte == '+' ||
	       byte == '-' || byte == '.';
}

static int
is_authority_byte(uint8_t byte)
{
	return is_visible(byte) && byte != '/' && byte != '?' && byte != '#';
}

/* The target's authority; 0 when it has none. */
static int
target_authority(struct text method, struct text target, struct text *out)
{
	size_t scheme = span(target, is_scheme_byte);

	if (method.len == 7 && memcmp(method.at, "CONNECT", 7) == 0) {
		*out = target;
		return 1;
	}
	if (!is_letter(target.at[0]) || target.len < scheme + 3 ||
	    memcmp(target.at + scheme, "://", 3) != 0)
		return 0;
	*out = after(target, scheme + 3);
	out->len = span(*out, is_authority_byte);
	return 1;
}

/* What the fields have said so far. */
struct hosts {
	int count;
	enum sniff_status status; /* of the first */
	struct sniff_name first;
};

static struct text
trim(struct text text)
{
	while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
		text = after(text, 1);
	while (text.len > 0 &&
	       (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/* 0, or -1 when it contradicts the one before it. */
static int
hosts_add(struct hosts *hosts, struct text value)
{
	struct sniff_name name = { 0 };
	enum sniff_status status = authority_read(value, &name);

	if (hosts->count++ == 0) {
		hosts->status = status;
		hosts->first = name;
		return 0;
	}
	return status == SNIFF_FOUND && hosts->status == SNIFF_FOUND &&
		       strcmp(name.host, hosts->first.host) == 0
		   ? 0
		   : -1;
}

/* One field's line.  A line that begins with a blank would be obs-fold. */
static enum sniff_status
field_read(struct text *rest, struct hosts *hosts)
{
	struct text name, value;
	enum sniff_status status = part(rest, is_token, ':', &name);

	if (status != SNIFF_FOUND)
		return status;
	value = (struct text){ rest->at, span(*rest, is_value) };
	*rest = after(*rest, value.len);
	status = line_end(rest);
	if (status == SNIFF_FOUND && name.len == 4 &&
	    strncasecmp((const char *)name.at, "Host", 4) == 0 &&
	    hosts_add(hosts, trim(value)) == -1)
		return SNIFF_NONE;
	return status;
}

/* Everything up to and with the empty line. */
static enum sniff_status
fields_read(struct text *rest, struct hosts *hosts)
{
	enum sniff_status status;

	do {
		if (rest->len == 0)
			return SNIFF_MORE;
		if (rest->at[0] == '\r' || rest->at[0] == '\n')
			return line_end(rest);
		status = field_read(rest, hosts);
	} while (status == SNIFF_FOUND);
	return status;
}

static enum sniff_status
head_read(struct text rest, struct sniff_name *name)
{
	struct text method, target, authority;
	struct hosts hosts = { .status = SNIFF_NONE };
	enum sniff_status status;

	if ((status = method_read(&rest, &method)) != SNIFF_FOUND ||
	    (status = part(&rest, is_visible, ' ', &target)) != SNIFF_FOUND ||
	    (status = version_read(&rest)) != SNIFF_FOUND ||
	    (status = fields_read(&rest, &hosts)) != SNIFF_FOUND)
		return status;
	if (target_authority(method, target, &authority))
		return authority_read(authority, name);
	*name = hosts.first;
	return hosts.status;
}

/* 1: an empty line is among what has come, so that the head may be whole. */
static int
may_end(struct text text, size_t from)
{
	const uint8_t *at = text.at + (from > 2 ? from - 2 : 0);
	const uint8_t *end = text.at + text.len;

	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		at++;
		if (at < end && *at == '\r')
			at++;
		if (at < end && *at == '\n')
			return 1;
	}
	return 0;
}

/*
 * All of it is read each time, so it is not for every byte once there are many:
 * the whole work is a few times the head's length, however it comes.
 */
static int
is_worth_reading(const struct sniff_course *course, struct text text)
{
	return text.len < OFTEN_BYTES ||
	       text.len - course->at > course->at / 8 ||
	       may_end(text, course->at);
}

enum sniff_status
sniff_http(struct sniff_course *course, const uint8_t *bytes, size_t len,
    struct sniff_name *name)
{
	struct text text = { bytes,
		len < SNIFF_MOST_BYTES ? len : SNIFF_MOST_BYTES };
	enum sniff_status status;

	memset(name, 0, sizeof(*name));
	if (len < SNIFF_MOST_BYTES && !is_worth_reading(course, text))
		return SNIFF_MORE;
	course->at = (uint32_t)text.len;
	status = head_read(text, name);
	return status == SNIFF_MORE && len >= SNIFF_MOST_BYTES ? SNIFF_NONE
							       : status;
}
