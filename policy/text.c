/* SPDX-License-Identifier: ISC */
/* A growing buffer.  Pure. */
#include "policy/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_FIRST_BYTES 256

/* Makes room for len more bytes and a NUL. */
static int
reserve(struct text *text, size_t len)
{
	size_t need, size = text->size > 0 ? text->size : TEXT_FIRST_BYTES;
	char *bytes;

	if (text->failed)
		return -1;
	if (len >= SIZE_MAX / 4 || text->len >= SIZE_MAX / 4)
		goto fail;
	need = text->len + len + 1;
	if (need <= text->size)
		return 0;
	while (size < need)
		size *= 2;
	bytes = realloc(text->bytes, size);
	if (bytes == NULL)
		goto fail;
	text->bytes = bytes;
	text->size = size;
	return 0;

fail:
	text->failed = 1;
	return -1;
}

void
text_append(struct text *text, const char *bytes, size_t len)
{
	if (reserve(text, len) == -1)
		return;
	if (len > 0)
		memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
	text->bytes[text->len] = '\0';
}

void
text_puts(struct text *text, const char *string)
{
	text_append(text, string, strlen(string));
}

void
text_printf(struct text *text, const char *format, ...)
{
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (len < 0) {
		text->failed = 1;
		return;
	}
	if (reserve(text, (size_t)len) == -1)
		return;
	va_start(ap, format);
	vsnprintf(text->bytes + text->len, (size_t)len + 1, format, ap);
	va_end(ap);
	text->len += (size_t)len;
}

void
text_escape(struct text *text, const char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)bytes[i];

		if (byte >= ' ' && byte <= '~')
			text_append(text, bytes + i, 1);
		else
			text_printf(text, "\\x%02x", byte);
	}
}

int
text_check(const struct text *text)
{
	if (!text->failed)
		return 0;
	errno = ENOMEM;
	return -1;
}

void
text_free(struct text *text)
{
	free(text->bytes);
	memset(text, 0, sizeof(*text));
}
