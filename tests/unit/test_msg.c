/* SPDX-License-Identifier: ISC */
/* Every row of schema/msg.def, right and wrong in every way it can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/msg.h"

struct datagram {
	struct msg_header header;
	_Alignas(8) uint8_t body[LIMIT_MESSAGE_BYTES];
	size_t len;
};

static const char *why;

/* Some role of a set. */
static enum ipc_role
role_in(unsigned int set)
{
	return (enum ipc_role)__builtin_ctz(set);
}

static struct ipc_gate
gate_for(const struct ipc_type *type)
{
	struct ipc_gate gate = { .self = role_in(type->to),
		.peer = role_in(type->from),
		.phase = (enum ipc_phase)(type->phase & -type->phase) };

	return gate;
}

static void
number_set(
    struct datagram *datagram, const struct ipc_field *field, uint64_t number)
{
	memcpy(datagram->body + field->offset, &number, field->size);
}

/* A datagram in order: the least of every number, empty strings and lists. */
static struct datagram
good(uint32_t number)
{
	const struct ipc_type *type = ipc_type(number);
	struct datagram datagram = { .header = { .type = number },
		.len = type->size };
	size_t i;

	for (i = 0; i < type->nfields; i++) {
		if (type->fields[i].kind == IPC_FIELD_NUMBER)
			number_set(&datagram, &type->fields[i],
			    (uint64_t)type->fields[i].min);
		else if (type->fields[i].kind == IPC_FIELD_LIST)
			datagram.len = type->fields[i].offset;
	}
	datagram.header.len_bytes = (uint32_t)datagram.len;
	return datagram;
}

static enum verdict
judge(const struct ipc_gate *gate, const struct datagram *datagram,
    unsigned int nfds, int truncated)
{
	uint8_t bytes[sizeof(datagram->header) + sizeof(datagram->body)];

	memcpy(bytes, &datagram->header, sizeof(datagram->header));
	memcpy(bytes + sizeof(datagram->header), datagram->body, datagram->len);
	return ipc_accept(gate, bytes, sizeof(datagram->header) + datagram->len,
	    nfds, truncated, &why);
}

static void
assert_denied(const struct ipc_gate *gate, const struct datagram *datagram,
    unsigned int nfds, const char *reason)
{
	assert_int_equal(judge(gate, datagram, nfds, 0), DENY);
	assert_string_equal(why, reason);
}

#define EACH_TYPE(number) \
	for ((number) = MSG_NONE + 1; (number) < MSG_COUNT; (number)++)

static void
test_every_message_in_order_is_accepted(void **state)
{
	const struct ipc_type *type;
	struct datagram datagram;
	struct ipc_gate gate;
	uint32_t number;

	(void)state;
	EACH_TYPE(number)
	{
		type = ipc_type(number);
		gate = gate_for(type);
		datagram = good(number);
		assert_int_equal(judge(&gate, &datagram, type->fds, 0), ALLOW);
		assert_null(why);
	}
}

static void
test_wrong_length_is_refused(void **state)
{
	struct datagram datagram;
	struct ipc_gate gate;
	uint32_t number;
	unsigned int fds;

	(void)state;
	EACH_TYPE(number)
	{
		gate = gate_for(ipc_type(number));
		fds = ipc_type(number)->fds;
		datagram = good(number);
		datagram.len--;
		assert_denied(&gate, &datagram, fds, "a wrong length");
		datagram.header.len_bytes--;
		assert_denied(&gate, &datagram, fds, "a wrong length");
		datagram = good(number);
		datagram.len++;
		datagram.header.len_bytes++;
		assert_denied(&gate, &datagram, fds, "a wrong length");
		datagram = good(number);
		assert_int_equal(judge(&gate, &datagram, fds, 1), DENY);
	}
}

