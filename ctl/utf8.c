/* SPDX-License-Identifier: ISC */
#include "ctl/utf8.h"

static const struct {
	uint8_t mask;
	uint8_t lead;
	uint32_t least; /* smaller codes have a shorter form */
} forms[] = {
	{ 0x80, 0x00, 0 },
	{ 0xe0, 0xc0, 0x80 },
	{ 0xf0, 0xe0, 0x800 },
	{ 0xf8, 0xf0, 0x10000 },
};

static size_t
bad(uint32_t *code)
{
	*code = UTF8_BAD;
	return 1;
}

size_t
utf8_next(const char *text, uint32_t *code)
{
	const uint8_t *bytes = (const uint8_t *)text;
	size_t form, i;

	for (form = 0; form < 4; form++)
		if ((bytes[0] & forms[form].mask) == forms[form].lead)
			break;
	if (form == 4)
		return bad(code);
	*code = bytes[0] & (uint8_t)~forms[form].mask;
	/* The NUL at the end is no continuation: nothing is read past it. */
	for (i = 1; i <= form; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return bad(code);
		*code = *code << 6 | (bytes[i] & 0x3f);
	}
	if (*code < forms[form].least || *code > 0x10ffff ||
	    (*code >= 0xd800 && *code <= 0xdfff))
		return bad(code);
	return form + 1;
}

int
utf8_is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ||
	       (code >= 0x200e && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}
