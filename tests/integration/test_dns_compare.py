# SPDX-License-Identifier: ISC
"""Answers beside unbound's: the same, but for what the table below lists."""

import contextlib
import pathlib
import struct
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest

from rig import proxies, questions, unbound, zones

ASKED4, ASKED6 = "192.0.2.53", "2001:db8:53::53"
UPSTREAM_PORT, PEER_PORT = 5300, 5301
SHORT, LONG = 400, 10000
AT_A_TIME = 50
SOURCES = 16  # of the client, so that no limit is met
UNREADABLE = "not to be read"
BOGUS_TTL_S = 60  # val-bogus-ttl of unbound.conf(5)
UNBOUND = unbound.conf(
    f"127.0.0.1@{PEER_PORT}", f"127.0.0.1@{UPSTREAM_PORT}",
    "do-not-query-localhost: no", 'module-config: "validator iterator"',
    'trust-anchor-file: "{home}/anchors"', "aggressive-nsec: yes",
    "edns-buffer-size: 1232", "max-udp-size: 1232", "unblock-lan-zones: yes",
    "insecure-lan-zones: yes", "ede: yes")
STATEMENTS = f"""\
dns forward {{{{ 10.74.2.2@{UPSTREAM_PORT} }}}}
dns trust-anchor "{{anchors}}"
dns rebind-protect no
"""


class Seen(NamedTuple):
    """What of an answer is compared."""

    rcode: str
    flags: str
    question: tuple
    answer: frozenset
    authority: frozenset
    additional: frozenset
    edns: tuple
    errors: tuple
    options: tuple
    times: dict


def _records(section):
    return frozenset((rrset.name.canonicalize(), rrset.rdtype, rrset.rdclass,
                      item.to_digestable())
                     for rrset in section for item in rrset)


def _times(message):
    return {(rrset.name.canonicalize(), rrset.rdtype, rrset.covers): rrset.ttl
            for section in (message.answer, message.authority)
            for rrset in section}


def read(wire):
    """Of what cannot be read, what its header says."""
    opcode, flags = wire[2] >> 3 & 15, struct.unpack_from("!H", wire, 2)[0]
    # else dnspython takes sections for those of its messages
    plain = wire[:2] + bytes((wire[2] & ~0x78,)) + wire[3:]
    try:
        message = dns.message.from_wire(plain)
    except dns.exception.DNSException:
        return Seen(dns.rcode.to_text(flags & 15), _flags(opcode, flags),
                    UNREADABLE, *[frozenset()] * 3, None, (), (), {})
    return Seen(
        dns.rcode.to_text(message.rcode()), _flags(opcode, flags),
        tuple((rrset.name.to_wire(), rrset.rdtype, rrset.rdclass)
              for rrset in message.question),
        _records(message.answer), _records(message.authority),
        _records(message.additional),
        (message.edns, message.payload, message.ednsflags & dns.flags.DO),
        tuple(int(option.code) for option in message.options
              if option.otype == dns.edns.EDE),
        tuple(int(option.otype) for option in message.options
              if option.otype != dns.edns.EDE),
        _times(message))


def _flags(opcode, flags):
    return f"{dns.opcode.to_text(opcode)} {dns.flags.to_text(flags)}"


def differing(own, peer, aged_s):
    fields = {field for field in Seen._fields
              if field != "times"
              and getattr(own, field) != getattr(peer, field)}
    both = own.times.keys() & peer.times.keys()
    if any(abs(own.times[key] - peer.times[key]) > aged_s for key in both):
        fields.add("times")
    return fields


def start_both(net, tpx, stack):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    net.gateway.ip("-6", "route", "add", "default", "via", net.SERVER6)
    for number in range(SOURCES):
        net.client.ip("address", "add", f"10.74.1.{100 + number}/24", "dev",
                      "eth0")
    home = pathlib.Path(stack.enter_context(
        tempfile.TemporaryDirectory(prefix="tpx-anchors-")))
    home.chmod(0o755)
    anchors = home / "anchors"
    stack.enter_context(zones.serve(net.server, UPSTREAM_PORT, anchors))
    stack.enter_context(proxies.configured(
        net.server, "127.0.0.1", PEER_PORT, UNBOUND, *unbound.ARGV,
        files={"anchors": anchors.read_text()}))
    return tpx(STATEMENTS.format(anchors=anchors))


class Row(NamedTuple):
    """Where an answer may be another one, in which of its fields, and why."""

    name: str
    fields: set
    applies: Callable
    reason: str


def _is_local(question):
    return question.name.lower().endswith(
        ("localhost", "127.in-addr.arpa", "0.0.127.in-addr.arpa", ".invalid",
         ".test", ".onion"))


def _bare(flags):
    return flags.replace(" RA", "").replace(" AD", "")


def _without(flag, question):
    return not question.flags & flag


