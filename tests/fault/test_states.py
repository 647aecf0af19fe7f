# SPDX-License-Identifier: ISC
"""Whatever stops, the host is in the configured state within one lease.

A client knocks all the time, by TCP and UDP over IPv4 and IPv6, and a capture
on the server's side counts what came to it directly: with `closed' not one
packet, with `open' every new connection.
"""

import contextlib
import os
import signal
import threading
import time

import pytest

from conftest import CLOSE, ECHO
from rig import proc, snapshot, traffic
from rig.traffic import Hammer

LEASE_S = 2.0
GRACE_S = 0.5
MANY_ROUNDS = 50  # of the hammer: one second


def term_tpxd(instance):
    instance.tpxd.send_signal(signal.SIGTERM)


def kill_tpxd(instance):
    os.kill(instance.tpxd.pid, signal.SIGKILL)


def kill_netctl_worker(instance):
    worker, = instance.by_role()["netctl"]
    os.kill(worker, signal.SIGKILL)


def kill_netctl_keeper(instance):
    roles = instance.by_role()
    for pid in roles["keeper"] + roles["netctl"]:
        os.kill(pid, signal.SIGKILL)


def stop_tpxd(instance):
    os.kill(instance.tpxd.pid, signal.SIGSTOP)


def stop_netctl(instance):
    roles = instance.by_role()
    for pid in roles["keeper"] + roles["netctl"]:
        os.kill(pid, signal.SIGSTOP)


def kill_everything(instance):
    proc.kill_at_once(instance.pids())


class RelayStopper:
    """Stops every relay, and every one that takes its place, until closed."""

    def __init__(self, instance):
        self._instance = instance
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        self._closing.set()
        self._thread.join()

    def _run(self):
        while not self._closing.wait(0.005):
            for pid in self._instance.by_role()["relay"]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)


def stop_relays(instance):
    return RelayStopper(instance).close


# what happens, and whether capture goes on after it
FAULTS = {
    "SIGTERM tpxd": (term_tpxd, False),
    "kill -9 tpxd": (kill_tpxd, False),
    "kill -9 netctl's worker": (kill_netctl_worker, True),
    "kill -9 netctl": (kill_netctl_keeper, False),
    "SIGSTOP tpxd": (stop_tpxd, False),
    "SIGSTOP netctl": (stop_netctl, False),
    "SIGSTOP relays": (stop_relays, False),
    "kill -9 everything": (kill_everything, False),
}


def later_rounds(hammer, count=MANY_ROUNDS):
    target = hammer.rounds + count
    proc.wait_until(lambda: hammer.rounds >= target, 30, "more knocking")


def comers_are(server, hammer, expected, fault, rounds=MANY_ROUNDS):
    """Wait until those who come to the server are exactly these.

    At once, except that the successor of a stopped relay may serve whom that
    one left waiting, before it is stopped, too.
    """
    def as_expected():
        begin = time.monotonic()
        later_rounds(hammer, rounds)
        comers = server[CLOSE].addresses(begin)
        assert comers == expected, comers
        return True
    proc.wait_until(as_expected, 15 if fault is stop_relays else 0,
                    f"{expected or 'nobody'} comes")


@pytest.mark.parametrize("fault, goes_on", FAULTS.values(), ids=FAULTS)
def test_closed_lets_not_one_packet_pass(
        net, server, sniffer, tpx, fault, goes_on):
    instance = tpx(wait=None, lease=f"{LEASE_S:.0f}s")
    proc.wait_until(lambda: "inet tpx_guard" in snapshot.tables(
        snapshot.take(net.gateway)), 10, "the guard is there")
    gateway = {net.OUTSIDE4, net.OUTSIDE6}
    with Hammer(net.client, (net.SERVER4, net.SERVER6), CLOSE) as hammer:
        instance.wait_state("armed")
        begin = time.monotonic()
        proc.wait_until(lambda: server[CLOSE].addresses(begin) == gateway, 5,
                        "traffic is captured")
        happened = time.monotonic()
        undo = fault(instance)
        proc.wait_until(lambda: time.monotonic() > happened + LEASE_S
                        + GRACE_S, 30, "the lease is over")
        later_rounds(hammer)
        comers_are(server, hammer, gateway if goes_on else set(), fault)
        if undo:
            undo()
        instance.stop()
        later_rounds(hammer)
    assert server[CLOSE].addresses() == gateway
    assert sniffer.direct() == []