static void
test_wrong_edge_is_refused(void **state)
{
	const struct ipc_type *type;
	struct datagram datagram;
	struct ipc_gate gate;
	uint32_t number;

	(void)state;
	EACH_TYPE(number)
	{
		type = ipc_type(number);
		datagram = good(number);
		gate = gate_for(type);
		for (gate.peer = 0; gate.peer < IPC_ROLE_COUNT; gate.peer++)
			if ((type->from & 1U << gate.peer) == 0)
				assert_denied(&gate, &datagram, type->fds,
				    "not this sender's message");
		gate = gate_for(type);
		for (gate.self = 0; gate.self < IPC_ROLE_COUNT; gate.self++)
			if ((type->to & 1U << gate.self) == 0)
				assert_denied(&gate, &datagram, type->fds,
				    "not this sender's message");
	}
}

static void
test_wrong_number_of_descriptors_is_refused(void **state)
{
	const struct ipc_type *type;
	struct datagram datagram;
	struct ipc_gate gate;
	unsigned int fds;
	uint32_t number;

	(void)state;
	EACH_TYPE(number)
	{
		type = ipc_type(number);
		datagram = good(number);
		gate = gate_for(type);
		for (fds = 0; fds < 4; fds++)
			if (fds != type->fds)
				assert_denied(&gate, &datagram, fds,
				    "a wrong number of descriptors");
	}
}

static void
test_wrong_phase_is_refused(void **state)
{
	const struct ipc_type *type;
	struct datagram datagram;
	struct ipc_gate gate;
	uint32_t number;

	(void)state;
	EACH_TYPE(number)
	{
		type = ipc_type(number);
		if (type->phase == IPC_PHASE_ANY)
			continue;
		gate = gate_for(type);
		gate.phase ^= IPC_PHASE_ANY;
		datagram = good(number);
		assert_denied(&gate, &datagram, type->fds, "not in this phase");
	}
}

