# SPDX-License-Identifier: ISC
"""netctl is killed between any two steps of its start and of its stop.

A step is a message to the kernel or to tpxd.  Whatever the point: tpx is armed
or the host is as configured, and the next start finds and cleans the rest.
"""

import contextlib
import itertools
import pathlib
import shutil
import signal
import tempfile
import time

import pytest

import rows
from conftest import CLOSE
from matrix import GRACE_S, KILL_POINTS, KILLS, LEASE_S
from rig import killpoint, proc, report, snapshot, traffic
from stage import PATIENCE_S, PORTS, Stage, accepted_places

POINTS_MOST = 400
CELLS = tuple(itertools.product(("tcp", "udp"), (4, 6)))
CONFIGURED_S = LEASE_S + GRACE_S
# points of a part: far enough apart to meet every part of a start
STRIDE = {"start": 45, "stop": 11}


@pytest.fixture
def stage(request, build):
    mode, where = request.param
    with contextlib.ExitStack() as stack:
        yield Stage(stack, build, KILL_POINTS, mode, where)


class Points:
    """netctl of one Stage, killed at one point after the other."""

    def __init__(self, stage, build, who):
        self.stage, self.build, self.who = stage, build, who
        self.instance = stage.instance
        self.home = pathlib.Path(stage.stack.enter_context(
            tempfile.TemporaryDirectory(prefix="tpx-build-")))
        self.home.chmod(0o755)
        self.told = self.home / "killed"
        self.ends = {"armed": 0, "as configured": 0}
        self.worst_s = dict.fromkeys(CELLS, 0.0)
        self.start_s = 0.0  # how long one takes that nothing disturbs
        self.quiet = None
        self.ignored = snapshot.ORPHANED if who == "both" else ()

    def killed(self):
        return self.told.exists()

    def at_start(self, point):
        """False once the start needs fewer messages than that."""
        wrapped = self.home / str(point)
        shutil.copytree(self.build, wrapped)
        killpoint.wrap(wrapped / "tpx-netctl", self.build / "tpx-netctl",
                       point, self.who, self.told)
        self.instance.build = wrapped
        self._start()
        self.instance.build = self.build
        proc.wait_until(lambda: self.killed() or self._armed(), 10, "a start")
        return self.killed()

    def at_stop(self, point):
        """False once the stop needs fewer messages than that."""
        self._capture()
        worker, = self.instance.by_role()["netctl"]
        killpoint.attach(worker, point, self.who, self.told)
        self.instance.tpxd.send_signal(signal.SIGTERM)
        self.instance.tpxd.wait(10)
        return self.killed()

    def _start(self):
        self.captured = False
        self.began, self.since = time.monotonic(), time.time()
        self.instance.start()

    def _capture(self):
        """A start that nothing disturbs."""
        self._start()
        self.instance.wait_state("armed")
        self.start_s = max(self.start_s, time.monotonic() - self.began)
        proc.wait_until(self.stage.captured(), 5, "traffic is captured")
        self.captured = True

    def _accounts(self):
        """Every flow since the start is accounted for, while none comes."""
        with self.stage.hammer.held():
            proc.wait_until(lambda: not any(
                self.instance.accounts(self.since).values()), 5, "accounts")

    def _armed(self):
        if not self.instance.tpxd.running():
            return False
        with contextlib.suppress(LookupError):
            return self.instance.status()["state"] == "armed"
        return False

    def settles(self):
        """Armed or as configured, and soon; not one of neither."""
        killed = self.told.stat().st_mtime + time.monotonic() - time.time()
        # without its keeper netctl is gone for good, and tpxd soon, too; a
        # start begins anew
        proc.wait_until(
            lambda: not self.instance.tpxd.running() or
            (self.who == "worker" and self._armed()),
            self.start_s + CONFIGURED_S, "a state")
        kind = "armed" if self.instance.tpxd.running() else "as configured"
        self.ends[kind] += 1
        since = time.monotonic()
        proc.wait_until(lambda: self._seen(kind, since), CONFIGURED_S, kind)
        within = self._armed_within if kind == "armed" else self._within
        for cell in CELLS:
            time_s = within(killed, *cell)
            assert time_s <= CONFIGURED_S, f"{kind}, {cell}: {time_s:.2f} s"
            self.worst_s[cell] = max(self.worst_s[cell], time_s)
        if kind == "armed":
            self._accounts()
        elif self.captured:
            wrong = rows.wrong(self.stage, self.began)
            assert not wrong, wrong

    def _times(self, killed, protocol, family):
        """When somebody came past tpx, and when through it."""
        return ([when for when in self.stage.visits(protocol, family, direct)
                 if when > killed] for direct in (True, False))

    def _within(self, killed, protocol, family):
        """When the host was as configured at last: seconds."""
        direct, relayed = self._times(killed, protocol, family)
        wrong = relayed if self.stage.mode == "open" else relayed + direct
        last = max(wrong, default=killed)
        if self.stage.mode == "open":
            last = min(when for when in direct if when >= last)
        return last - killed

    def _armed_within(self, killed, protocol, family):
        """How long it was in neither state; until then it was as configured."""
        direct, relayed = self._times(killed, protocol, family)
        first = min(relayed)
        before = sorted(when for when in direct if when < first)
        late_s = max(direct, default=first) - first
        if self.stage.mode == "closed":
            return max(late_s, 0)
        times = [killed, *before, first]
        return max(late_s, *(after - earlier for earlier, after in zip(
            times, times[1:])))

    def _seen(self, kind, since):
        """What comes to the server from now on is what this state allows."""
        stage = self.stage
        wanted = {"armed": {False}, "as configured":
                  {True} if stage.mode == "open" else set()}[kind]
        if time.monotonic() < since + 0.3:
            return False
        recent = time.monotonic() - 0.25
        for cell in CELLS:
            seen = {direct for direct in (False, True)
                    if any(when >= recent
                           for when in stage.visits(*cell, direct))}
            assert seen == wanted, f"{cell}: {seen}"
        return True

    def clean(self):
        """The next start and stop leave what an undisturbed one does."""
        if self.instance.tpxd and self.instance.tpxd.running():
            self.instance.stop()
        self.told.unlink(missing_ok=True)
        self._capture()
        self._accounts()
        assert self.instance.stop() == 0
        now = snapshot.take(self.stage.net.gateway)
        if self.quiet is None:
            self.quiet = now
        assert snapshot.difference(self.quiet, now, self.ignored) == ""


