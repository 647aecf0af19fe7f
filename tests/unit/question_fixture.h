/* SPDX-License-Identifier: ISC */
/* Records of questions for tests. */
#ifndef TESTS_QUESTION_FIXTURE_H
#define TESTS_QUESTION_FIXTURE_H

#include <string.h>

#include "schema/dns.h"

/* Question number n of a dnsd: everything in it is in order. */
static inline struct dns_record
fixture_question(unsigned int worker, uint64_t n)
{
	static const uint8_t name[] = "\3www\7example\3org";
	static const uint8_t summary[] = { 0, 5, 5, 3, 'c', 'd', 'n', 0, 0, 1,
		4, 198, 51, 100, 7, 0, 28, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 7, 0, 16, 0 };
	struct dns_record record = {
		.time_us = 1700000000123456 + (int64_t)n * 1000,
		.latency_us = 250,
		.ttl_s = 300,
		.generation = 1,
		.client = { [10] = 0xff, 0xff, 192, 0, 2, 1 },
		.server = { [10] = 0xff, 0xff, 198, 51, 100, 53 },
		.cport = 40000,
		.qtype = 1,
		.rcode = 0,
		.ede = DNS_EDE_NONE,
		.rule = DNS_RULE_NONE,
		.answer_count = 4,
		.summary_bytes = sizeof(summary),
		.name_bytes = sizeof(name),
		.transport = DNS_TRANSPORT_UDP,
		.source = DNS_SOURCE_RESOLVER,
		.security = DNS_SECURITY_SECURE,
		.action = FLOW_ACTION_RELAY,
		.capture = FLOW_CAPTURE_FORWARDED,
		.worker = (uint8_t)worker,
		.one_in = 1,
	};

	memcpy(record.rest, name, sizeof(name));
	memcpy(record.rest + sizeof(name), summary, sizeof(summary));
	return record;
}

#endif
