# SPDX-License-Identifier: ISC
"""One client asks for names whose servers never answer: others do not notice.

The upstream that all are forwarded to is silent about those names alone, as
one is that waits for their servers itself.
"""

import contextlib
import pathlib
import socket
import struct

import pytest

from conftest import FORWARDED
from rig import dot, names, proc, upstreams
from test_limits import many_descriptors  # pylint: disable=unused-import

ASKED4, ASKED6 = "192.0.2.53", "2001:db8:53::53"
SILENT = b"\x06silent\x07example\x03net\0"
GOOD = "good.example.net"
NAME = "dns.test"
OTHER4, OTHER6 = "10.74.1.77", "fd00:74:1::77"  # a second client
NETWORK = "2001:db8:9::"  # a /64 of one host
IPV6_FREEBIND = 78
FLOOD_PAUSE_S = 0.001
SOCKETS = 16  # so that every dnsd has some
ANSWER_S = 2.0  # a question that is lost on its way is asked again
ANSWERED = 40  # questions of a neighbour
RARE = 5  # questions of one who hardly asks
BETWEEN = 4000  # of the flood, which takes seconds
# of TCP: more than dnsd has, of one address less than it may have
HOSTS, OF_A_HOST = 18, 60


def is_silent(wire):
    return SILENT in wire.lower()


class Flood(proc.Background):
    """Asks for silent names from sockets of one client; a context.

    rcodes counts what it hears: 2 is SERVFAIL, 5 is REFUSED.
    """

    def __init__(self, socks):
        self._socks = socks
        self.sent = 0
        self.rcodes = dict.fromkeys(range(16), 0)
        self._begin()

    def _run(self):
        query = names.question(f"{'x' * 8}.silent.example.net").to_wire()
        head, tail = query[:13], query[21:]
        while not self._closing.wait(FLOOD_PAUSE_S):
            sock = self._socks[self.sent % len(self._socks)]
            with contextlib.suppress(BlockingIOError):
                sock.send(head + b"%08x" % self.sent + tail)
                self.sent += 1
                while True:
                    self.rcodes[sock.recv(512)[3] & 15] += 1


@pytest.fixture
def routed(net):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    net.client.ip("address", "add", f"{OTHER4}/24", "dev", "eth0")
    net.client.ip("-6", "address", "add", f"{OTHER6}/64", "dev", "eth0",
                  "nodad")


@pytest.fixture
def udp_upstream(net, routed):
    def behaviour(query):
        wire = query.to_wire()
        return [] if is_silent(wire) else upstreams.honest(query)
    with upstreams.Upstream(net.server, behaviour) as server:
        yield server


@pytest.fixture
def tls_upstream(net, routed, tmp_path):
    authority = dot.Authority(tmp_path)

    def behaviour(wire):
        if is_silent(wire):
            return None
        return upstreams.wire_to(upstreams.message_of(wire))
    with dot.Speaker(net.server, authority, NAME, behaviour):
        yield authority


@pytest.fixture(params=["udp", "tls"])
def forwarded(request, net, tpx):
    """Starts tpxd that forwards by UDP, or by TLS: forwarded(workers)."""
    def by_udp(workers, options):
        return tpx(f"dns forward {{ {net.SERVER4} }}\n{options}",
                   workers=workers)

    def by_tls(workers, options):
        instance = tpx("dns off", workers=workers, wait="armed")
        pathlib.Path(instance.home, "ca.pem").write_text(
            tls_authority.path.read_text())
        instance.configure(
            "on-failure closed\nlease 2s\n"
            f"workers {workers}\n{FORWARDED}\n"
            f'dns forward tls {{ {net.SERVER4} "{NAME}" }}\n'
            f'dns tls-authorities "ca.pem"\n{options}\n')
        instance.ctl("reload")
        return instance

    if request.param == "tls":
        tls_authority = request.getfixturevalue("tls_upstream")
    else:
        request.getfixturevalue("udp_upstream")
    start = {"udp": by_udp, "tls": by_tls}[request.param]
    return lambda workers=2, options="": start(
        workers, f"dns validate no\n{options}")


