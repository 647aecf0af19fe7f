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

from conftest import CLOSE
from matrix import GRACE_S, KILL_POINTS, KILLS, LEASE_S
from rig import killpoint, proc, report, snapshot, traffic
from stage import PATIENCE_S, PORTS, Stage, accepted_places

POINTS_MOST = 400
CONFIGURED_S = LEASE_S + GRACE_S
# points of a part: far enough apart to meet every part of a start
STRIDE = {"start": 28, "stop": 7}


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
        self.worst_s = 0.0
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
        self.instance.start()
        self.instance.build = self.build
        proc.wait_until(lambda: self.killed() or self._armed(), 10, "a start")
        return self.killed()

    def at_stop(self, point):
        """False once the stop needs fewer messages than that."""
        self.instance.start()
        self.instance.wait_state("armed")
        worker, = self.instance.by_role()["netctl"]
        killpoint.attach(worker, point, self.who, self.told)
        self.instance.tpxd.send_signal(signal.SIGTERM)
        self.instance.tpxd.wait(10)
        return self.killed()

    def _armed(self):
        if not self.instance.tpxd.running():
            return False
        with contextlib.suppress(LookupError):
            return self.instance.status()["state"] == "armed"
        return False

    def settles(self):
        """Armed or as configured, and soon; not one of neither."""
        began = self.told.stat().st_mtime
        # without its keeper netctl is gone for good, and tpxd soon, too
        proc.wait_until(
            lambda: not self.instance.tpxd.running() or
            (self.who == "worker" and self._armed()), 15, "a state")
        kind = "armed" if self.instance.tpxd.running() else "as configured"
        self.ends[kind] += 1
        since = time.monotonic()
        left_s = max(CONFIGURED_S - (time.time() - began), 0.2)
        proc.wait_until(lambda: self._seen(kind, since), left_s + 1, kind)
        self.worst_s = max(self.worst_s, time.time() - began)

    def _seen(self, kind, since):
        """What comes to the server from now on is what this state allows."""
        stage = self.stage
        wanted = {"armed": {False}, "as configured":
                  {True} if stage.mode == "open" else set()}[kind]
        if time.monotonic() < since + 0.3:
            return False
        recent = time.monotonic() - 0.25
        for family in (4, 6):
            seen = {direct for direct in (False, True)
                    if any(when >= recent for when in stage.visits(
                        "tcp", family, direct))}
            assert seen == wanted, f"v{family}: {seen}"
        return True

    def clean(self):
        """The next start and stop leave what an undisturbed one does."""
        if self.instance.tpxd and self.instance.tpxd.running():
            self.instance.stop()
        self.told.unlink(missing_ok=True)
        self.instance.start()
        self.instance.wait_state("armed")
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
                    phase, who, (mode, where),
                    range(1, POINTS_MOST, STRIDE[phase]), id=f"{name}-some")
            yield pytest.param(
                phase, who, (mode, where),
                range(1 + index, POINTS_MOST, len(corners)), id=name,
                marks=pytest.mark.long)


@pytest.mark.skipif(not killpoint.SUPPORTED, reason="numbers of system calls")
@pytest.mark.parametrize("phase, who, stage, chosen", cells(),
                         indirect=["stage"])
def test_killed_netctl(build, stage, phase, who, chosen, record_property):
    points = Points(stage, build, who)
    if stage.mode == "closed":
        stage.instance.ctl("guard", "-f", stage.instance.config, "-x", build)
    kill = getattr(points, f"at_{phase}")
    count = 0
    with traffic.Hammer(stage.sender, stage.targets, CLOSE, PORTS,
                        PATIENCE_S):
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
    for family, protocol in itertools.product((4, 6), ("tcp", "udp")):
        report.record(record_property, report.Line(
            "12", f"kill -9 netctl ({who}) between steps of its {phase}",
            stage.mode, stage.where, f"v{family}", protocol,
            "armed or as configured", f"{count} points: {seen}",
            points.worst_s, False, sum(
                packet.protocol == protocol
                and (":" in packet.source) == (family == 6)
                for packet in leaks), 0, LEASE_S))
    assert count >= 3
    assert leaks == []
    stage.instance.unblock()
    assert snapshot.difference(
        stage.empty, snapshot.take(stage.net.gateway), points.ignored) == ""
