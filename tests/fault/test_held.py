# SPDX-License-Identifier: ISC
"""What one netctl has begun and not finished, when others begin or end.

It is held between two of its steps, which are messages to the kernel or to
tpxd, and goes on later.
"""

import contextlib
import itertools
import pathlib
import shutil
import signal
import tempfile

import pytest

from conftest import ECHO
from rig import killpoint, proc, snapshot, traffic
from test_leftovers import OTHER

PASS = "pass to any port 9"  # settings of conntrack are changed for it
GONE_S = 2
GUARDS = {"inet tpx_guard", "inet tpx_guard_beside"}
LONG = pytest.mark.long
pytestmark = pytest.mark.skipif(not killpoint.SUPPORTED,
                                reason="numbers of system calls")


def stops(pids):
    proc.wait_until(lambda: all(proc.stat(pid)[0] == "T" for pid in pids), 2,
                    "they are stopped")


class Hold:
    """Programs of which netctl is held; a context, after which nobody is."""

    def __init__(self, build):
        self.build = build
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self.programs = pathlib.Path(self._stack.enter_context(
            tempfile.TemporaryDirectory(prefix="tpx-build-")))
        shutil.copytree(self.build, self.programs, dirs_exist_ok=True)
        self.programs.chmod(0o755)
        self.told = self.programs / "held"
        return self

    def __exit__(self, *exception):
        self._stack.close()

    def from_start(self, count, what):
        """Whoever is started from now on."""
        killpoint.wrap(self.programs / "tpx-netctl", self.build / "tpx-netctl",
                       count, what, self.told)

    def from_the_beginning(self):
        """Before it has done anything."""
        program = self.programs / "tpx-netctl"
        program.write_text("#!/bin/sh\nkill -STOP $$\n"
                           f'exec {self.build / "tpx-netctl"} "$@"\n')

    def start(self, instance):
        """Only what it starts is held, not what tpxctl does."""
        instance.build = self.programs
        instance.start()
        instance.build = self.build

    def attach(self, pid, count, what):
        killpoint.attach(pid, count, what, self.told)

    def held(self):
        """Its pid, once it is; until it is let go on."""
        pid = int(proc.wait_until(
            lambda: self.told.exists() and self.told.read_text(), 5, "a hold"))
        self.told.unlink()
        self._stack.callback(self.go_on, pid)
        stops([pid])
        return pid

    @staticmethod
    def go_on(pid):
        proc.kill([pid], signal.SIGCONT)


@pytest.fixture
def hold(build):
    with Hold(build) as holding:
        yield holding


def tables(net):
    return snapshot.tables(snapshot.take(net.gateway))


def guard(instance):
    instance.ctl("guard", "-f", instance.config, "-x", instance.build)


def idle(tpx):
    """One that can be started; it has left nothing."""
    instance = tpx(workers=1)
    assert instance.stop() == 0
    instance.unblock()
    return instance


def gone(pids):
    proc.wait_until(lambda: not any(map(proc.alive, pids)), GONE_S,
                    "every process is gone")


def test_guard_asked_for_stands_wherever_tpxd_dies_in_its_start(
        net, tpx, hold):
    """That a tpxd runs is no reason to do nothing, before it guards."""
    instance = idle(tpx)
    for point in itertools.count(1):
        hold.from_start(point, "hold")
        hold.start(instance)
        hold.held()
        instance.wait_state("starting")
        guards = tables(net) & GUARDS
        guard(instance)
        proc.kill_at_once(instance.pids())
        assert tables(net) & GUARDS, f"held at point {point}"
        instance.unblock()
        assert tables(net) == set()
        if guards:
            break
    assert point > 3


def test_guard_asked_for_stands_when_a_starting_tpxd_is_stopped(
        net, server, sniffer, tpx, hold):
    hold.from_the_beginning()
    instance = idle(tpx)
    hold.start(instance)
    instance.wait_state("starting")
    pid, = proc.children(instance.tpxd.pid)
    stops([pid])
    guard(instance)
    instance.tpxd.send_signal(signal.SIGTERM)
    hold.go_on(pid)
    assert instance.tpxd.wait(5) == 0
    assert tables(net) == {"inet tpx_guard"}
    for target in (net.SERVER4, net.SERVER6):
        assert traffic.outcome(net.client, target, ECHO, 0.5) != "served"
    assert sniffer.direct() == []


