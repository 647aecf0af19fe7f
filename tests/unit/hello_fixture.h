/* SPDX-License-Identifier: ISC */
/* ClientHellos for tests, built from their parts. */
#ifndef TESTS_UNIT_HELLO_FIXTURE_H
#define TESTS_UNIT_HELLO_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "relay/sniff.h"

#define FIXTURE_ECH 0xfe0d
#define FIXTURE_GREASE 0x5a5a

struct fixture_bytes {
	uint8_t at[SNIFF_MOST_SENT + 1024];
	size_t len;
};

static inline void
fixture_put(struct fixture_bytes *out, const void *bytes, size_t len)
{
	memcpy(out->at + out->len, bytes, len);
	out->len += len;
}

static inline void
fixture_number(struct fixture_bytes *out, size_t value, int bytes)
{
	while (bytes-- > 0)
		out->at[out->len++] = (uint8_t)(value >> 8 * bytes);
}

static inline void
fixture_extension(
    struct fixture_bytes *out, unsigned int type, const void *body, size_t len)
{
	fixture_number(out, type, 2);
	fixture_number(out, len, 2);
	fixture_put(out, body, len);
}

/* The bytes end where their memory does, so that a sanitizer sees more. */
static inline enum sniff_status
fixture_sniff_on(struct sniff_course *course, const void *from, size_t len,
    struct sniff_name *name)
{
	uint8_t *bytes = malloc(len + 1);
	enum sniff_status status;

	memcpy(bytes + 1, from, len);
	status = sniff_stream(course, bytes + 1, len, name);
	free(bytes);
	return status;
}

/* As if all of them had come at once. */
static inline enum sniff_status
fixture_sniff(const void *from, size_t len, struct sniff_name *name)
{
	struct sniff_course course = { 0 };

	return fixture_sniff_on(&course, from, len, name);
}

/* A server_name extension with one name. */
static inline void
fixture_name(struct fixture_bytes *out, const void *name, size_t len)
{
	fixture_number(out, 0, 2);
	fixture_number(out, len + 5, 2);
	fixture_number(out, len + 3, 2);
	fixture_number(out, 0, 1);
	fixture_number(out, len, 2);
	fixture_put(out, name, len);
}

/* The handshake message around these extensions. */
static inline void
fixture_message(
    struct fixture_bytes *out, const struct fixture_bytes *extensions)
{
	static const uint8_t front[] = { 3, 3, [2 ... 33] = 0x77, 2, 0xab,
		0xcd,			      /* session id */
		0, 4, 0x0a, 0x0a, 0x13, 0x01, /* suites, one of them GREASE */
		1, 0 };

	out->len = 0;
	fixture_number(out, 1, 1);
	fixture_number(out, sizeof(front) + 2 + extensions->len, 3);
	fixture_put(out, front, sizeof(front));
	fixture_number(out, extensions->len, 2);
	fixture_put(out, extensions->at, extensions->len);
}

/* As browsers send it: GREASE, a name, more extensions. */
static inline void
fixture_hello(struct fixture_bytes *out, const char *name)
{
	static struct fixture_bytes extensions;

	extensions.len = 0;
	fixture_extension(&extensions, FIXTURE_GREASE, "", 0);
	fixture_extension(&extensions, 43, "\4\x5a\x5a\3\4", 5);
	if (name != NULL)
		fixture_name(&extensions, name, strlen(name));
	fixture_extension(&extensions, 23, "", 0);
	fixture_extension(&extensions, 0xcaca, "\0", 1);
	fixture_message(out, &extensions);
}

/* The message cut into records of at most so many bytes. */
static inline void
fixture_records(
    struct fixture_bytes *out, const struct fixture_bytes *message, size_t most)
{
	size_t at = 0, len;

	for (out->len = 0; at < message->len; at += len) {
		len = message->len - at < most ? message->len - at : most;
		fixture_put(out, "\x16\3\1", 3);
		fixture_number(out, len, 2);
		fixture_put(out, message->at + at, len);
	}
}

#endif