static uint64_t
widest(const struct ipc_field *field)
{
	int bits = field->size * 8 - (field->is_signed ? 1 : 0);

	return bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

static void
check_range(uint32_t number, const struct ipc_field *field)
{
	const struct ipc_type *type = ipc_type(number);
	struct ipc_gate gate = gate_for(type);
	struct datagram datagram = good(number);

	if (field->max < widest(field)) {
		number_set(&datagram, field, field->max + 1);
		assert_int_equal(judge(&gate, &datagram, type->fds, 0), DENY);
	}
	if (field->is_signed || field->min > 0) {
		number_set(&datagram, field, (uint64_t)(field->min - 1));
		assert_denied(
		    &gate, &datagram, type->fds, "a number out of range");
	}
	/* A list's count at its greatest asks for a longer message. */
	if (type->fields[type->nfields - 1].kind == IPC_FIELD_LIST)
		return;
	number_set(&datagram, field, field->max);
	assert_int_equal(judge(&gate, &datagram, type->fds, 0), ALLOW);
}

static void
test_number_out_of_range_is_refused(void **state)
{
	const struct ipc_type *type;
	uint32_t number;
	size_t i;

	(void)state;
	EACH_TYPE(number)
	{
		type = ipc_type(number);
		for (i = 0; i < type->nfields; i++)
			if (type->fields[i].kind == IPC_FIELD_NUMBER)
				check_range(number, &type->fields[i]);
	}
}

static void
test_string_without_end_is_refused(void **state)
{
	const struct ipc_field *field;
	const struct ipc_type *type;
	struct datagram datagram;
	struct ipc_gate gate;
	uint32_t number;

	(void)state;
	EACH_TYPE(number)
	{
		type = ipc_type(number);
		gate = gate_for(type);
		for (field = type->fields; field < type->fields + type->nfields;
		     field++) {
			if (field->kind != IPC_FIELD_STRING)
				continue;
			datagram = good(number);
			memset(datagram.body + field->offset, 'x', field->size);
			assert_denied(&gate, &datagram, type->fds,
			    "a string without end");
		}
	}
}

static void
test_list_is_as_long_as_its_count(void **state)
{
	struct datagram datagram = good(MSG_FLOWS);
	struct ipc_gate gate = gate_for(ipc_type(MSG_FLOWS));
	uint64_t count = 2;

	(void)state;
	memcpy(datagram.body + offsetof(struct msg_flows, count), &count,
	    sizeof(count));
	assert_denied(&gate, &datagram, 0, "a wrong length");
	datagram.len = MSG_FLOWS_BYTES(2);
	datagram.header.len_bytes = (uint32_t)datagram.len;
	assert_int_equal(judge(&gate, &datagram, 0, 0), ALLOW);
	count = LIMIT_FLOW_BATCH + 1;
	memcpy(datagram.body + offsetof(struct msg_flows, count), &count,
	    sizeof(count));
	assert_int_equal(judge(&gate, &datagram, 0, 0), DENY);
}

static void
test_unknown_type_is_refused(void **state)
{
	struct datagram datagram = good(MSG_STOP);
	struct ipc_gate gate = gate_for(ipc_type(MSG_STOP));

	(void)state;
	datagram.header.type = MSG_NONE;
	assert_denied(&gate, &datagram, 0, "an unknown type");
	datagram.header.type = MSG_COUNT;
	assert_denied(&gate, &datagram, 0, "an unknown type");
	datagram.header.type = UINT32_MAX;
	assert_denied(&gate, &datagram, 0, "an unknown type");
}

static void
test_header_alone_or_less_is_refused(void **state)
{
	struct ipc_gate gate = gate_for(ipc_type(MSG_STOP));
	struct msg_header header = { .type = MSG_STOP };
	size_t len;

	(void)state;
	for (len = 0; len <= sizeof(header); len++)
		assert_int_equal(
		    ipc_accept(&gate, &header, len, 0, 0, &why), DENY);
}

static void
test_reserved_field_of_the_header_must_be_zero(void **state)
{
	struct datagram datagram = good(MSG_STOP);
	struct ipc_gate gate = gate_for(ipc_type(MSG_STOP));

	(void)state;
	datagram.header.reserved = 1;
	assert_int_equal(judge(&gate, &datagram, 0, 0), DENY);
}

/* The privileged surface, spelled out: a new row must be added here too. */
static void
test_netctl_hears_little_and_of_others_one_request(void **state)
{
	static const uint32_t heard[] = { MSG_CONFIG, MSG_NET_START, MSG_BEAT,
		MSG_NET_RELAY, MSG_NET_DNSD, MSG_NET_DNS_OPEN, MSG_STOP };
	const struct ipc_type *type;
	uint32_t number;
	size_t i, n = 0;

	(void)state;
	EACH_TYPE(number)
	{
		type = ipc_type(number);
		if ((type->to & 1U << IPC_NETCTL) == 0)
			continue;
		if (number == MSG_BROKER_ASK) {
			assert_int_equal(type->from, 1U << IPC_RELAY);
			continue;
		}
		if (number == MSG_NAMES_ASK) {
			assert_int_equal(type->from, 1U << IPC_DNSD);
			continue;
		}
		assert_int_equal(type->from, 1U << IPC_SUPERVISOR);
		for (i = 0; i < sizeof(heard) / sizeof(heard[0]); i++)
			n += heard[i] == number;
	}
	assert_int_equal(n, sizeof(heard) / sizeof(heard[0]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_message_in_order_is_accepted),
		cmocka_unit_test(test_wrong_length_is_refused),
		cmocka_unit_test(test_wrong_edge_is_refused),
		cmocka_unit_test(test_wrong_number_of_descriptors_is_refused),
		cmocka_unit_test(test_wrong_phase_is_refused),
		cmocka_unit_test(test_number_out_of_range_is_refused),
		cmocka_unit_test(test_string_without_end_is_refused),
		cmocka_unit_test(test_list_is_as_long_as_its_count),
		cmocka_unit_test(test_unknown_type_is_refused),
		cmocka_unit_test(test_header_alone_or_less_is_refused),
		cmocka_unit_test(
		    test_reserved_field_of_the_header_must_be_zero),
		cmocka_unit_test(
		    test_netctl_hears_little_and_of_others_one_request),
	};

	return cmocka_run_group_tests_name("msg", tests, NULL, NULL);
}
