/* SPDX-License-Identifier: ISC */
/* Why an answer is forged, in the words of libunbound 1.17 (RFC 8914, 4). */
#include "dnsd/resolver/bogus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FAILURE "validation failure <www.example. A IN>: "
#define KEY " for key example. while building chain of trust"

static void
test_reasons_are_told_apart(void **state)
{
	static const struct {
		const char *why;
		uint16_t ede;
	} rows[] = {
		{ FAILURE "signature expired from 192.0.2.1" KEY, 7 },
		{ FAILURE "signature before inception date from 192.0.2.1", 8 },
		{ FAILURE "no signatures from 192.0.2.1", 10 },
		{ FAILURE "no signatures over NSEC3s from 192.0.2.1", 10 },
		{ FAILURE "No DNSKEY record from 192.0.2.1" KEY, 9 },
		{ FAILURE "no DNSKEY rrset from 192.0.2.1" KEY, 9 },
		{ FAILURE "DNSKEY missing from 192.0.2.1", 9 },
		{ FAILURE "no keys have a DS with algorithm RSASHA256" KEY, 9 },
		{ FAILURE "unable to verify signature, unknown algorithm", 1 },
		{ FAILURE "unsupported algorithm by crypto library", 1 },
		{ FAILURE "no NSEC3 records from 192.0.2.1", 12 },
		{ FAILURE "no NSEC3 closest encloser from 192.0.2.1", 12 },
		{ FAILURE "key for validation example. is marked as invalid "
			  "because of a previous " FAILURE
			  "signature expired from 192.0.2.1" KEY,
		    7 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(bogus_ede(rows[i].why), rows[i].ede);
}

static void
test_all_others_are_bogus_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(bogus_ede(NULL), 6);
	assert_int_equal(bogus_ede(""), 6);
	assert_int_equal(
	    bogus_ede(FAILURE "ECDSA signature verification failed"), 6);
	assert_int_equal(bogus_ede(FAILURE "no DNSSEC records" KEY), 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons_are_told_apart),
		cmocka_unit_test(test_all_others_are_bogus_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
