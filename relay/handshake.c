/* SPDX-License-Identifier: ISC */
/*
 * Speaks to upstreams.  Their bytes are looked at where they lie in the socket
 * and taken only when all answers are there, so that what follows them is left
 * for the flow, and a flow that waits needs no memory for them.
 */
#include "relay/handshake.h"

#include <sys/socket.h>

#include <errno.h>
#include <string.h>

#include "relay/http_connect.h"
#include "relay/proxy_v2.h"
#include "relay/socks5.h"

enum step { METHODS, LOGIN, REQUEST, CONNECT, HEADER, DONE };

static union {
	uint8_t said[HTTP_CONNECT_REQUEST_BYTES];
	uint8_t heard[HTTP_CONNECT_HEAD_BYTES];
} shared;

static struct target
target_of(const struct handshake_terms *terms)
{
	const struct flow_entry *record = terms->record;
	struct target target = { .host = terms->host, .port = record->dport };

	memcpy(target.addr.byte, record->dst, sizeof(target.addr.byte));
	return target;
}

static size_t
say_methods(const struct handshake_terms *terms, uint8_t *buf)
{
	return socks5_write_methods(terms->credential.user != NULL, buf);
}

static enum answer_status
hear_method(const struct handshake_terms *terms, const uint8_t *bytes,
    size_t len, struct answer *answer, uint8_t *next)
{
	enum socks5_method method = SOCKS5_NO_LOGIN;
	enum answer_status status = socks5_read_method(
	    bytes, len, terms->credential.user != NULL, &method, answer);

	if (method == SOCKS5_LOGIN)
		*next = LOGIN;
	return status;
}

static size_t
say_login(const struct handshake_terms *terms, uint8_t *buf)
{
	return socks5_write_login(&terms->credential, buf);
}

static enum answer_status
hear_login(const struct handshake_terms *terms, const uint8_t *bytes,
    size_t len, struct answer *answer, uint8_t *next)
{
	(void)terms;
	(void)next;
	return socks5_read_login(bytes, len, answer);
}

static size_t
say_request(const struct handshake_terms *terms, uint8_t *buf)
{
	/* RFC 1928, 6: a client that does not know its port yet says zeros. */
	static const struct target unknown = { .addr.byte = {
						   [10] = 0xff, [11] = 0xff } };
	struct target target = target_of(terms);

	if (terms->bound != NULL)
		return socks5_write_request(
		    SOCKS5_UDP_ASSOCIATE, &unknown, buf);
	return socks5_write_request(SOCKS5_CONNECT, &target, buf);
}

static enum answer_status
hear_reply(const struct handshake_terms *terms, const uint8_t *bytes,
    size_t len, struct answer *answer, uint8_t *next)
{
	struct target ignored, *bound = &ignored;

	(void)next;
	if (terms->bound != NULL)
		bound = terms->bound;
	return socks5_read_reply(
	    bytes, len, &bound->addr, &bound->port, answer);
}

static size_t
say_connect(const struct handshake_terms *terms, uint8_t *buf)
{
	struct target target = target_of(terms);

	return http_connect_write(&target, &terms->credential, (char *)buf);
}

static enum answer_status
hear_head(const struct handshake_terms *terms, const uint8_t *bytes, size_t len,
    struct answer *answer, uint8_t *next)
{
	(void)terms;
	(void)next;
	return http_connect_read(bytes, len, answer);
}

static size_t
say_header(const struct handshake_terms *terms, uint8_t *buf)
{
	const struct flow_entry *record = terms->record;
	struct target target = target_of(terms);
	struct addr client;

	memcpy(client.byte, record->src, sizeof(client.byte));
	return proxy_v2_write(&client, record->sport, &target, buf);
}

/* hear NULL: nothing is answered.  next: unless hear() says another one. */
static const struct {
	size_t (*say)(const struct handshake_terms *, uint8_t *);
	enum answer_status (*hear)(const struct handshake_terms *,
	    const uint8_t *, size_t, struct answer *, uint8_t *next);
	uint8_t next;
	uint8_t proven; /* to come here, the upstream has answered well */
	uint8_t asks;	/* names the destination */
} steps[DONE] = {
	[METHODS] = { say_methods, hear_method, REQUEST, 0, 0 },
	[LOGIN] = { say_login, hear_login, REQUEST, 1, 0 },
	[REQUEST] = { say_request, hear_reply, DONE, 1, 1 },
	[CONNECT] = { say_connect, hear_head, DONE, 0, 1 },
	[HEADER] = { say_header, NULL, DONE, 0, 0 },
};

