# SPDX-License-Identifier: ISC
"""Upstreams that are dead, slow or lie, and answers that others forge."""

import concurrent.futures
import itertools
import random
import time

import pytest

from rig import names, packets, proc, upstreams

ASKED = "192.0.2.53"
FORWARD = "dns forward { 10.74.2.2 }\ndns validate no"
SERVFAIL_S = 2.0
OTHER4 = "10.74.2.9"  # a second address of the upstream's host
LIES = {
    "silent": upstreams.silent,
    "late": upstreams.late,
    "id": upstreams.other_id,
    "name": upstreams.other_name,
    "type": upstreams.other_type,
    "none": upstreams.no_question,
    "port": upstreams.other_port,
    "address": upstreams.other_address(OTHER4),
    "query": upstreams.no_answer,
    "garbage": upstreams.garbage,
    "loop": upstreams.loop,
    "servfail": upstreams.servfail,
}
WORKERS = 40
OUTAGE_S, BACK_S = 40.0, 8.0
# of a name that is asked for once, while its true answer is on the way
ON_THE_WAY_S = 0.25
AT_ONCE = 5000
FEW, MANY = 20_000, 1_000_000
LONG = pytest.mark.long


@pytest.fixture
def routed(net):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    net.server.ip("address", "add", f"{OTHER4}/24", "dev", "eth0")


@pytest.fixture
def pool():
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as executor:
        yield executor


def ask(net, name, tcp=False):
    """(the answer, seconds)"""
    began = time.monotonic()
    answer = names.ask(net.client, ASKED, name, tcp=tcp, timeout_s=5)
    return answer, time.monotonic() - began


def assert_failed_soon(answer, seconds):
    assert names.rcode(answer) == "SERVFAIL", answer
    assert names.texts(answer) == set(), answer
    assert seconds <= SERVFAIL_S, answer


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_without_an_upstream_the_error_comes_soon(net, routed, tpx, tcp):
    """Its host says so: nobody listens there."""
    tpx(FORWARD)
    assert_failed_soon(*ask(net, "www.example.net", tcp))


def by_name(query):
    """The lie that the first label says."""
    label = query.question[0].name.labels[0].decode().split("-")[0]
    return LIES[label](query)


def test_lies_of_an_upstream_become_errors_soon(net, routed, tpx, pool):
    """No address of theirs comes; afterwards the truth does."""
    tpx(FORWARD)
    with upstreams.Upstream(net.server, by_name) as upstream:
        asked = {(lie, tcp): pool.submit(
            ask, net, f"{lie}-{tcp}.example.net", tcp)
            for lie in LIES for tcp in (False, True)}
        for future in asked.values():
            assert_failed_soon(*future.result())
        for lie, tcp in asked:
            assert upstream.asked(f"{lie}-{tcp}.example.net"), lie
        upstream.behaviour = upstreams.honest
        for lie, _ in asked:
            proc.wait_until(
                lambda: names.texts(ask(net, f"{lie}-new.example.net")[0]) == {
                    upstreams.TRUE4}, 15, f"the truth after {lie}")


@LONG
def test_an_upstream_that_is_back_is_asked_soon(net, routed, tpx, pool):
    """However many asked, and however long they did, while it was away."""
    tpx(FORWARD)
    numbers = itertools.count()

    def answered():
        answer, _ = ask(net, f"name{next(numbers)}.example.net")
        return names.texts(answer) == {upstreams.TRUE4}
    with upstreams.Upstream(net.server, upstreams.silent) as upstream:
        until = time.monotonic() + OUTAGE_S
        asking = [pool.submit(proc.stays, lambda: not answered(), OUTAGE_S)
                  for _ in range(WORKERS)]
        for future in asking:
            future.result()
        assert time.monotonic() >= until
        upstream.behaviour = upstreams.honest
        proc.wait_until(answered, BACK_S, "an answer")


def on_the_way(query):
    return [upstreams.Reply(upstreams.wire_to(query), ON_THE_WAY_S)]


# guesses, endless: ports and numbers of a question that was heard


def blindly(heard):
    """Of whoever sees no question."""
    while True:
        yield random.randrange(1024, 65536), random.randrange(65536)


def at_its_port(heard):
    """Of whoever knows where it came from: any number but the right one."""
    while True:
        yield heard.peer[1], (heard.query.id + random.randrange(
            1, 65536)) % 65536


def with_its_number(heard):
    for port in itertools.cycle(range(1024, 65536)):
        if port != heard.peer[1]:
            yield port, heard.query.id


def rightly(heard):
    yield heard.peer[1], heard.query.id


class Attack:
    """Asks for names, and forges answers before the true ones come."""

    def __init__(self, net, pool, upstream, forger):
        self.net, self.pool = net, pool
        self.upstream, self.forger = upstream, forger

    def on(self, name, guesses, count=AT_ONCE, write=bytes):
        """What the client gets; write changes the bytes of a forged answer."""
        asked = self.pool.submit(names.ask, self.net.client, ASKED, name)
        heard, *_ = proc.wait_until(
            lambda: self.upstream.asked(name), 5, "a question")
        self.forger.send(
            write(upstreams.wire_to(heard.query, upstreams.FORGED4)),
            itertools.islice(guesses(heard), count))
        return names.texts(asked.result())


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=LONG)])
@pytest.mark.parametrize("side", ["server", "client"])
@pytest.mark.parametrize("guesses", [blindly, at_its_port, with_its_number])
def test_no_forged_answer_is_taken(
        net, routed, tpx, pool, count, side, guesses):
    """From the upstream's address and port, whichever side it comes from.

    With port and number the same bytes are believed, so they did arrive.
    """
    instance = tpx(FORWARD)
    resolver = instance.by_role()["resolver"]
    ends = {"server": (net.server, "eth0", net.gateway, net.SERVER_IF),
            "client": (net.client, "eth0", net.gateway, net.CLIENT_IF)}
    with upstreams.Upstream(net.server, on_the_way) as upstream, \
            packets.Wire(*ends[side]) as wire:
        attack = Attack(net, pool, upstream, upstreams.Forger(
            wire, net.SERVER4, net.OUTSIDE4))
        asked = [f"name{number}.example.net"
                 for number in range(count // AT_ONCE)]
        for name in asked:
            assert attack.on(name, guesses) <= {upstreams.TRUE4}
        assert attack.forger.sent >= count
        for name in asked:
            assert names.texts(ask(net, name)[0]) == {upstreams.TRUE4}
        assert attack.on("control.example.net", rightly) == {
            upstreams.FORGED4}
    assert instance.by_role()["resolver"] == resolver


def test_without_the_letters_no_forged_answer_is_taken(
        net, routed, tpx, pool):
    """Though port and number are right; with the letters it would be."""
    tpx(f"{FORWARD}\ndns random-case yes")
    with upstreams.Upstream(net.server, on_the_way) as upstream, \
            packets.Wire(net.server, "eth0",
                         net.gateway, net.SERVER_IF) as wire:
        attack = Attack(net, pool, upstream, upstreams.Forger(
            wire, net.SERVER4, net.OUTSIDE4))
        assert attack.on("name.example.net", rightly, write=bytes.lower) <= {
            upstreams.TRUE4}
        assert attack.on("control.example.net", rightly) == {
            upstreams.FORGED4}
