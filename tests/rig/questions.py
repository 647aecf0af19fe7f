# SPDX-License-Identifier: ISC
"""Questions of every kind, and answers to many of them at a time.

    some = questions.mixed(seed=1, count=50)
    with questions.asking(net.client, "192.0.2.53", 53) as ask:
        answers = ask(some)
"""

import contextlib
import random
import select
import socket
import struct
import time
from typing import NamedTuple

import dns.edns
import dns.flags
import dns.message

from . import zones

TRY_S, ANSWER_S = 1.5, 20.0
SERVED = (zones.PLAIN, zones.INSECURE, zones.SIGNED, zones.DEEP, zones.HASHED)
# not NSEC3, for which nsd does not follow an alias, nor DNAME, which below
# another one libunbound takes for bogus now and then
TYPES = ("A AAAA MX TXT SRV NS SOA CNAME PTR CAA NAPTR HINFO RP AFSDB KX"
         " TLSA SSHFP LOC TYPE65 TYPE65280 TYPE731 DS DNSKEY NSEC RRSIG"
         " NSEC3PARAM ANY AXFR MAILB TKEY").split()
# what there is, with the types that are worth asking for
OWNERS = {
    "@": "SOA NS MX TXT A DNSKEY DS NSEC3PARAM ANY", "www": "A AAAA TXT ANY",
    "mail": "A AAAA MX ANY", "txt": "TXT A", "_sip._tcp": "SRV A",
    "a.b.c.empty": "A", "b.c.empty": "A TXT", "empty": "A",
    "x.wild": "A TXT MX AAAA ANY", "x.y.wild": "A", "is.wild": "TXT A",
    "wild": "A", "x.is.wild": "A", "x.turn": "A CNAME AAAA", "alias": "A TXT",
    "alias1": "A AAAA CNAME TXT", "away": "A AAAA", "nowhere": "A AAAA",
    "nodata": "A TXT", "dangling": "A", "loop1": "A CNAME", "loop2": "TXT",
    "tree": "A DNAME", "below.tree": "A AAAA CNAME", "a.b.tree": "A",
    "www.moved": "A AAAA", "absent.moved": "A", "caa": "CAA",
    "naptr": "NAPTR", "hinfo": "HINFO", "rp": "RP", "afsdb": "AFSDB",
    "kx": "KX", "tlsa": "TLSA", "sshfp": "SSHFP", "loc": "LOC",
    "https": "TYPE65 A", "private": "TYPE65280 TYPE731", "zero": "A",
    "year": "A", "odd\\.label": "A", "odd\\032\\255": "A", "camelcase": "A",
    "many": "A", "more": "AAAA", "big": "TXT", "huge": "TXT", "ns": "A AAAA",
    "bogus": "A TXT AAAA", "deep": "NS DS", "insecure": "NS DS",
}
ELSEWHERE = (
    ("localhost", "A AAAA TXT"), ("www.localhost", "A"),
    ("1.0.0.127.in-addr.arpa", "PTR"), ("x.invalid", "A"), ("x.test", "A"),
    ("x.onion", "A AAAA"), ("1.2.3.10.in-addr.arpa", "PTR"),
    (".", "SOA NS A"), ("net", "A TXT"), ("absent", "A"),
    ("www.elsewhere.org", "A AAAA"), (f"www.{zones.EXPIRED}", "A AAAA"),
    (zones.EXPIRED, "SOA MX"), (f"absent.{zones.EXPIRED}", "A"),
    (f"x.wild.{zones.EXPIRED}", "TXT"),
    (f"7.{'.'.join('0' * 23)}.{zones.REVERSE6}", "PTR A"),
    (f"1.{zones.REVERSE6}", "PTR"),
    (("x" * 63 + ".") * 3 + f"{'y' * 40}.{zones.PLAIN}", "A"),
    *((f"{n}.{zones.REVERSE4}", "PTR") for n in (1, 7, 30, 59, 60, 200)),
)
SIZES = (0, 256, 512, 513, 900, 1232, 1400, 4096, 65535)
OPCODES = {"IQUERY": 1, "STATUS": 2, "NOTIFY": 4, "UPDATE": 5, "OPCODE7": 7}
# of ten: how often a question is by TCP, without EDNS, and so on
TENTHS = {"tcp": 2, "plain": 3, "dnssec": 3, "checking": 2, "authentic": 2,
          "cased": 4, "nonrecursive": 0.2}
ODD = 0.03  # malformed, or no question at all


class Question(NamedTuple):
    wire: bytes
    tcp: bool
    name: str
    kind: str
    form: str = ""  # what is wrong with it; see FORMS

    def with_id(self, number):
        return self._replace(wire=struct.pack("!H", number) + self.wire[2:])

    @property
    def flags(self):
        return struct.unpack_from("!H", self.wire, 2)[0]

    def __str__(self):
        flags = " ".join(
            word for word in ("tcp" if self.tcp else "udp", self.form) if word)
        return f"{self.name} {self.kind} ({flags}, {self.wire.hex()})"