@contextlib.contextmanager
def sockets(net, sources, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as stack:
        socks = []
        for source in sources:
            sock = stack.enter_context(
                net.client.socket(family, socket.SOCK_DGRAM))
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
            sock.bind((source, 0))
            sock.connect((address, names.PORT))
            sock.setblocking(False)
            socks.append(sock)
        yield socks


def is_answered(net, number, asked, source):
    """A neighbour's question, in time, and with a good answer."""
    answer = names.ask(net.client, asked, f"n{number}.{GOOD}",
                       source=(source, 0), timeout_s=ANSWER_S)
    assert names.rcode(answer) == "NOERROR", (number, answer)
    assert names.texts(answer) == {upstreams.TRUE4}


def ask_until_answered(net, asked, source):
    def answered():
        with contextlib.suppress(TimeoutError, AssertionError):
            is_answered(net, "first", asked, source)
            return True
        return False
    proc.wait_until(answered, 10, "an answer")


FLOODERS = [
    pytest.param(["10.74.1.2"] * SOCKETS, OTHER4, ASKED4, id="v4",
                 marks=pytest.mark.long),
    pytest.param(["fd00:74:1::2"] * SOCKETS, OTHER6, ASKED6, id="v6",
                 marks=pytest.mark.long),
    pytest.param([f"{NETWORK}{host:x}" for host in range(1, 100)], OTHER6,
                 ASKED6, id="network"),
]


def route_network(net):
    """The client has all of it."""
    net.client.ip("-6", "route", "add", "local", f"{NETWORK}/64", "dev", "lo")
    net.gateway.ip("-6", "route", "add", f"{NETWORK}/64", "via", net.CLIENT6)


@pytest.mark.parametrize("sources, neighbour, asked", FLOODERS)
def test_names_that_nobody_answers_fill_their_clients_share(
        net, forwarded, sources, neighbour, asked):
    """Also when the neighbour is of the same /64."""
    route_network(net)
    instance = forwarded()
    ask_until_answered(net, asked, neighbour)
    with sockets(net, sources, asked) as socks, Flood(socks) as flood:
        proc.wait_until(lambda: instance.status()["dns"]["limited"] > 500,
                        30, "the flood is limited")
        full, number = flood.sent + BETWEEN, 0
        while number < ANSWERED or flood.sent < full:
            is_answered(net, number, asked, neighbour)
            number += 1
        assert flood.rcodes[2] > 0, flood.rcodes


def test_connections_of_a_network_leave_room(
        net, udp_upstream, tpx, many_descriptors):
    """Each waits for an answer that does not come, so that none is idle."""
    route_network(net)
    tpx(f"dns forward {{ {net.SERVER4} }}\ndns validate no\n"
        "dns max-rate no", workers=1)
    ask_until_answered(net, ASKED6, OTHER6)
    with contextlib.ExitStack() as stack:
        for number in range(HOSTS * OF_A_HOST):
            sock = stack.enter_context(
                net.client.socket(socket.AF_INET6, socket.SOCK_STREAM))
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
            sock.bind((f"{NETWORK}{number % HOSTS + 1:x}", 0))
            query = names.question(
                f"n{number}.silent.example.net").to_wire()
            with contextlib.suppress(OSError):
                sock.connect((ASKED6, names.PORT))
                sock.send(struct.pack("!H", len(query)) + query)
        answer = names.ask(net.client, ASKED6, GOOD, tcp=True,
                           source=(OTHER6, 0))
    assert names.texts(answer) == {upstreams.TRUE4}


@pytest.mark.long
def test_who_hardly_asks_is_answered_as_well(net, forwarded):
    """Between its questions the upstream answers nothing at all."""
    forwarded(workers=1)
    ask_until_answered(net, ASKED4, OTHER4)
    with sockets(net, [net.CLIENT4] * SOCKETS, ASKED4) as socks, Flood(
            socks) as flood:
        for number in range(RARE):
            after = flood.sent + BETWEEN
            proc.wait_until(lambda: flood.sent > after, 60, "silence")
            is_answered(net, number, ASKED4, OTHER4)
