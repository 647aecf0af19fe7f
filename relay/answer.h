/* SPDX-License-Identifier: ISC */
/*
 * What the codecs of upstreams have in common: where a flow shall go, and what
 * became of an answer that may still be incomplete.
 */
#ifndef RELAY_ANSWER_H
#define RELAY_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define TARGET_HOST_BYTES 255 /* the longest name, without its NUL */

/* Where to: the host by its name when host is not NULL, else by its address. */
struct target {
	const char *host;
	struct addr addr;
	uint16_t port;
};

/* 1 to 255 bytes each; user NULL: none are known. */
struct credential {
	const char *user;
	const char *password;
};

enum answer_status {
	ANSWER_MORE, /* not whole yet */
	ANSWER_GOOD,
	ANSWER_BAD,
};

struct answer {
	size_t used;	/* of ANSWER_GOOD: bytes that are the answer's */
	uint16_t error; /* of ANSWER_BAD: as in struct flow_entry */
};

#endif
