/* SPDX-License-Identifier: ISC */
/* Writes what processes have told into statements, bounded and escaped. */
#include "flowlog/bind.h"

#include <sqlite3.h>
#include <string.h>

#include "common/addr.h"
#include "schema/flow.h"

void
bind_unless(sqlite3_stmt *statement, int at, uint32_t value, uint32_t none)
{
	if (value == none)
		(void)sqlite3_bind_null(statement, at);
	else
		(void)sqlite3_bind_int64(statement, at, value);
}

void
bind_address(sqlite3_stmt *statement, int at, const uint8_t bytes[16])
{
	struct addr addr;
	char text[ADDR_TEXT_BYTES];

	memcpy(addr.byte, bytes, sizeof(addr.byte));
	(void)sqlite3_bind_text(
	    statement, at, addr_format(&addr, text), -1, SQLITE_TRANSIENT);
}

void
bind_error(sqlite3_stmt *statement, int at, unsigned int error)
{
	char buf[FLOW_ERROR_BYTES];
	const char *text = flow_error_text(error, buf);

	if (text == NULL)
		(void)sqlite3_bind_null(statement, at);
	else
		(void)sqlite3_bind_text(
		    statement, at, text, -1, SQLITE_TRANSIENT);
}

/* A terminal that shows the log must not be driven by what is in it. */
void
bind_printable(sqlite3_stmt *statement, int at, const char *text)
{
	sqlite3_str *out = sqlite3_str_new(NULL);
	char *printable;

	for (; *text != '\0'; text++) {
		if (*text >= 0x20 && *text < 0x7f)
			sqlite3_str_appendchar(out, 1, *text);
		else
			sqlite3_str_appendf(
			    out, "\\x%02x", (unsigned char)*text);
	}
	if ((printable = sqlite3_str_finish(out)) == NULL)
		(void)sqlite3_bind_text(statement, at, "", 0, SQLITE_STATIC);
	else
		(void)sqlite3_bind_text(
		    statement, at, printable, -1, sqlite3_free);
}
