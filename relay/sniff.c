/* SPDX-License-Identifier: ISC */
/* Reads first bytes of hostile clients; what a host's name may be. */
#include "relay/sniff.h"

#include <sys/socket.h>

#include <errno.h>
#include <string.h>

#include "policy/name.h"
#include "relay/sniff_http.h"
#include "relay/sniff_tls.h"

static sniff_fn *
parser_of(const uint8_t *bytes, size_t len)
{
	if (len == 0)
		return NULL;
	if (bytes[0] == SNIFF_TLS_FIRST)
		return sniff_tls;
	return bytes[0] >= 'A' && bytes[0] <= 'Z' ? sniff_http : NULL;
}

enum sniff_status
sniff_stream(struct sniff_course *course, const uint8_t *bytes, size_t len,
    struct sniff_name *name)
{
	sniff_fn *parser = parser_of(bytes, len);

	memset(name, 0, sizeof(*name));
	/* An urgent byte may hide some that were seen: then from the first. */
	if (len < course->at)
		memset(course, 0, sizeof(*course));
	return parser == NULL ? SNIFF_NONE : parser(course, bytes, len, name);
}

int
sniff_socket(
    struct sniff_course *course, int fd, struct sniff_name *name, size_t *len)
{
	static uint8_t bytes[SNIFF_MOST_BYTES];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);

	memset(name, 0, sizeof(*name));
	*len = n > 0 ? (size_t)n : 0;
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? SNIFF_MORE : -1;
	return sniff_stream(course, bytes, *len, name);
}

static char
lower(uint8_t byte)
{
	return (char)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
}

enum sniff_status
sniff_take_host(struct sniff_name *name, const uint8_t *text, size_t len,
    enum flow_host_source source)
{
	size_t i;

	memset(name->host, 0, sizeof(name->host));
	name->source = FLOW_HOST_NONE;
	if (len > 0 && text[len - 1] == '.')
		len--;
	if (len >= sizeof(name->host))
		return SNIFF_NONE;
	for (i = 0; i < len; i++)
		name->host[i] = lower(text[i]);
	/* A NUL within would hide what follows it. */
	if (strlen(name->host) != len ||
	    !name_is_host(name->host, sizeof(name->host))) {
		memset(name->host, 0, sizeof(name->host));
		return SNIFF_NONE;
	}
	name->source = source;
	return SNIFF_FOUND;
}
