/* SPDX-License-Identifier: ISC */
/*
 * Values as parameters of a statement, sqlite3_bind(3): at counts from 1.
 * Without memory the value is null or empty.
 */
#ifndef FLOWLOG_BIND_H
#define FLOWLOG_BIND_H

#include <stdint.h>

struct sqlite3_stmt;

/* Null for the value none. */
void bind_unless(struct sqlite3_stmt *, int at, uint32_t value, uint32_t none);

/* As text, IPv4 dotted. */
void bind_address(struct sqlite3_stmt *, int at, const uint8_t bytes[16]);

/* As text, or null: flow_error_text(). */
void bind_error(struct sqlite3_stmt *, int at, unsigned int error);

/* What is not printable ASCII is escaped. */
void bind_printable(struct sqlite3_stmt *, int at, const char *text);

#endif
