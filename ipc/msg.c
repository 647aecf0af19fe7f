/* SPDX-License-Identifier: ISC */
/*
 * The tables made from schema/msg.def and the check of received messages.
 * Reads bytes of any process, hostile ones included; keeps no state.
 */
#include "ipc/msg.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define SUP (1U << IPC_SUPERVISOR)
#define NET (1U << IPC_NETCTL)
#define REL (1U << IPC_RELAY)
#define LOG (1U << IPC_FLOWLOG)
#define DNS (1U << IPC_DNSD)
#define RSV (1U << IPC_RESOLVER)
#define DOT (1U << IPC_DOT)
#define CTL (1U << IPC_CTL)

#define FD_NONE 0
#define FD_ONE 1

#define SETUP IPC_PHASE_SETUP
#define RUN IPC_PHASE_RUN
#define ANY IPC_PHASE_ANY

#define IS_SIGNED(type) ((type)-1 < (type)1)

#define FIELD_NUM(B, type, field, least, most)                       \
	{ .name = #field,                                            \
		.kind = IPC_FIELD_NUMBER,                            \
		.offset = (uint16_t)offsetof(struct msg_##B, field), \
		.size = sizeof(type),                                \
		.is_signed = IS_SIGNED(type),                        \
		.min = (int64_t)(least),                             \
		.max = (uint64_t)(most) },
#define FIELD_STR(B, field, bytes)                                   \
	{ .name = #field,                                            \
		.kind = IPC_FIELD_STRING,                            \
		.offset = (uint16_t)offsetof(struct msg_##B, field), \
		.size = (bytes) },
#define FIELD_LIST(B, type, field, most)                             \
	{ .name = #field,                                            \
		.kind = IPC_FIELD_LIST,                              \
		.offset = (uint16_t)offsetof(struct msg_##B, field), \
		.size = sizeof(type),                                \
		.max = (most) },
#define FIELDS(body)                                                   \
	static const struct ipc_field fields_##body[] = { BODY_##body( \
	    body, FIELD_NUM, FIELD_STR, FIELD_LIST) };

IPC_BODIES(FIELDS)

#define SIZE_NUM(B, type, field, least, most) +sizeof(type)
#define SIZE_STR(B, field, bytes) +(bytes)
#define SIZE_LIST(B, type, field, most) +sizeof(type) * (most)
#define NO_PADDING(body)                                                     \
	_Static_assert(sizeof(struct msg_##body) ==                          \
			   BODY_##body(body, SIZE_NUM, SIZE_STR, SIZE_LIST), \
	    "padding in msg_" #body);                                        \
	_Static_assert(                                                      \
	    sizeof(struct msg_header) + sizeof(struct msg_##body) <=         \
		LIMIT_MESSAGE_BYTES,                                         \
	    "msg_" #body " is too long");

IPC_BODIES(NO_PADDING)

#define TYPE(msg, senders, receivers, body, descriptors, phases) \
	[MSG_##msg] = { .name = #msg,                            \
		.from = (senders),                               \
		.to = (receivers),                               \
		.fds = (descriptors),                            \
		.phase = (phases),                               \
		.size = sizeof(struct msg_##body),               \
		.fields = fields_##body,                         \
		.nfields = sizeof(fields_##body) / sizeof(fields_##body[0]) },

static const struct ipc_type types[MSG_COUNT] = { IPC_MESSAGES(TYPE) };

#define WORD(name, word) word,
static const char *const role_words[] = { IPC_ROLES(WORD) };
static const char *const state_words[] = { IPC_STATES(WORD) };

#define FAMILY_4 AF_INET
#define FAMILY_6 AF_INET6
#define LISTENER(name, whose, version, protocol)                   \
	[IPC_LISTENER_##name] = { .capture = FLOW_CAPTURE_##whose, \
		.family = FAMILY_##version,                        \
		.proto = IPPROTO_##protocol },

static const struct ipc_listener_kind listener_kinds[IPC_LISTENER_COUNT] = {
	IPC_LISTENERS(LISTENER)
};

const struct ipc_listener_kind *
ipc_listener_kind(unsigned int number)
{
	return &listener_kinds[number];
}

unsigned int
ipc_listener_port(unsigned int number)
{
	const struct ipc_listener_kind *kind = &listener_kinds[number];

	return kind->capture * 2U + (kind->family == AF_INET6);
}

const struct ipc_type *
ipc_type(uint32_t type)
{
	if (type <= MSG_NONE || type >= MSG_COUNT)
		return NULL;
	return &types[type];
}

const char *
ipc_role_word(enum ipc_role role)
{
	return role < IPC_ROLE_COUNT ? role_words[role] : "?";
}

const char *
ipc_state_word(unsigned int state)
{
	return state < IPC_STATE_COUNT ? state_words[state] : "?";
}

static uint64_t
load(const void *from, size_t size)
{
	union {
		uint16_t u16;
		uint32_t u32;
		uint64_t u64;
	} number = { 0 };

	memcpy(&number, from, size);
	if (size == sizeof(number.u16))
		return number.u16;
	return size == sizeof(number.u32) ? number.u32 : number.u64;
}

static int
number_fits(const struct ipc_field *field, const uint8_t *body)
{
	uint64_t number = load(body + field->offset, field->size);

	if (field->is_signed)
		return (int64_t)number >= field->min &&
		       (int64_t)number <= (int64_t)field->max;
	return number >= (uint64_t)field->min && number <= field->max;
}

static int
fields_fit(const struct ipc_type *type, const uint8_t *body, const char **why)
{
	const struct ipc_field *field;

	for (field = type->fields; field < type->fields + type->nfields;
	     field++) {
		if (field->kind == IPC_FIELD_NUMBER &&
		    !number_fits(field, body)) {
			*why = "a number out of range";
			return 0;
		}
		if (field->kind == IPC_FIELD_STRING &&
		    memchr(body + field->offset, '\0', field->size) == NULL) {
			*why = "a string without end";
			return 0;
		}
	}
	return 1;
}

/*
 * The exact length of this body.  A list's count is the field before it; one
 * beyond its maximum is out of range, which fields_fit() says.
 */
static size_t
length_due(const struct ipc_type *type, const uint8_t *body, size_t len)
{
	const struct ipc_field *list = &type->fields[type->nfields - 1];
	uint64_t count;

	if (list->kind != IPC_FIELD_LIST)
		return type->size;
	if (len < list->offset)
		return list->offset;
	count = load(body + list[-1].offset, list[-1].size);
	if (count > list->max)
		return type->size;
	return list->offset + count * list->size;
}

static const char *
gate_denies(const struct ipc_gate *gate, const struct ipc_type *type)
{
	if ((type->from & 1U << gate->peer) == 0 ||
	    (type->to & 1U << gate->self) == 0)
		return "not this sender's message";
	if ((type->phase & gate->phase) == 0)
		return "not in this phase";
	return NULL;
}

enum verdict
ipc_accept(const struct ipc_gate *gate, const void *datagram, size_t len,
    unsigned int nfds, int truncated, const char **why)
{
	struct msg_header header;
	const struct ipc_type *type;
	const uint8_t *body = (const uint8_t *)datagram + sizeof(header);

	*why = "a wrong length";
	if (truncated || len < sizeof(header))
		return DENY;
	memcpy(&header, datagram, sizeof(header));
	len -= sizeof(header);
	if ((type = ipc_type(header.type)) == NULL) {
		*why = "an unknown type";
		return DENY;
	}
	if ((*why = gate_denies(gate, type)) != NULL)
		return DENY;
	*why = "a wrong length";
	if (header.len_bytes != len || length_due(type, body, len) != len)
		return DENY;
	*why = "a wrong number of descriptors";
	if (nfds != type->fds)
		return DENY;
	*why = "a number out of range";
	if (header.reserved != 0 || !fields_fit(type, body, why))
		return DENY;
	*why = NULL;
	return ALLOW;
}
