/* SPDX-License-Identifier: ISC */
#include "ctl/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ctl/utf8.h"

void
json_begin(struct json *json, FILE *out)
{
	memset(json, 0, sizeof(*json));
	json->out = out;
}

static void
put_escaped(FILE *out, uint32_t code)
{
	if (code > 0xffff) {
		code -= 0x10000;
		(void)fprintf(out, "\\u%04" PRIx32, 0xd800 | code >> 10);
		code = 0xdc00 | (code & 0x3ff);
	}
	(void)fprintf(out, "\\u%04" PRIx32, code);
}

static void
put_string(FILE *out, const char *text)
{
	uint32_t code;
	size_t len;

	(void)putc('"', out);
	for (; *text != '\0'; text += len) {
		len = utf8_next(text, &code);
		if (code == '"' || code == '\\')
			(void)fprintf(out, "\\%c", (char)code);
		else if (utf8_is_control(code) || code == UTF8_BAD)
			put_escaped(out, code);
		else
			(void)fwrite(text, 1, len, out);
	}
	(void)putc('"', out);
}

/* The comma and the key before a value. */
static void
lead(struct json *json, const char *key)
{
	if (json->filled[json->depth])
		(void)putc(',', json->out);
	json->filled[json->depth] = 1;
	if (key == NULL)
		return;
	put_string(json->out, key);
	(void)putc(':', json->out);
}

static void
open_level(struct json *json, const char *key, char bracket)
{
	lead(json, key);
	(void)putc(bracket, json->out);
	json->depth++;
	assert(json->depth < JSON_DEPTH_MAX);
	json->filled[json->depth] = 0;
}

static void
close_level(struct json *json, char bracket)
{
	assert(json->depth > 0);
	json->depth--;
	(void)putc(bracket, json->out);
}

void
json_object(struct json *json, const char *key)
{
	open_level(json, key, '{');
}

void
json_object_end(struct json *json)
{
	close_level(json, '}');
}

void
json_array(struct json *json, const char *key)
{
	open_level(json, key, '[');
}

void
json_array_end(struct json *json)
{
	close_level(json, ']');
}

void
json_string(struct json *json, const char *key, const char *text)
{
	if (text == NULL) {
		json_null(json, key);
		return;
	}
	lead(json, key);
	put_string(json->out, text);
}

void
json_int(struct json *json, const char *key, int64_t value)
{
	lead(json, key);
	(void)fprintf(json->out, "%" PRId64, value);
}

void
json_uint(struct json *json, const char *key, uint64_t value)
{
	lead(json, key);
	(void)fprintf(json->out, "%" PRIu64, value);
}

void
json_real(struct json *json, const char *key, double value)
{
	/* JSON has neither infinities nor NaN. */
	if (!isfinite(value)) {
		json_null(json, key);
		return;
	}
	lead(json, key);
	(void)fprintf(json->out, "%.15g", value);
}

void
json_null(struct json *json, const char *key)
{
	lead(json, key);
	(void)fputs("null", json->out);
}
