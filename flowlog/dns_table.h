/* SPDX-License-Identifier: ISC */
/*
 * Questions of DNS in the database: the rows behind the view `dns'.  A row's id
 * is its time, or the next one that is free; the same question told twice is
 * one row.
 *
 * Functions that return int give 0, or -1 with errno as in flowlog/store.h, and
 * belong into a transaction of that store.
 */
#ifndef FLOWLOG_DNS_TABLE_H
#define FLOWLOG_DNS_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "schema/dns.h"

struct dns_table;
struct store;

/* The store must last longer.  NULL with errno. */
struct dns_table *dns_table_new(struct store *);
void dns_table_free(struct dns_table *); /* NULL is fine */

/*
 * The record must be in order; *added is 0 when it is there already, -1 when so
 * many have its time that it gets no row.
 */
int dns_table_add(struct dns_table *, const struct dns_record *, int *added);

struct dns_added {
	uint64_t rows, lost;
};

/*
 * The same for len bytes of records, one behind the other; to *added comes how
 * many were not there, and how many got no row.
 */
int dns_table_add_all(struct dns_table *, const void *records, size_t len,
    struct dns_added *added);

/* Removes up to count of the oldest before a time. */
int
dns_table_remove_before(struct dns_table *, int64_t before_us, uint64_t count);

#endif
