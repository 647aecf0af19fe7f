# SPDX-License-Identifier: ISC
"""Upstreams of DNS that say what a test wants, and whoever forges their words.

    with upstreams.Upstream(net.server, upstreams.other_id) as upstream:
        names.ask(...)
        upstream.asked("www.example.net")  # and from where
"""

import contextlib
import heapq
import itertools
import random
import select
import socket
import struct
import time
from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from . import names, packets, proc

TRUE4, FORGED4 = "198.51.100.21", "203.0.113.66"
OTHER_PORT = 5354
HEADER_BYTES = 12
TTL_S = 300


class Reply(NamedTuple):
    """What is sent: after so long, from the address that was asked or not."""
    wire: bytes
    delay_s: float = 0.0
    from_port: int = names.PORT
    from_address: str = ""


class Heard(NamedTuple):
    """A question that came."""
    query: dns.message.Message
    peer: tuple


def answer_to(query, address=TRUE4, owner=None):
    """An answer with one address, of the name that was asked or another."""
    answer = dns.message.make_response(query)
    question = query.question[0]
    if question.rdtype == 1:
        answer.answer.append(dns.rrset.from_text(
            owner or question.name, TTL_S, "IN", "A", address))
    return answer


def message_of(wire):
    return dns.message.from_wire(wire)


def wire_to(query, address=TRUE4):
    return answer_to(query, address).to_wire()


# behaviours: what comes back for a question


def honest(query):
    return [Reply(wire_to(query))]


def silent(query):
    return []


def late(query):
    """After everybody has given up."""
    return [Reply(wire_to(query, FORGED4), delay_s=5.0)]


def other_id(query):
    answer = answer_to(query, FORGED4)
    answer.id ^= 0x5555
    return [Reply(answer.to_wire())]


def other_name(query):
    """It answers what nobody has asked."""
    other = dns.message.make_query(f"other.{names.ZONE_NAME}", "A")
    other.id = query.id
    return [Reply(wire_to(other, FORGED4))]


def other_type(query):
    other = dns.message.make_query(query.question[0].name, "MX")
    other.id = query.id
    answer = answer_to(other)
    answer.answer.append(dns.rrset.from_text(
        query.question[0].name, TTL_S, "IN", "A", FORGED4))
    return [Reply(answer.to_wire())]


def no_question(query):
    answer = answer_to(query, FORGED4)
    answer.question = []
    return [Reply(answer.to_wire())]


def other_port(query):
    return [Reply(wire_to(query, FORGED4), from_port=OTHER_PORT)]


def other_address(address):
    def behaviour(query):
        return [Reply(wire_to(query, FORGED4), from_address=address)]
    return behaviour


def no_answer(query):
    """It has the bit of a question."""
    answer = answer_to(query, FORGED4)
    answer.flags &= ~dns.flags.QR
    return [Reply(answer.to_wire())]


def garbage(query):
    wire = wire_to(query, FORGED4)
    return [Reply(wire[:2] + random.Random(74).randbytes(len(wire)))]


def loop(query):
    """A name of the answer points to itself."""
    wire = bytearray(wire_to(query, FORGED4))
    at = HEADER_BYTES + len(query.question[0].name.to_wire()) + 4
    wire[at:at + 2] = struct.pack("!H", 0xC000 | at)
    return [Reply(bytes(wire))]


def in_capitals(query, address=TRUE4):
    """The question comes back in letters of its own."""
    wire = wire_to(query, address)
    end = HEADER_BYTES + len(query.question[0].name.to_wire())
    return [Reply(wire[:HEADER_BYTES] + wire[HEADER_BYTES:end].upper()
                  + wire[end:])]


def servfail(query):
    answer = dns.message.make_response(query)
    answer.set_rcode(dns.rcode.SERVFAIL)
    return [Reply(answer.to_wire())]


def relaying(namespace, port, change=None, delay_s=0.0):
    """What a server of this namespace says, with the records changed.

    change is called with each set of records; what it returns stands there
    instead, and nothing for None.
    """
    def behaviour(query):
        with namespace.socket(kind=socket.SOCK_DGRAM) as sock:
            sock.settimeout(names.ASK_S)
            sock.connect(("127.0.0.1", port))
            sock.send(query.to_wire())
            answer = dns.message.from_wire(sock.recv(65535))
        if change:
            for section in (answer.answer, answer.authority):
                section[:] = filter(None, map(change, section))
        return [Reply(answer.to_wire(), delay_s)]
    return behaviour


def stripped(records):
    """As who knows nothing of DNSSEC: no signatures, and no proofs."""
    kinds = (dns.rdatatype.RRSIG, dns.rdatatype.NSEC, dns.rdatatype.NSEC3)
    return None if records.rdtype in kinds else records


def forged(records):
    """Each address is another one; who has signed it stays."""
    if records.rdtype != dns.rdatatype.A:
        return records
    return dns.rrset.from_text(
        records.name, records.ttl, "IN", "A", FORGED4)


class Upstream(proc.Background):
    """Answers over UDP as behaviour says, port 53, both families.  A context.

    behaviour may be replaced at any time.  addresses are IPv4 and IPv6.
    """

    def __init__(self, namespace, behaviour=honest,
                 addresses=("0.0.0.0", "::")):
        self.behaviour = behaviour
        self._by_name = {}
        self._namespace = namespace
        self._serial = itertools.count()
        self._later = []  # (when, number, reply, socket, peer)
        self._sockets = []
        with contextlib.ExitStack() as stack:
            for address in addresses:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                sock = stack.enter_context(
                    namespace.socket(family, socket.SOCK_DGRAM))
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6,
                                    socket.IPV6_V6ONLY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((address, names.PORT))
                sock.setblocking(False)
                self._sockets.append(sock)
            self._stack = stack.pop_all()
        self._begin()

    def close(self):
        super().close()
        self._stack.close()

    def asked(self, name):
        """The questions of a name."""
        return list(self._by_name.get(dns.name.from_text(name), ()))

    def _run(self):
        while not self._closing.is_set():
            for sock in select.select(self._sockets, [], [], 0.005)[0]:
                wire, peer = sock.recvfrom(65535)
                query = dns.message.from_wire(wire)
                self._by_name.setdefault(query.question[0].name, []).append(
                    Heard(query, peer))
                for reply in self.behaviour(query):
                    heapq.heappush(self._later, (
                        time.monotonic() + reply.delay_s,
                        next(self._serial), reply, sock, peer))
            while self._later and self._later[0][0] <= time.monotonic():
                self._send(*heapq.heappop(self._later)[2:])

    def _send(self, reply, sock, peer):
        if reply.from_port == names.PORT and not reply.from_address:
            sock.sendto(reply.wire, peer)
            return
        with self._namespace.socket(sock.family, socket.SOCK_DGRAM) as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((reply.from_address, reply.from_port))
            other.sendto(reply.wire, peer)


class Forger:
    """Answers from the address of a server, as somebody else sends them.

    Of IPv4, with a checksum of UDP that says "none" (RFC 768).
    """

    def __init__(self, wire, source, target):
        self._wire, self._source, self._target = wire, source, target
        self.sent = 0

    def send(self, answer, guesses):
        """Sends one answer once for each guess (port, id)."""
        head = struct.pack("!HHHH", names.PORT, 0, 8 + len(answer), 0)
        packet = bytearray(packets.ip(
            self._source, self._target, socket.IPPROTO_UDP, head + answer))
        for port, number in guesses:
            struct.pack_into("!H", packet, 22, port)
            struct.pack_into("!H", packet, 28, number)
            self._wire.send(packet)
            self.sent += 1
