/* SPDX-License-Identifier: ISC */
/* What is said about an answer: a row of the log, addresses, counts. */
#ifndef DNSD_REPORT_H
#define DNSD_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "schema/dns.h"

struct answer;
struct answer_age;
struct client;
struct front;
struct query;

/* An answer on its way to a client. */
struct reply {
	const struct client *client;
	const struct query *query;
	const struct answer *answer;
	const struct answer_age *age;
	enum dns_source source;
	uint16_t rule;
	int64_t asked_us;
	size_t bytes; /* of the message */
};

/*
 * Before it is sent: the addresses in it, if any.  0, or what it has to wait
 * for.
 */
uint64_t report_binding(struct front *, const struct reply *);

void report_reply(struct front *, const struct reply *);

#endif
