# SPDX-License-Identifier: ISC
"""Messages of netlink(7), as nfnetlink has them."""

import socket
import struct

NETLINK_NETFILTER = 12
REQUEST, DUMP = 1, 0x300
ERROR, DONE = 2, 3
NESTED = 0x8000
RECEIVE_BYTES = 1 << 17


def attribute(kind, payload):
    """One attribute, padded; a nested one has NESTED in kind."""
    return (struct.pack("HH", 4 + len(payload), kind) + payload
            + bytes(-len(payload) % 4))


def attributes(payload):
    """(kind, payload) of each, without NESTED."""
    while payload:
        length, kind = struct.unpack_from("HH", payload)
        yield kind & ~NESTED, payload[4:length]
        payload = payload[length + 3 & ~3:]


def dump(namespace, kind, family, payload):
    """The attributes of each message that a dump has, as one bytes each."""
    head = struct.pack("BBH", family, 0, 0)
    with namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                          NETLINK_NETFILTER) as sock:
        sock.settimeout(10)
        sock.send(struct.pack("IHHII", 16 + len(head) + len(payload), kind,
                              REQUEST | DUMP, 0, 0) + head + payload)
        while True:
            data = sock.recv(RECEIVE_BYTES)
            while data:
                length, found = struct.unpack_from("IH", data)
                if found == DONE:
                    return
                if found == ERROR:
                    error, = struct.unpack_from("i", data, 16)
                    raise OSError(-error, f"dump of {kind:#x}")
                yield data[20:length]
                data = data[length + 3 & ~3:]
