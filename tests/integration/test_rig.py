# SPDX-License-Identifier: ISC
"""The rig itself: without tpx traffic is direct, and the sniffer sees it."""

import threading

import pytest

from conftest import CLOSE, ECHO, client_of, configuration
from rig import proc, traffic
from rig.tpx import Tpx
from rig.traffic import Hammer


def test_sniffer_sees_a_direct_connection(net, server, sniffer, address):
    assert sniffer.direct() == []
    assert traffic.ask(net.client, address, ECHO, b"hello") == b"hello"
    assert server[ECHO].addresses() == {client_of(net, address)}
    seen = sniffer.direct()
    assert {packet.source for packet in seen} == {client_of(net, address)}
    assert {(packet.protocol, packet.dport) for packet in seen} == {
        ("tcp", ECHO)}


def test_sniffer_sees_all_that_the_hammer_sends(net, server, sniffer):
    with Hammer(net.client, (net.SERVER4, net.SERVER6), CLOSE) as hammer:
        proc.wait_until(lambda: hammer.rounds > 10, 5, "some rounds")
    kinds = {(packet.source, packet.protocol) for packet in sniffer.direct()}
    assert kinds == {(client, protocol) for client in (
        net.CLIENT4, net.CLIENT6) for protocol in ("tcp", "udp")}


class Slow(threading.Event):
    """Set first by who has looked before, and looks on at the second wait."""

    def __init__(self):
        super().__init__()
        self.looked = threading.Event()
        self._waits = threading.Semaphore(0)

    def wait(self, timeout=None):
        self._waits.release()
        return super().wait(timeout)

    def set(self):
        first = not self.looked.is_set()
        if first:
            self.looked.set()
            self._waits.acquire()  # pylint: disable=consider-using-with
        super().set()
        if first:
            self._waits.acquire(timeout=1)


def test_sniffer_tells_all_that_has_arrived_however_slow_it_is(
        net, server, sniffer):
    slow = sniffer._emptied = Slow()  # pylint: disable=protected-access
    slow.looked.wait()
    assert traffic.ask(net.client, net.SERVER4, ECHO, b"hello") == b"hello"
    assert sniffer.direct()


def test_log_that_is_not_there_yet_is_worth_waiting_for(net, build):
    instance = Tpx(net.gateway, build, configuration())
    with pytest.raises(TimeoutError, match="LookupError"):
        proc.wait_until(lambda: instance.sql("SELECT * FROM events"), 0)
    with instance:
        proc.wait_until(lambda: instance.sql(
            "SELECT * FROM events WHERE kind = 'state'"), what="its rows")