def cells():
    """Each kill in one mode and place every day, in part.

    In the long run the modes and places share out the points of a kill, so
    that each is struck in one of them.
    """
    corners = list(itertools.product(("closed", "open"), accepted_places()))
    for number, (phase, who) in enumerate(KILLS):
        for index, (mode, where) in enumerate(corners):
            name = f"{phase}-{who}-{mode}-{where}"
            if index == number % len(corners):
                yield pytest.param(
                    phase, who, (mode, where), range(
                        1, POINTS_MOST, STRIDE[phase]), "some",
                    id=f"{name}-some")
            yield pytest.param(
                phase, who, (mode, where), range(
                    1 + index, POINTS_MOST, len(corners)),
                f"every {len(corners)}th of the", id=name,
                marks=pytest.mark.long)


@pytest.mark.skipif(not killpoint.SUPPORTED, reason="numbers of system calls")
@pytest.mark.parametrize("phase, who, stage, chosen, share", cells(),
                         indirect=["stage"])
def test_killed_netctl(build, stage, phase, who, chosen, share,
                       record_property):
    points = Points(stage, build, who)
    if stage.mode == "closed":
        stage.instance.ctl("guard", "-f", stage.instance.config, "-x", build)
    kill = getattr(points, f"at_{phase}")
    count = 0
    with traffic.Hammer(stage.sender, stage.targets, CLOSE, PORTS,
                        PATIENCE_S) as stage.hammer:
        points.clean()
        for point in chosen:
            if not kill(point):
                break
            count += 1
            points.settles()
            points.clean()
        points.clean()
    leaks = stage.sniffer.direct() if stage.mode == "closed" else []
    seen = ", ".join(f"{number} {end}"
                     for end, number in points.ends.items() if number)
    for protocol, family in CELLS:
        report.record(record_property, report.Line(
            "12", f"kill -9 netctl ({who}) between {share} steps of its"
            f" {phase}",
            stage.mode, stage.where, f"v{family}", protocol,
            "armed or as configured", f"{count} points: {seen}",
            points.worst_s[protocol, family], False, sum(
                packet.protocol == protocol
                and (":" in packet.source) == (family == 6)
                for packet in leaks), 0, LEASE_S))
    assert count >= 3
    assert leaks == []
    stage.instance.unblock()
    assert snapshot.difference(
        stage.empty, snapshot.take(stage.net.gateway), points.ignored) == ""
