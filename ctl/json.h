/* SPDX-License-Identifier: ISC */
/*
 * Writes JSON (RFC 8259), value by value, without line breaks.  Strings may
 * hold any bytes: what is not UTF-8 becomes U+FFFD, and every control
 * character is escaped, so that the output cannot drive a terminal.
 */
#ifndef CTL_JSON_H
#define CTL_JSON_H

#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 16

struct json {
	FILE *out;
	unsigned int depth;
	int filled[JSON_DEPTH_MAX]; /* whether a comma is due */
};

void json_begin(struct json *, FILE *);

/* key is NULL inside arrays and at the top. */
void json_object(struct json *, const char *key);
void json_object_end(struct json *);
void json_array(struct json *, const char *key);
void json_array_end(struct json *);

void json_string(struct json *, const char *key, const char *); /* or NULL */
void json_int(struct json *, const char *key, int64_t);
void json_uint(struct json *, const char *key, uint64_t);
void json_real(struct json *, const char *key, double);
void json_null(struct json *, const char *key);

#endif
