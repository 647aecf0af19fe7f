/* SPDX-License-Identifier: ISC */
/*
 * Reads ClientHellos of hostile clients.  A hello is read only when all of it
 * is there; every length in it is checked against what encloses it.
 */
#include "relay/sniff_tls.h"

#include <string.h>

#define RECORD_HEAD 5
#define RECORD_MOST 16384
#define MESSAGE_HEAD 4
#define CLIENT_HELLO 1
#define VERSION_MAJOR 3
#define RANDOM_BYTES 32
#define SESSION_ID_MOST 32
#define SERVER_NAME 0
#define ENCRYPTED_CLIENT_HELLO 0xfe0d
#define HOST_NAME 0

/* Bytes not yet read.  A read beyond the end makes it bad, and gives zeros. */
struct reader {
	const uint8_t *at;
	size_t left;
	int bad;
};

static struct reader
take(struct reader *reader, size_t len)
{
	struct reader part = { .at = reader->at, .left = len };

	if (reader->bad || len > reader->left) {
		reader->bad = 1;
		part.left = 0;
		part.bad = 1;
		return part;
	}
	reader->at += len;
	reader->left -= len;
	return part;
}

static size_t
number(struct reader *reader, size_t bytes)
{
	struct reader part = take(reader, bytes);
	size_t value = 0;

	for (; part.left > 0; part.left--)
		value = value << 8 | *part.at++;
	return value;
}

/* What stands behind its own length of so many bytes. */
static struct reader
vector(struct reader *reader, size_t length_bytes)
{
	size_t len = number(reader, length_bytes);

	return take(reader, len);
}

/* ServerNameList; a second name of one type is forbidden. */
static enum sniff_status
server_name(
    struct reader body, enum flow_host_source source, struct sniff_name *name)
{
	struct reader list = vector(&body, 2), text, host = { 0 };
	size_t type;
	int hosts = 0;

	while (list.left > 0 && !list.bad) {
		type = number(&list, 1);
		text = vector(&list, 2);
		if (type == HOST_NAME) {
			host = text;
			hosts++;
		}
	}
	if (list.bad || body.bad || body.left > 0 || hosts != 1)
		return SNIFF_NONE;
	return sniff_take_host(name, host.at, host.left, source);
}

static enum sniff_status
extensions(
    struct reader list, enum flow_host_source source, struct sniff_name *name)
{
	struct reader body, found = { 0 };
	size_t type;
	int names = 0;

	while (list.left > 0 && !list.bad) {
		type = number(&list, 2);
		body = vector(&list, 2);
		if (body.bad)
			return SNIFF_NONE;
		name->ech |= type == ENCRYPTED_CLIENT_HELLO;
		if (type == SERVER_NAME) {
			found = body;
			names++;
		}
	}
	if (list.bad || names != 1)
		return SNIFF_NONE;
	return server_name(found, source, name);
}

/* The body of a ClientHello, all of it. */
static enum sniff_status
hello(struct reader body, enum flow_host_source source, struct sniff_name *name)
{
	struct reader session, suites, compressions, list;

	if (number(&body, 1) != VERSION_MAJOR)
		return SNIFF_NONE;
	(void)take(&body, 1 + RANDOM_BYTES);
	session = vector(&body, 1);
	suites = vector(&body, 2);
	compressions = vector(&body, 1);
	if (body.bad || session.left > SESSION_ID_MOST || suites.left < 2 ||
	    suites.left % 2 != 0 || compressions.left == 0)
		return SNIFF_NONE;
	if (body.left == 0)
		return SNIFF_NONE; /* older than extensions are */
	list = vector(&body, 2);
	if (body.bad || body.left > 0)
		return SNIFF_NONE;
	return extensions(list, source, name);
}

enum sniff_status
sniff_hello(const uint8_t *bytes, size_t len, enum flow_host_source source,
    struct sniff_name *name)
{
	struct reader message = { .at = bytes, .left = len };
	size_t due;

	memset(name, 0, sizeof(*name));
	if (len > 0 && bytes[0] != CLIENT_HELLO)
		return SNIFF_NONE;
	if (len < MESSAGE_HEAD)
		return SNIFF_MORE;
	(void)take(&message, 1);
	due = number(&message, MESSAGE_HEAD - 1);
	name->too_long = due > SNIFF_MOST_BYTES - MESSAGE_HEAD;
	if (name->too_long)
		return SNIFF_NONE;
	if (message.left < due)
		return SNIFF_MORE;
	return hello(take(&message, due), source, name);
}

/* Is this the beginning of a record that can be part of a hello? */
static int
is_record(const uint8_t *head, size_t len)
{
	size_t size;

	if (head[0] != SNIFF_TLS_FIRST || (len > 1 && head[1] != VERSION_MAJOR))
		return 0;
	if (len < RECORD_HEAD)
		return 1;
	/* Empty records of handshake are forbidden: RFC 8446, 5.1. */
	size = (size_t)head[3] << 8 | head[4];
	return size > 0 && size <= RECORD_MOST;
}

enum sniff_status
sniff_tls(const uint8_t *bytes, size_t len, struct sniff_name *name)
{
	uint8_t message[SNIFF_MOST_BYTES];
	enum sniff_status status = SNIFF_MORE;
	size_t used = 0, given, size;

	memset(name, 0, sizeof(*name));
	if (len > SNIFF_MOST_BYTES)
		len = SNIFF_MOST_BYTES;
	given = len;
	while (len > 0 && status == SNIFF_MORE) {
		if (!is_record(bytes, len))
			return SNIFF_NONE;
		if (len < RECORD_HEAD)
			break;
		size = (size_t)bytes[3] << 8 | bytes[4];
		bytes += RECORD_HEAD;
		len -= RECORD_HEAD;
		if (size > len)
			size = len;
		memcpy(message + used, bytes, size);
		used += size;
		bytes += size;
		len -= size;
		status = sniff_hello(message, used, FLOW_HOST_SNI, name);
	}
	if (status != SNIFF_MORE)
		return status;
	status = sniff_short(given);
	name->too_long = status == SNIFF_NONE;
	return status;
}