def _cased(chance, name):
    return "".join(letter.upper() if chance.random() < 0.5 else letter
                   for letter in name)


def _name_and_kind(chance):
    draw = chance.random()
    if draw < 0.08:
        name, kinds = chance.choice(ELSEWHERE)
        return name, chance.choice(kinds.split())
    zone = chance.choice(SERVED)
    owner, kinds = chance.choice(list(OWNERS.items()))
    kind = chance.choice(kinds.split() if draw < 0.75 else TYPES)
    if draw > 0.92:  # what there is not
        owner = f"{chance.choice(('absent', 'a.b.absent'))}{owner}"
        owner = owner.replace("@", chance.choice("abcdefgh"))
    return (zone if owner == "@" else f"{owner}.{zone}"), kind


# What becomes of a message that is to be another one than dnspython makes.
def _opcode(number):
    def change(wire):
        return wire[:2] + bytes((wire[2] & ~0x78 | number << 3,)) + wire[3:]
    return change


def _counts(offset, number):
    return lambda wire: (wire[:offset] + struct.pack("!H", number)
                         + wire[offset + 2:])


def _class(number):
    def change(wire):
        at = 12
        while wire[at]:
            at += 1 + wire[at]
        return wire[:at + 3] + struct.pack("!H", number) + wire[at + 5:]
    return change


FORMS = {
    **{name: _opcode(number) for name, number in OPCODES.items()},
    "class CH": _class(3),
    "class ANY": _class(255),
    "no question": _counts(4, 0),
    "two questions": _counts(4, 2),
    "an answer": _counts(6, 1),
    "three more": _counts(10, 3),
    "cut": lambda wire: wire[:-3],
    "more behind": lambda wire: wire + b"x",
}


def _form(chance):
    return chance.choice(list(FORMS)) if chance.random() < ODD else ""


def _one(chance):
    name, kind = _name_and_kind(chance)
    happens = {what: chance.random() * 10 < tenths
               for what, tenths in TENTHS.items()}
    if happens["cased"] and "\\" not in name:
        name = _cased(chance, name)
    query = dns.message.make_query(name, kind, use_edns=False)
    if happens["dnssec"] or not happens["plain"]:
        query.use_edns(chance.random() < 0.02, payload=chance.choice(SIZES),
                       ednsflags=dns.flags.DO * happens["dnssec"],
                       options=[dns.edns.GenericOption(65001, b"unknown")]
                       if chance.random() < 0.1 else [])
    query.flags |= (dns.flags.CD * happens["checking"]
                    | dns.flags.AD * happens["authentic"])
    if happens["nonrecursive"]:
        query.flags &= ~dns.flags.RD
    form = _form(chance)
    if form:
        return Question(FORMS[form](query.to_wire()), False, name, kind, form)
    return Question(query.to_wire(), happens["tcp"], name, kind)


def mixed(seed, count):
    """So many questions, the same ones for the same seed."""
    chance = random.Random(seed)
    return [_one(chance) for _ in range(count)]


def _receive_stream(sock, buffer, found):
    buffer += sock.recv(65536) or _gone()
    while len(buffer) >= 2:
        end = 2 + struct.unpack_from("!H", buffer)[0]
        if len(buffer) < end:
            return
        found(bytes(buffer[2:end]))
        del buffer[:end]


def _gone():
    raise EOFError("the connection ended")


def _ask_tcp(asker, family, address, port, asked):
    """All on one connection."""
    answers, buffer = {}, bytearray()

    def found(wire):
        answers[wire[:2]] = wire
    with asker.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(ANSWER_S)
        sock.connect((address, port))
        sock.sendall(b"".join(struct.pack("!H", len(question.wire))
                              + question.wire for question in asked))
        while len(answers) < len(asked):
            _receive_stream(sock, buffer, found)
    return answers


def _ask_udp(sock, address, port, asked):
    """Again and again, for as long as some of them have no answer."""
    left = {question.wire[:2]: question for question in asked}
    answers = {}
    deadline = time.monotonic() + ANSWER_S
    while left:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no answer to {next(iter(left.values()))}")
        for question in left.values():
            sock.sendto(question.wire, (address, port))
        until = time.monotonic() + TRY_S
        while left and select.select([sock], [], [],
                                     max(0, until - time.monotonic()))[0]:
            wire = sock.recv(65535)
            if left.pop(wire[:2], None):
                answers[wire[:2]] = wire
    return answers


@contextlib.contextmanager
def asking(asker, address, port, source=None):
    """A function that asks many at once: their answers' bytes, in order."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with asker.socket(family, socket.SOCK_DGRAM) as sock:
        if source:
            sock.bind((source, 0))

        def ask(asked):
            asked = [question.with_id(number + 1)
                     for number, question in enumerate(asked)]
            streams = [question for question in asked if question.tcp]
            answers = _ask_udp(sock, address, port, [
                question for question in asked if not question.tcp])
            if streams:
                answers |= _ask_tcp(asker, family, address, port, streams)
            return [answers[question.wire[:2]] for question in asked]
        yield ask
