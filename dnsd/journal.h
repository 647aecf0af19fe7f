/* SPDX-License-Identifier: ISC */
/*
 * The records of questions on their way to the flow log.  They go out in
 * messages of as many as fit, at the latest DNS_JOURNAL_US after the first, and
 * are kept until the flow log has said that they are on disk; what it has not
 * said is sent again when it was restarted.  They lie in memory that the flow
 * log reads when this process has died.  Nothing here waits: records that find
 * no room are counted, and the flow log is told how many.
 */
#ifndef DNSD_JOURNAL_H
#define DNSD_JOURNAL_H

#include <stdint.h>

#include "schema/dns.h"

struct dns_journal;
struct event_base;
struct ipc_channel;
struct journal;

#define DNS_JOURNAL_US 100000

/* The memory is all zero, and stays the caller's.  NULL with ENOMEM. */
struct journal *
journal_new(struct event_base *, struct dns_journal *, uint32_t worker);
void journal_free(struct journal *); /* NULL is fine */

/* one_in: how many questions it stands for. */
void journal_add(struct journal *, const struct dns_record *, uint32_t one_in);

/* The way to the flow log, or NULL while there is none.  Not owned. */
void journal_set_log(struct journal *, struct ipc_channel *);

/* Everything up to this sequence is on disk. */
void journal_acknowledge(struct journal *, uint64_t sequence);

/* Sends what waits, as far as the channel takes it. */
void journal_flush(struct journal *);

uint64_t journal_dropped(const struct journal *);

#endif
