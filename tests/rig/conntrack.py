# SPDX-License-Identifier: ISC
"""The kernel's table of connections, by ctnetlink.

Numbers are those of linux/netfilter/nfnetlink_conntrack.h.
"""

import contextlib
import pathlib
import re
import socket
import struct

from .netlink import NESTED, NETLINK_NETFILTER, attribute

CT_NEW, CT_DELETE = 0x100, 0x102  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_
REQUEST, ACK, CREATE = 1, 4, 0x400
ESTABLISHED = 2 | 4 | 8  # IPS_SEEN_REPLY, IPS_ASSURED, IPS_CONFIRMED
NEW_GROUP = 1  # NF_NETLINK_CONNTRACK_NEW, a bit
# CTA_PROTO_DST_PORT; the first in a message is of the original direction
PORT = re.compile(re.escape(struct.pack("HH", 6, 3)) + b"(..)", re.S)
LIFE_S = 600
BATCH = 128


def _tuple(kind, source, sport, target, dport):
    """One direction of a UDP flow."""
    return attribute(NESTED | kind, attribute(
        NESTED | 1, attribute(1, source) + attribute(2, target))
        + attribute(NESTED | 2, attribute(1, bytes([socket.IPPROTO_UDP]))
                     + attribute(2, sport) + attribute(3, dport)))


def _entry(source, sport, target, dport):
    """A message that makes an entry which the kernel will not evict."""
    body = (struct.pack("BBH", socket.AF_INET, 0, 0)
            + _tuple(1, source, sport, target, dport)
            + _tuple(2, target, dport, source, sport)
            + attribute(3, struct.pack("!I", ESTABLISHED))
            + attribute(7, struct.pack("!I", LIFE_S)))
    return struct.pack("IHHII", 16 + len(body), CT_NEW, REQUEST | CREATE,
                       0, 0) + body


# which differ from flow to flow: they are put into a copy of one message
SOURCE, SPORT = b"SRC4", b"SP"
TEMPLATE = _entry(SOURCE, SPORT, socket.inet_aton("198.19.0.1"), b"\0\x09")


def _entries(first, count):
    for number in range(first, first + count):
        yield TEMPLATE.replace(
            SOURCE, struct.pack("!I", 0xC6120000 | number >> 16)).replace(
            SPORT, struct.pack("!H", number & 0xFFFF))


def _socket(namespace, groups=0):
    sock = namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                            NETLINK_NETFILTER)
    sock.bind((0, groups))
    sock.settimeout(10)
    return sock


def most():
    """How many entries a namespace may have; the host decides."""
    return int(pathlib.Path(
        "/proc/sys/net/netfilter/nf_conntrack_max").read_text())


def count(namespace):
    return int(namespace.run(
        "cat", "/proc/sys/net/netfilter/nf_conntrack_count").stdout)


def fill(namespace, entries):
    """Add entries of nobody's flows."""
    with _socket(namespace) as sock:
        for first in range(0, entries, BATCH):
            sock.send(b"".join(_entries(first, min(BATCH, entries - first))))


def flush(namespace):
    """Remove every entry."""
    with _socket(namespace) as sock:
        sock.send(struct.pack("IHHIIBBH", 20, CT_DELETE, REQUEST | ACK, 1, 0,
                              socket.AF_UNSPEC, 0, 0))
        error, = struct.unpack_from("i", sock.recv(4096), 16)
        assert error == 0, f"flush of the table: {error}"


@contextlib.contextmanager
def beginnings(namespace):
    """A function of a port: to which ports flows began, up to one to that."""
    with _socket(namespace, NEW_GROUP) as sock:
        def until(port):
            ports = []
            while port not in ports:
                found = PORT.search(sock.recv(8192))
                if found:
                    ports.append(int.from_bytes(found[1], "big"))
            return ports
        yield until