void
handshake_begin(struct handshake *handshake, enum upstream_kind kind)
{
	static const uint8_t first[UPSTREAM_COUNT] = {
		[UPSTREAM_SOCKS5] = METHODS,
		[UPSTREAM_HTTP] = CONNECT,
		[UPSTREAM_PROXY_V2] = HEADER,
	};

	memset(handshake, 0, sizeof(*handshake));
	handshake->step = first[kind];
}

int
handshake_is_proven(const struct handshake *handshake)
{
	return handshake->step == DONE || steps[handshake->step].proven;
}

int
handshake_has_asked(const struct handshake *handshake)
{
	return handshake->step < DONE && steps[handshake->step].asks;
}

/* A fresh socket has room for all of it. */
static int
say(struct handshake *handshake, const struct handshake_terms *terms, int fd)
{
	size_t len = steps[handshake->step].say(terms, shared.said);
	ssize_t n = send(fd, shared.said, len, MSG_NOSIGNAL);

	explicit_bzero(shared.said, len);
	if (n == (ssize_t)len) {
		handshake->said = 1;
		return 0;
	}
	if (n != -1 || errno == EAGAIN)
		errno = ENOBUFS;
	return -1;
}

static enum answer_status
fail(unsigned int *error, unsigned int what)
{
	*error = what;
	return ANSWER_BAD;
}

/* Bytes that are there, behind those of answers before, or -1 with *error. */
static ssize_t
look(struct handshake *handshake, int fd, unsigned int *error)
{
	ssize_t n = recv(fd, shared.heard, sizeof(shared.heard), MSG_PEEK);

	*error = n == -1 ? (unsigned int)errno : FLOW_ERROR_ENDED;
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
		return -1;
	return n > handshake->passed ? n - handshake->passed : 0;
}

static enum answer_status
hear(struct handshake *handshake, const struct handshake_terms *terms, int fd,
    unsigned int *error)
{
	uint8_t next = steps[handshake->step].next;
	struct answer answer = { 0 };
	enum answer_status status;
	ssize_t n = look(handshake, fd, error);

	if (n == -1)
		return ANSWER_BAD;
	status = steps[handshake->step].hear(
	    terms, shared.heard + handshake->passed, (size_t)n, &answer, &next);
	if (status == ANSWER_BAD)
		return fail(error, answer.error);
	handshake->read_all = answer.used == (size_t)n;
	if (status == ANSWER_MORE)
		return handshake->ended ? fail(error, FLOW_ERROR_ENDED)
					: ANSWER_MORE;
	handshake->passed = (uint16_t)(handshake->passed + answer.used);
	handshake->step = next;
	handshake->said = 0;
	return ANSWER_GOOD;
}

/* Takes the answers, and nothing behind them. */
static enum answer_status
take(const struct handshake *handshake, int fd, unsigned int *error)
{
	ssize_t n = recv(fd, shared.heard, handshake->passed, 0);

	return n == handshake->passed ? ANSWER_GOOD
				      : fail(error, FLOW_ERROR_ENDED);
}

enum answer_status
handshake_run(struct handshake *handshake, const struct handshake_terms *terms,
    int fd, unsigned int *error)
{
	enum answer_status status;
	int may_hear;

	while (handshake->step != DONE) {
		if (terms->record == NULL && handshake->step >= REQUEST)
			return ANSWER_GOOD;
		may_hear =
		    handshake->said || !handshake->read_all || handshake->ended;
		if (!handshake->said && say(handshake, terms, fd) == -1)
			return fail(error, (unsigned int)errno);
		if (steps[handshake->step].hear == NULL) {
			handshake->step = steps[handshake->step].next;
			continue;
		}
		/* What comes from now on has an event of its own. */
		if (!may_hear)
			return ANSWER_MORE;
		status = hear(handshake, terms, fd, error);
		if (status != ANSWER_GOOD)
			return status;
	}
	return handshake->passed > 0 ? take(handshake, fd, error) : ANSWER_GOOD;
}
