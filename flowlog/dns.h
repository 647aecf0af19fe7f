/* SPDX-License-Identifier: ISC */
/*
 * The dnsd processes: one channel each, DNS_ROWS in, DNS_ACK out once the rows
 * are on disk.  One that sends a record it cannot mean is cut off.  While the
 * database cannot be written so much waits, then records are counted as lost.
 */
#ifndef FLOWLOG_DNS_H
#define FLOWLOG_DNS_H

#include <stddef.h>
#include <stdint.h>

struct batch;
struct dns;
struct event_base;
struct image;
struct store;

#define DNS_WAITING_BYTES (16U << 20)

/* A dnsd broke the contract and was cut off; why says which rule. */
typedef void dns_violation_fn(void *ctx, unsigned int worker, const char *why);

/* Losses are the batch's to write.  NULL with ENOMEM. */
struct dns *
dns_new(struct event_base *, struct batch *, dns_violation_fn *, void *ctx);
void dns_free(struct dns *); /* NULL is fine */

/* NULL: keep everything for now.  -1 with errno as in flowlog/store.h. */
int dns_set_store(struct dns *, struct store *);

/*
 * Takes fd over: dnsd number worker sends its rows there from now on.  -1 with
 * errno, fd closed.
 */
int dns_open(struct dns *, unsigned int worker, int fd);

/*
 * The dnsd of that number is dead: takes what it has left in the journal behind
 * fd, which stays the caller's, and has not sent.  -1 with errno of
 * memfd_map_shared(), or EBADMSG when that is not a journal of this worker.
 */
int dns_import(struct dns *, unsigned int worker, int fd);

/* Writes all that waits, now.  -1 when some of it still waits. */
int dns_flush(struct dns *);

/* Removes what is older than the image wants; to be called now and then. */
void dns_retire(struct dns *, const struct image *);

/* How many channels are open. */
size_t dns_count(const struct dns *);

uint64_t dns_written(const struct dns *); /* rows, since the start */

#endif
