/* SPDX-License-Identifier: ISC */
#include "ctl/table.h"

#include "ctl/utf8.h"

int
table_text(FILE *out, const char *text)
{
	uint32_t code;
	size_t len, i;
	int width = 0;

	for (; *text != '\0'; text += len) {
		len = utf8_next(text, &code);
		if (!utf8_is_control(code) && !(code == UTF8_BAD && len == 1)) {
			(void)fwrite(text, 1, len, out);
			width++;
			continue;
		}
		for (i = 0; i < len; i++)
			(void)fprintf(out, "\\x%02x", (unsigned char)text[i]);
		width += (int)len * 4;
	}
	return width;
}

/* How wide table_text() would be, for padding on the left. */
static int
text_width(const char *text)
{
	uint32_t code;
	size_t len;
	int width = 0;

	for (; *text != '\0'; text += len) {
		len = utf8_next(text, &code);
		if (utf8_is_control(code) || (code == UTF8_BAD && len == 1))
			width += (int)len * 4;
		else
			width++;
	}
	return width;
}

static void
pad(FILE *out, int count)
{
	for (; count > 0; count--)
		(void)putc(' ', out);
}

static void
cell(FILE *out, const struct table_column *column, const char *text)
{
	if (column->width > 0)
		pad(out, column->width - text_width(text));
	if (column->width < 0)
		pad(out, -column->width - table_text(out, text));
	else
		(void)table_text(out, text);
}

void
table_row(
    FILE *out, const struct table_column *columns, const char *const cells[])
{
	size_t i;

	for (i = 0; columns[i].title != NULL; i++) {
		if (i > 0)
			(void)putc(' ', out);
		cell(out, &columns[i], cells[i] == NULL ? "-" : cells[i]);
	}
	(void)putc('\n', out);
}

void
table_head(FILE *out, const struct table_column *columns)
{
	size_t i;

	for (i = 0; columns[i].title != NULL; i++) {
		if (i > 0)
			(void)putc(' ', out);
		cell(out, &columns[i], columns[i].title);
	}
	(void)putc('\n', out);
}

char *
table_bytes(unsigned long long bytes, char buf[16])
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes;
	int unit = -1;

	while (value >= 999.5 && units[unit + 1] != '\0') {
		value /= 1024;
		unit++;
	}
	if (unit == -1)
		(void)snprintf(buf, 16, "%llu", bytes);
	else
		(void)snprintf(buf, 16, value < 9.95 ? "%.1f%c" : "%.0f%c",
		    value, units[unit]);
	return buf;
}
