# SPDX-License-Identifier: ISC
"""What is done to DNS: whoever floods harms himself alone."""

import collections
import secrets
import socket

import dns.message
import pytest

from rig import names, proc

ASKED = "192.0.2.53"
WWW = "www.example.net"
FORWARD = "dns forward { 10.74.2.2 }\ndns validate no"
OTHER4 = "10.74.1.77"  # a second client
ANSWER_S = 2.0
TRIES = 3  # of a client, as its resolver does it
PAUSE_S = 0.0002  # some thousands a second, which no buffer has to lose


@pytest.fixture
def zone(net):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    net.client.ip("address", "add", f"{OTHER4}/24", "dev", "eth0")
    with names.Server(net.server) as server:
        yield server


class Flood(proc.Background):
    """Asks for names that nobody has, thousands a second; a context.

    rcodes counts what it hears, 5 is REFUSED.
    """

    def __init__(self, net):
        self._sock = net.client.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((net.CLIENT4, 0))
        self._sock.connect((ASKED, 53))
        self._sock.setblocking(False)
        self.rcodes = collections.Counter()
        self._begin()

    def close(self):
        super().close()
        self._sock.close()

    def _run(self):
        query = dns.message.make_query("x" * 16 + ".example.net", "A").to_wire()
        head, tail = query[:13], query[29:]
        while not self._closing.wait(PAUSE_S):
            try:
                self._sock.send(head + secrets.token_hex(8).encode() + tail)
                while True:
                    self.rcodes[self._sock.recv(512)[3] & 15] += 1
            except BlockingIOError:
                pass


def ask_as_other(net, name):
    for _ in range(TRIES - 1):
        try:
            return names.ask(net.client, ASKED, name, source=(OTHER4, 0),
                             timeout_s=ANSWER_S)
        except TimeoutError:
            pass
    return names.ask(net.client, ASKED, name, source=(OTHER4, 0))


def test_flood_of_random_names_limits_its_client_alone(net, zone, tpx):
    tpx(FORWARD)
    ask_as_other(net, WWW)
    with Flood(net) as flood:
        proc.wait_until(lambda: flood.rcodes[5] > 500, 20,
                        "most of the flood is refused")
        refused = flood.rcodes[5]
        for number in range(10):
            assert names.texts(ask_as_other(net, WWW)) == {names.ADDRESS4}
            answer = ask_as_other(net, f"other{number}.example.net")
            assert names.rcode(answer) == "NXDOMAIN"
        proc.wait_until(lambda: flood.rcodes[5] > refused, 10,
                        "the flood is refused still")
