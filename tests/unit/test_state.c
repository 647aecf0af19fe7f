/* SPDX-License-Identifier: ISC */
#include "supervisor/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void
test_a_lease_arms_and_a_pause_pauses(void **state)
{
	enum ipc_state from;

	(void)state;
	for (from = 0; from < IPC_STATE_STOPPING; from++) {
		assert_int_equal(
		    state_next(from, STATE_CAPTURES, 0), IPC_STATE_ARMED);
		assert_int_equal(
		    state_next(from, STATE_PASSES, 0), IPC_STATE_PAUSED);
	}
}

static void
test_a_lapse_leads_where_the_operator_chose(void **state)
{
	enum ipc_state from;

	(void)state;
	for (from = IPC_STATE_ARMED; from < IPC_STATE_STOPPING; from++) {
		assert_int_equal(
		    state_next(from, STATE_LAPSES, ON_FAILURE_CLOSED),
		    IPC_STATE_CLOSED);
		assert_int_equal(
		    state_next(from, STATE_LAPSES, ON_FAILURE_OPEN),
		    IPC_STATE_OPEN);
	}
}

static void
test_what_never_was_armed_cannot_lapse(void **state)
{
	(void)state;
	assert_int_equal(
	    state_next(IPC_STATE_STARTING, STATE_LAPSES, ON_FAILURE_OPEN),
	    IPC_STATE_STARTING);
}

static void
test_every_state_stops_and_none_follows(void **state)
{
	enum state_input input;
	enum ipc_state from;

	(void)state;
	for (from = 0; from < IPC_STATE_COUNT; from++)
		assert_int_equal(
		    state_next(from, STATE_STOPS, 0), IPC_STATE_STOPPING);
	for (input = 0; input < STATE_INPUT_COUNT; input++)
		assert_int_equal(state_next(IPC_STATE_STOPPING, input, 0),
		    IPC_STATE_STOPPING);
}

static void
test_only_armed_and_paused_have_a_lease(void **state)
{
	(void)state;
	assert_int_equal(state_lease(IPC_STATE_ARMED), IPC_LEASE_CAPTURE);
	assert_int_equal(state_lease(IPC_STATE_PAUSED), IPC_LEASE_PAUSE);
	assert_int_equal(state_lease(IPC_STATE_STARTING), IPC_LEASE_NONE);
	assert_int_equal(state_lease(IPC_STATE_OPEN), IPC_LEASE_NONE);
	assert_int_equal(state_lease(IPC_STATE_CLOSED), IPC_LEASE_NONE);
	assert_int_equal(state_lease(IPC_STATE_STOPPING), IPC_LEASE_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lease_arms_and_a_pause_pauses),
		cmocka_unit_test(test_a_lapse_leads_where_the_operator_chose),
		cmocka_unit_test(test_what_never_was_armed_cannot_lapse),
		cmocka_unit_test(test_every_state_stops_and_none_follows),
		cmocka_unit_test(test_only_armed_and_paused_have_a_lease),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
