/* SPDX-License-Identifier: ISC */
/* Writes log lines to standard error; whole lines, one write each. */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 1024

static const char *log_name = "tpx";
static int log_index = -1;
static int log_verbose;

void
log_init(const char *name, int index, int verbose)
{
	log_name = name;
	log_index = index;
	log_verbose = verbose;
}

/* Appends text to line with every byte that is not printable escaped. */
static size_t
append_escaped(char *line, size_t len, const char *text)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char c;

	for (; *text != '\0' && len < LINE_BYTES - 5; text++) {
		c = (unsigned char)*text;
		if (c >= 0x20 && c < 0x7f) {
			line[len++] = (char)c;
			continue;
		}
		line[len++] = '\\';
		line[len++] = 'x';
		line[len++] = digits[c >> 4];
		line[len++] = digits[c & 15];
	}
	return len;
}

static void __attribute__((format(printf, 2, 0)))
log_line(int error, const char *format, va_list args)
{
	char text[LINE_BYTES];
	char line[LINE_BYTES];
	int saved = errno;
	size_t len;

	if (log_index >= 0)
		len =
		    (size_t)snprintf(line, 64, "%s[%d]: ", log_name, log_index);
	else
		len = (size_t)snprintf(line, 64, "%s: ", log_name);
	(void)vsnprintf(text, sizeof(text), format, args);
	len = append_escaped(line, len, text);
	if (error != 0) {
		len = append_escaped(line, len, ": ");
		len = append_escaped(line, len, strerror(error));
	}
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) == -1) {
		/* Nowhere is left to say so. */
	}
	errno = saved;
}

#define LOG_LINE(error)                          \
	do {                                     \
		va_list args;                    \
		va_start(args, format);          \
		log_line((error), format, args); \
		va_end(args);                    \
	} while (0)

void
log_warn(const char *format, ...)
{
	LOG_LINE(errno);
}

void
log_warnx(const char *format, ...)
{
	LOG_LINE(0);
}

void
log_info(const char *format, ...)
{
	LOG_LINE(0);
}

void
log_debug(const char *format, ...)
{
	if (log_verbose)
		LOG_LINE(0);
}

void
fatal(const char *format, ...)
{
	LOG_LINE(errno);
	exit(1);
}

void
fatalx(const char *format, ...)
{
	LOG_LINE(0);
	exit(1);
}
