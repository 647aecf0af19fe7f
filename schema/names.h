/* SPDX-License-Identifier: ISC */
/* What the kernel is to pass by a rule with `by dns', see policy/told.h. */
#ifndef SCHEMA_NAMES_H
#define SCHEMA_NAMES_H

#include <stdint.h>

/* From that client to that server, for so long; addresses as in flow.h. */
struct names_pair {
	uint8_t client[16];
	uint8_t server[16];
	uint32_t left_s;
	uint16_t rule;
	uint16_t reserved; /* 0 */
};

#endif
