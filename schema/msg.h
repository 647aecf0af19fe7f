/* SPDX-License-Identifier: ISC */
/* The enums and body structs that schema/msg.def describes. */
#ifndef SCHEMA_MSG_H
#define SCHEMA_MSG_H

#include <stdint.h>

#include "schema/dns.h"
#include "schema/flow.h"
#include "schema/limits.h"
#include "schema/msg.def"
#include "schema/names.h"

#define IPC_ENUM_ROLE(name, word) IPC_##name,
#define IPC_ENUM_SOURCE(name, word) IPC_SOURCE_##name,
#define IPC_ENUM_LISTENER(name, capture, family, proto) IPC_LISTENER_##name,
#define IPC_ENUM_BROKER(name) IPC_BROKER_##name,
#define IPC_ENUM_STATE(name, word) IPC_STATE_##name,
#define IPC_ENUM_LEASE(name, word) IPC_LEASE_##name,
#define IPC_ENUM_LACK(name) IPC_LACK_##name,
#define IPC_ENUM_COMMAND(name, word, changes) IPC_CTL_COMMAND_##name,
#define IPC_ENUM_MESSAGE(name, from, to, body, fd, phase) MSG_##name,

enum ipc_role { IPC_ROLES(IPC_ENUM_ROLE) IPC_ROLE_COUNT };
enum ipc_source { IPC_SOURCES(IPC_ENUM_SOURCE) IPC_SOURCE_COUNT };
enum ipc_listener { IPC_LISTENERS(IPC_ENUM_LISTENER) IPC_LISTENER_COUNT };
enum ipc_broker { IPC_BROKERS(IPC_ENUM_BROKER) IPC_BROKER_COUNT };
enum ipc_state { IPC_STATES(IPC_ENUM_STATE) IPC_STATE_COUNT };
enum ipc_lease { IPC_LEASES(IPC_ENUM_LEASE) IPC_LEASE_COUNT };
enum ipc_lack { IPC_LACKS(IPC_ENUM_LACK) IPC_LACK_COUNT };
enum ipc_command { IPC_CTL_COMMANDS(IPC_ENUM_COMMAND) IPC_CTL_COUNT };
enum msg_type { MSG_NONE, IPC_MESSAGES(IPC_ENUM_MESSAGE) MSG_COUNT };

#define IPC_ID_MAX ((1ULL << 53) - 1)

#define MSG_FIELD_NUM(B, type, name, min, max) type name;
#define MSG_FIELD_STR(B, name, bytes) char name[bytes];
#define MSG_FIELD_LIST(B, type, name, max) type name[max];
#define MSG_STRUCT(body)                                                \
	struct msg_##body {                                             \
		BODY_##body(                                            \
		    body, MSG_FIELD_NUM, MSG_FIELD_STR, MSG_FIELD_LIST) \
	};

IPC_BODIES(MSG_STRUCT)

/* What stands before every body, in host order: both ends are one machine. */
struct msg_header {
	uint32_t type;	    /* enum msg_type */
	uint32_t len_bytes; /* of the body */
	uint32_t id;	    /* answers carry the id of what they answer */
	uint32_t reserved;  /* 0 */
};

#define MSG_FLOWS_BYTES(n) \
	(offsetof(struct msg_flows, record) + (n) * sizeof(struct flow_record))
#define MSG_DNS_ROWS_BYTES(n) (offsetof(struct msg_dns_rows, byte) + (n))
#define MSG_NAMES_ASK_BYTES(n) \
	(offsetof(struct msg_names_ask, pair) + (n) * sizeof(struct names_pair))
#define MSG_RESOLVE_BYTES(n) (offsetof(struct msg_resolve, name) + (n))
#define MSG_RESOLVED_BYTES(n) (offsetof(struct msg_resolved, byte) + (n))

#endif
