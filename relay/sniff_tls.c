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

/* What follows the head of a handshake message. */
static size_t
body_length(const uint8_t *head)
{
	return (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
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
	(void)take(&message, MESSAGE_HEAD);
	due = body_length(bytes);
	name->too_long = due > SNIFF_MOST_BYTES - MESSAGE_HEAD;
	if (name->too_long)
		return SNIFF_NONE;
	if (message.left < due)
		return SNIFF_MORE;
	return hello(take(&message, due), source, name);
}

/* What a record carries, by its head. */
static size_t
record_size(const uint8_t *head)
{
	return (size_t)head[3] << 8 | head[4];
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
	size = record_size(head);
	return size > 0 && size <= RECORD_MOST;
}

/*
 * Goes on over records until they carry as much of the message as is due.
 * FOUND then; those that are whole are not gone over again.
 */
static enum sniff_status
records_count(
    struct sniff_course *course, const uint8_t *bytes, size_t len, size_t due)
{
	size_t left, size;

	while (course->message < due) {
		left = len - course->at;
		if (left > 0 && !is_record(bytes + course->at, left))
			return SNIFF_NONE;
		if (left < RECORD_HEAD)
			return SNIFF_MORE;
		left -= RECORD_HEAD;
		size = record_size(bytes + course->at);
		if (size > left)
			return course->message + left < due ? SNIFF_MORE
							    : SNIFF_FOUND;
		course->at += (uint32_t)(RECORD_HEAD + size);
		course->message += (uint32_t)size;
	}
	return SNIFF_FOUND;
}

/* Puts together what records carry, which were counted: how much, up to most.
 */
static size_t
records_join(const uint8_t *bytes, size_t len, uint8_t *message, size_t most)
{
	size_t used = 0, at = 0, size;

	while (used < most && len - at > RECORD_HEAD) {
		size = record_size(bytes + at);
		at += RECORD_HEAD;
		if (size > len - at)
			size = len - at;
		if (size > most - used)
			size = most - used;
		memcpy(message + used, bytes + at, size);
		used += size;
		at += size;
	}
	return used;
}

enum sniff_status
sniff_tls(struct sniff_course *course, const uint8_t *bytes, size_t len,
    struct sniff_name *name)
{
	static uint8_t message[SNIFF_MOST_BYTES];
	size_t due = MESSAGE_HEAD;
	enum sniff_status counted, status;

	memset(name, 0, sizeof(*name));
	counted = records_count(course, bytes, len, due);
	if (counted == SNIFF_NONE)
		return SNIFF_NONE;
	status = sniff_hello(message, records_join(bytes, len, message, due),
	    FLOW_HOST_SNI, name);
	if (status != SNIFF_MORE || counted == SNIFF_MORE)
		return status;
	due += body_length(message);
	counted = records_count(course, bytes, len, due);
	if (counted != SNIFF_FOUND)
		return counted;
	return sniff_hello(message, records_join(bytes, len, message, due),
	    FLOW_HOST_SNI, name);
}
