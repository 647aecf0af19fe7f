# SPDX-License-Identifier: ISC
"""What goes on being stopped, and what tpxd says while something is."""

import signal
import threading
import time

import pytest

from conftest import CLOSE
from rig import proc
from rig.traffic import Hammer

LEASE_S = 2.0
GRACE_S = 0.5
MANY_ROUNDS = 50  # of the hammer: one second


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
            proc.kill(self._instance.by_role()["relay"], signal.SIGSTOP)


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_relays_that_are_stopped_again_and_again_end_capture(
        net, server, sniffer, tpx, mode):
    """Then they go on, and capture returns."""
    instance = tpx(mode=mode, lease=f"{LEASE_S:.0f}s")
    gateway = {net.OUTSIDE4, net.OUTSIDE6}
    expected = {net.CLIENT4, net.CLIENT6} if mode == "open" else set()
    with Hammer(net.client, (net.SERVER4, net.SERVER6), CLOSE) as hammer:
        proc.wait_until(lambda: server[CLOSE].addresses() == gateway, 5,
                        "traffic is captured")
        happened = time.monotonic()
        stopper = RelayStopper(instance)
        if mode == "open":
            proc.wait_until(
                lambda: server[CLOSE].addresses(happened) >= expected,
                LEASE_S + GRACE_S, "clients are served again")

        def as_expected():
            # the successor of a stopped relay may serve whom that one left
            begin = time.monotonic()
            until = hammer.rounds + MANY_ROUNDS
            proc.wait_until(lambda: hammer.rounds >= until, 30, "knocks")
            return server[CLOSE].addresses(begin) == expected
        proc.wait_until(as_expected, 15, "the configured state")
        stopper.close()
        instance.wait_state("armed", timeout_s=40)
        armed = time.monotonic()
        proc.wait_until(lambda: server[CLOSE].addresses(armed) >= gateway, 5,
                        "traffic is captured again")
    if mode == "closed":
        assert sniffer.direct() == []


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