@pytest.mark.parametrize("count", [1, pytest.param(2, marks=LONG)])
def test_next_tpxd_begins_when_the_last_has_put_everything_back(
        net, tpx, hold, count):
    """Else it takes the settings of that one for those of before."""
    net.gateway.nft(OTHER)
    before = snapshot.take(net.gateway)
    # no heartbeat is due: transactions are those of its end
    instance = tpx(PASS, mode="open", workers=1, lease="60s")
    pids = instance.pids()
    hold.attach(instance.by_role()["netctl"][0], count, "hold-rules")
    proc.kill([instance.tpxd.pid])
    pid = hold.held()
    instance.start()
    with contextlib.suppress(RuntimeError):
        instance.wait_state("armed")
    hold.go_on(pid)
    gone(pids)
    if not instance.tpxd.running():
        assert "another tpxd runs" in instance.tpxd.output()
        instance.start()
        instance.wait_state("armed")
    assert instance.sql("SELECT * FROM events WHERE kind = 'drift'") == []
    assert instance.stop() == 0
    assert snapshot.difference(before, snapshot.take(net.gateway)) == ""


def test_settings_of_before_are_those_that_the_last_tpxd_has_put_back(
        net, tpx, hold):
    """Not those that it had when the next one was started."""
    net.gateway.nft(OTHER)
    before = snapshot.take(net.gateway)
    instance = tpx(PASS, mode="open", workers=1, lease="60s")
    pids = instance.pids()
    hold.attach(instance.by_role()["netctl"][0], 1, "hold-rules")
    proc.kill([instance.tpxd.pid])
    ending = hold.held()
    hold.from_start(1, "hold")
    hold.start(instance)
    beginning = hold.held()
    hold.go_on(ending)
    gone(pids)
    hold.go_on(beginning)
    instance.wait_state("armed")
    assert instance.stop() == 0
    assert snapshot.difference(before, snapshot.take(net.gateway)) == ""


@pytest.mark.parametrize("mode", [
    pytest.param("open", marks=LONG), "closed"])
def test_tpxd_killed_while_netctl_starts_leaves_no_more_than_a_stopped_one(
        net, tpx, hold, mode):
    net.gateway.nft(OTHER)
    instance = tpx(PASS, mode=mode, workers=1)
    assert instance.stop() == 0
    before = snapshot.take(net.gateway)
    for count in itertools.count(1):
        hold.from_start(count, "hold-rules")
        hold.start(instance)
        proc.wait_until(lambda: hold.told.exists()
                        or instance.status()["state"] == "armed", 5, "a start")
        if not hold.told.exists():
            break
        pid = hold.held()
        pids = instance.pids()
        proc.kill([instance.tpxd.pid])
        hold.go_on(pid)
        gone(pids)
        left = snapshot.difference(before, snapshot.take(net.gateway))
        assert not left, f"transaction {count}: {left}"
    assert count > 3


def test_worker_that_begins_when_tpxd_is_gone_cleans_up(net, tpx):
    """Its keeper was slow to start it."""
    net.gateway.nft(OTHER)
    before = snapshot.take(net.gateway)
    instance = tpx(PASS, mode="open", workers=1)
    found, pids = instance.by_role(), instance.pids()
    with proc.stopped(found["keeper"]):
        proc.kill(found["netctl"] + found["tpxd"])
        gone(found["netctl"] + found["tpxd"])
    gone(pids)
    assert snapshot.difference(before, snapshot.take(net.gateway)) == ""


# who is stopped when tpxd is killed, and who is killed with it
STOPPED = {
    "worker": (["netctl"], []),
    "keeper": (["keeper"], []),
    "netctl": (["keeper", "netctl"], []),
    "worker without keeper": (["netctl"], ["keeper"]),
    "everybody": (["keeper", "netctl", "relay", "flowlog", "dnsd", "resolver"],
                  []),
}


@pytest.mark.parametrize("mode", ["open", "closed"])
@pytest.mark.parametrize("stopped, killed", STOPPED.values(), ids=STOPPED)
def test_who_is_stopped_when_tpxd_is_killed_is_not_left(
        net, tpx, mode, stopped, killed):
    net.gateway.nft(OTHER)
    instance = tpx(f"{PASS}\ndns forward {net.SERVER4}", mode=mode, workers=1)
    assert instance.stop() == 0
    before = snapshot.take(net.gateway)
    instance.start()
    instance.wait_state("armed")
    found = proc.wait_until(
        lambda: all(instance.by_role()[role] for role in stopped)
        and instance.by_role(), what="those to be stopped")
    pids = instance.pids()
    still = [pid for role in stopped for pid in found[role]]
    proc.kill(still, signal.SIGSTOP)
    stops(still)
    proc.kill([pid for role in [*killed, "tpxd"] for pid in found[role]])
    gone(pids)
    assert snapshot.difference(before, snapshot.take(net.gateway)) == ""
    instance.start()
    instance.wait_state("armed")
