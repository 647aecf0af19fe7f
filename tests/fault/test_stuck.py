# SPDX-License-Identifier: ISC
"""Relays and dnsds that run and are of no use: hostile ones in their place.

A deaf one answers heartbeats, says that clients wait, and accepts nobody; one
that spins answers no more, and wants a processor all the time, so that it could
be starved as well.
"""

import os
import shutil
import time

import pytest

from conftest import CLOSE, ECHO
from rig import names, proc, traffic
from rig.traffic import Hammer

LEASE_S = 2.0
GRACE_S = 0.5
SERVED_S = 1.5  # by who takes its place: it starts, and answers
# what it does, what tpxd says of it, and within how long
STUCK = {
    "deaf": ("answered but accepted nobody", LEASE_S),
    # eight times the patience of half a lease
    "spin": ("gave no sign of life", 4 * LEASE_S),
}
BOTH = pytest.mark.parametrize("breach", STUCK)


class Programs:
    """A directory of them that can be exchanged."""

    def __init__(self, folder, build, breach):
        self.path = folder / breach
        self._build = build
        shutil.copytree(build, self.path)
        self.path.chmod(0o755)
        for parent in list(folder.parents)[:-2] + [folder]:
            parent.chmod(parent.stat().st_mode | 0o055)

    def put(self, program, role):
        shutil.copy(self._build / program, self.path / "next")
        os.rename(self.path / "next", self.path / f"tpx-{role}")

    def spoil(self, role):
        self.put(f"tests-hostile-{role}", role)

    def mend(self, role):
        self.put(f"tpx-{role}", role)


@pytest.fixture
def programs(build, tmp_path, breach):
    return Programs(tmp_path, build, breach)


def becomes_hostile(instance, programs, breach, role="relay"):
    """The one dies, and one that is stuck takes its place; its pid."""
    before = instance.by_role()[role]
    programs.spoil(role)
    proc.kill(before)
    hostile, = instance.wait_replaced(role, before, 5)
    instance.tpxd.wait_output(f"hostile {role}: is {breach}", LEASE_S)
    return hostile


def told(instance, message):
    return instance.sql("SELECT process, message FROM events"
                        " WHERE kind = 'stuck' AND message = ?", message)


@BOTH
def test_stuck_relay_is_replaced_and_its_clients_are_served(
        net, server, sniffer, tpx, programs, breach):
    message, within_s = STUCK[breach]
    instance = tpx(lease=f"{LEASE_S:.0f}s", workers=1, programs=programs.path)
    others = {role: pids for role, pids in instance.by_role().items()
              if role != "relay"}
    hostile = becomes_hostile(instance, programs, breach)
    programs.mend("relay")
    with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
        sock.settimeout(within_s + SERVED_S)
        assert traffic.echoes(sock), "who waited for it was lost"
    assert not proc.alive(hostile)
    row, = proc.wait_until(lambda: told(instance, message), 5, "the event")
    assert row["process"] == "tpx-relay[0]"
    instance.wait_state("armed")
    assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"
    assert {role: instance.by_role()[role] for role in others} == others
    assert sniffer.direct() == []


@pytest.mark.long
@BOTH
def test_stuck_dnsd_is_replaced_and_who_asked_it_is_answered(
        net, tpx, programs, breach):
    lease_s = 1.0
    message, within_s = STUCK[breach]
    within_s *= lease_s / LEASE_S
    instance = tpx(f"dns forward {net.SERVER4}\ndns validate no",
                   lease=f"{lease_s:.0f}s", workers=1, programs=programs.path)
    before = instance.by_role()
    with names.Server(net.server):
        hostile = becomes_hostile(instance, programs, breach, "dnsd")
        programs.mend("dnsd")
        answer = names.ask(net.client, net.SERVER4, "www.example.net",
                           timeout_s=within_s + SERVED_S)
    assert names.texts(answer) == {names.ADDRESS4}
    assert not proc.alive(hostile)
    row, = proc.wait_until(lambda: told(instance, message), 5, "the event")
    assert row["process"] == "tpx-dnsd[0]"
    instance.wait_state("armed")
    after = instance.by_role()
    assert {**after, "dnsd": before["dnsd"]} == before


@pytest.mark.parametrize("mode", [
    pytest.param("open", marks=pytest.mark.long), "closed"])
@BOTH
def test_relays_that_are_stuck_one_after_the_other_end_capture(
        net, server, sniffer, tpx, programs, breach, mode):
    message, within_s = STUCK[breach]
    instance = tpx(lease=f"{LEASE_S:.0f}s", workers=1, programs=programs.path,
                   mode=mode)
    clients = {net.CLIENT4, net.CLIENT6}
    with Hammer(net.client, (net.SERVER4, net.SERVER6), CLOSE):
        becomes_hostile(instance, programs, breach)
        began = time.monotonic()
        instance.wait_state(mode, timeout_s=LEASE_S + GRACE_S)
        if mode == "open":
            proc.wait_until(
                lambda: server[CLOSE].addresses(began) >= clients,
                began + LEASE_S + GRACE_S - time.monotonic(), "direct clients")
        # none that takes its place is believed before it has served anybody
        proc.stays(lambda: instance.status()["state"] == mode,
                   within_s + LEASE_S, mode)
        assert told(instance, message)
        programs.mend("relay")
        instance.wait_state("armed", timeout_s=40)
    if mode == "closed":
        assert sniffer.direct() == []
