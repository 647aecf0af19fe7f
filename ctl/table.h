/* SPDX-License-Identifier: ISC */
/*
 * Text for people.  Whatever is printed through here may come from the
 * network: control characters and broken UTF-8 are shown as \xNN.
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct table_column {
	const char *title;
	int width; /* in characters; negative: to the left; 0: as it comes */
};

/* Ends with title NULL. */
void table_head(FILE *, const struct table_column *);

/* As many cells as columns; NULL shows as "-". */
void table_row(FILE *, const struct table_column *, const char *const cells[]);

/* The text alone; returns how many characters wide it is. */
int table_text(FILE *, const char *text);

/* "1.2M": at most six characters.  Returns buf. */
char *table_bytes(unsigned long long bytes, char buf[16]);

#endif