ROWS = (
    Row("any", {"rcode", "answer", "authority", "flags", "times"},
        lambda asked, own, peer: asked.kind == "ANY" and own.answer,
        "one set is enough of an answer (RFC 8482, 4.1)"),
    Row("glue", {"additional"},
        lambda asked, own, peer: not own.additional and peer.additional,
        "what was not asked for is not passed on"),
    Row("authority", {"rcode", "flags", "answer", "authority", "times",
                      "errors"},
        lambda asked, own, peer: _without(dns.flags.RD, asked)
        and peer.rcode == "REFUSED",
        "who does not ask for recursion has asked an authority, for which tpx"
        " answers"),
    Row("class", {"rcode", "flags", "answer", "authority", "times", "errors"},
        lambda asked, own, peer: own.rcode == "REFUSED"
        and asked.form.startswith("class"),
        "there are no other classes than IN"),
    Row("echo", {"flags", "question", "answer", "authority", "additional",
                 "edns", "errors", "options", "times"},
        lambda asked, own, peer: peer.question == UNREADABLE,
        "unbound sends back as it is what it cannot read"),
    Row("behind", set(Seen._fields) - {"edns", "question"},
        lambda asked, own, peer: asked.form == "more behind"
        and own.rcode == "FORMERR",
        "a message with more behind its end is none; unbound looks past it"),
    Row("notify", {"rcode"},
        lambda asked, own, peer: asked.form == "NOTIFY"
        and own.rcode == "NOTIMP",
        "there are no zones here whose changes somebody could tell"),
    Row("as it is", {"flags", "edns"},
        lambda asked, own, peer: own.rcode in ("NOTIMP", "FORMERR", "REFUSED")
        and _bare(own.flags) == _bare(peer.flags)
        and (own.edns and own.edns[0]) == (peer.edns and peer.edns[0]),
        "unbound sends what it refuses back as it was: without RA, with AD,"
        " with the size that the question's OPT had"),
    Row("no data", {"rcode"},
        lambda asked, own, peer: asked.kind in ("TKEY", "MAILB", "AXFR")
        and peer.rcode == "FORMERR" and own.rcode in ("REFUSED", "NOTIMP"),
        "those are no types of data (RFC 6895, 3.1), but well formed"),
    Row("unchecked", {"flags"},
        lambda asked, own, peer: not _without(dns.flags.CD, asked)
        and own.flags == peer.flags.replace(" AD", ""),
        "with CD nothing is validated: no AD, even if unbound once did"),
    Row("bogus", {"times"},
        lambda asked, own, peer: not _without(dns.flags.CD, asked)
        and all(ttl <= BOGUS_TTL_S for ttl in peer.times.values()),
        "to unbound what is unchecked has failed, so it keeps it for less"),
    Row("local", {"flags", "times"},
        lambda asked, own, peer: _is_local(asked)
        and own.flags == peer.flags.replace(" AA", ""),
        "unbound is the authority for names of this host; dnsd has asked"),
    Row("dname", {"times"},
        lambda asked, own, peer: any(
            kind == dns.rdatatype.DNAME for _, kind, _ in own.times),
        "an alias has its DNAME's TTL (RFC 6672, 3.1); unbound's has 0"),
    Row("cut", {"answer", "authority", "times"},
        lambda asked, own, peer: " TC" in own.flags and " TC" in peer.flags,
        "of a cut answer nothing is sent: whoever asks comes again by TCP"),
    Row("why", {"errors"},
        lambda asked, own, peer: own.rcode == peer.rcode == "SERVFAIL"
        and own.errors,
        "reasons are told apart that unbound calls bogus (RFC 8914, 4)"),
)


def excused(asked, own, peer):
    """The rows that apply, and the fields that they let differ."""
    rows = [row for row in ROWS if row.applies(asked, own, peer)]
    return rows, set().union(*(row.fields for row in rows))


def compare(net, asked, used):
    """Texts of all differences; rows that excused one are added to used."""
    began = time.monotonic()
    found = []
    for at in range(0, len(asked), AT_A_TIME):
        some = asked[at:at + AT_A_TIME]
        turn = at // AT_A_TIME
        with questions.asking(net.client, *_asked(turn)) as own, \
                questions.asking(net.server, "127.0.0.1", PEER_PORT) as peer:
            answers = zip(some, map(read, own(some)), map(read, peer(some)))
        aged_s = time.monotonic() - began + 2
        for question, ours, theirs in answers:
            fields = differing(ours, theirs, aged_s)
            rows, excuse = excused(question, ours, theirs)
            used |= {row.name for row in rows if row.fields & fields}
            if fields - excuse:
                found.append(_text(question, ours, theirs, fields - excuse))
    return found


def _asked(turn):
    """Address and port, and where from."""
    if turn % 4 == 3:
        return ASKED6, 53
    return ASKED4, 53, f"10.74.1.{100 + turn % SOURCES}"


def _text(question, own, peer, fields):
    return "\n".join([str(question), *(
        f"  {field}:\n    own  {getattr(own, field)}\n"
        f"    peer {getattr(peer, field)}" for field in sorted(fields))])


@pytest.mark.parametrize("seed, count", [
    (1, SHORT), pytest.param(2, LONG, marks=pytest.mark.long)])
def test_answers_are_those_of_unbound(net, tpx, seed, count):
    used = set()
    with contextlib.ExitStack() as stack:
        start_both(net, tpx, stack)
        found = compare(net, questions.mixed(seed, count), used)
    assert not found, f"{len(found)} of {count}:\n" + "\n".join(found[:20])
    if count == LONG:
        assert used == {row.name for row in ROWS}, "rows without a use"