@pytest.mark.parametrize("fault, goes_on", FAULTS.values(), ids=FAULTS)
def test_open_lets_traffic_go_direct_within_one_lease(
        net, server, sniffer, tpx, fault, goes_on):
    instance = tpx(mode="open", lease=f"{LEASE_S:.0f}s")
    gateway = {net.OUTSIDE4, net.OUTSIDE6}
    client = {net.CLIENT4, net.CLIENT6}
    with Hammer(net.client, (net.SERVER4, net.SERVER6), CLOSE) as hammer:
        proc.wait_until(lambda: server[CLOSE].addresses() == gateway, 5,
                        "traffic is captured")
        assert sniffer.direct() == []
        happened = time.monotonic()
        undo = fault(instance)
        expected = gateway if goes_on else client
        proc.wait_until(
            lambda: server[CLOSE].addresses(happened + 0.05) >= expected,
            LEASE_S + GRACE_S, "clients are served again")
        proc.wait_until(lambda: time.monotonic() > happened + LEASE_S
                        + GRACE_S, 30, "the lease is over")
        comers_are(server, hammer, expected, fault)
        if undo:
            undo()
        instance.stop()
        stopped = time.monotonic()
        later_rounds(hammer)
        assert server[CLOSE].addresses(stopped + GRACE_S) == client
    assert sniffer.direct(stopped)


def test_tpxd_that_was_stopped_for_longer_than_a_lease_replaces_nobody(
        net, server, tpx, address):
    """Its children were not silent: it was it that did not listen."""
    instance = tpx(lease="1s")
    before = instance.by_role()
    with traffic.connect(net.client, address, ECHO) as sock:
        assert traffic.echoes(sock)
        stop_tpxd(instance)
        proc.stays(lambda: traffic.echoes(sock), 2.5, "an open flow")
        os.kill(instance.tpxd.pid, signal.SIGCONT)
        instance.wait_state("armed")
        proc.stays(lambda: instance.by_role() == before, 1.5, "every process")
        assert traffic.echoes(sock)


@pytest.mark.parametrize("mode", ["open", "closed"])
@pytest.mark.parametrize("roles", [["netctl"], ["keeper", "netctl"]],
                         ids=["worker", "both"])
def test_status_says_that_the_lease_is_over_while_netctl_is_stopped(
        net, tpx, roles, mode):
    lease_s = 1
    instance = tpx(mode=mode, lease=f"{lease_s}s")
    pids = [pid for role in roles for pid in instance.by_role()[role]]
    proc.kill(pids, signal.SIGSTOP)
    instance.wait_state(mode, timeout_s=lease_s + 1)
    assert any("netctl" in alarm for alarm in instance.status()["alarms"])
    proc.stays(lambda: instance.status()["state"] == mode, lease_s, mode)
    proc.kill(pids, signal.SIGCONT)
    instance.wait_state("armed")
    proc.wait_until(lambda: instance.status()["alarms"] == [], 5, "no alarm")


# stopped processes that are let go on
STALLS = {"tpxd": stop_tpxd, "netctl": stop_netctl, "relays": stop_relays}


@pytest.mark.parametrize("mode", ["open", "closed"])
@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
def test_capture_returns_when_a_stalled_process_goes_on(
        net, server, sniffer, tpx, stall, mode):
    instance = tpx(mode=mode, lease="1s")
    gateway = {net.OUTSIDE4, net.OUTSIDE6}
    with Hammer(net.client, (net.SERVER4, net.SERVER6), CLOSE) as hammer:
        proc.wait_until(lambda: server[CLOSE].addresses() == gateway, 5,
                        "traffic is captured")
        happened = time.monotonic()
        undo = stall(instance)
        proc.wait_until(lambda: time.monotonic() > happened + 1.5, 10,
                        "the lease is over")
        comers_are(server, hammer,
                   {net.CLIENT4, net.CLIENT6} if mode == "open" else set(),
                   stall, 20)
        if undo:
            undo()
        for pid in instance.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        instance.wait_state("armed", timeout_s=40)
        armed = time.monotonic()
        proc.wait_until(lambda: server[CLOSE].addresses(armed) >= gateway, 5,
                        "traffic is captured again")
        settled = time.monotonic()
        later_rounds(hammer, 20)
        assert server[CLOSE].addresses(settled) == gateway
    if mode == "closed":
        assert sniffer.direct() == []
