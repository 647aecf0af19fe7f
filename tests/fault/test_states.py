# SPDX-License-Identifier: ISC
"""What goes on being stopped, and what tpxd says while something is."""

import shutil
import signal
import time

import pytest

from conftest import CLOSE, ECHO, configuration
from rig import proc, traffic
from rig.traffic import Hammer

LEASE_S = 2.0
GRACE_S = 0.5
MANY_ROUNDS = 50  # of the hammer: one second


class Stopper(proc.Background):
    """Stops all of a role, and those that take their place, until closed."""

    def __init__(self, instance, role):
        self._instance, self._role = instance, role
        self._begin()

    def _run(self):
        while not self._closing.wait(0.005):
            proc.kill(self._instance.by_role()[self._role], signal.SIGSTOP)


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
        stopper = Stopper(instance, "relay")
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
def test_dnsds_that_are_stopped_again_and_again_end_capture(
        net, server, tpx, mode):
    """Though relays work: rules are by names, too."""
    lease_s = 1
    instance = tpx(f"dns forward {net.SERVER4}", mode=mode,
                   lease=f"{lease_s}s")
    expected = {net.CLIENT4, net.CLIENT6} if mode == "open" else set()
    with Stopper(instance, "dnsd"):
        instance.wait_state(mode, timeout_s=lease_s + GRACE_S)
        since = time.monotonic()
        with Hammer(net.client, (net.SERVER4, net.SERVER6), CLOSE) as hammer:
            proc.wait_until(lambda: hammer.rounds >= MANY_ROUNDS, 30, "knocks")
        assert server[CLOSE].addresses(since) == expected
        assert instance.status()["state"] == mode


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


def said(instance):
    """Every change of state, in words."""
    return [row["message"] for row in instance.sql(
        "SELECT message FROM events WHERE kind = 'state' ORDER BY id")]


def once(messages, mode):
    """Without the lapses that a netctl that goes on tells of as well."""
    messages = iter(messages)
    for message in messages:
        if message.endswith(f" to {mode}: heartbeats stopped"):
            next(messages)
        else:
            yield message


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_every_change_of_state_is_a_row(net, tpx, mode):
    instance = tpx(mode=mode, lease="1s")
    silence = "netctl gives no sign of life"
    expected = ["starting to armed: every worker works"]

    def silent(state, why):
        with proc.stopped(instance.by_role()["netctl"]):
            instance.wait_state(mode)
        instance.wait_state(state)
        expected.extend((f"{state} to {mode}: {silence}",
                         f"{mode} to {state}: {why}"))
    silent("armed", "every worker works")
    instance.ctl("pause")
    expected.append("armed to paused: asked to")
    silent("paused", "asked to")
    instance.ctl("resume")
    expected.append("paused to armed: every worker works")
    # netctl hears nothing, and says that the lease is over
    lapses = instance.tpxd.output().count("the lease has lapsed")
    with proc.stopped([instance.tpxd.pid]):
        proc.wait_until(lambda: instance.tpxd.output().count(
            "the lease has lapsed") > lapses, 2, "the end of the lease")
    proc.wait_until(lambda: said(instance)[-1].startswith(f"{mode} to armed"),
                    what="the way back")
    lapsed = [f"armed to {mode}: {why}"
              for why in ("heartbeats stopped", silence)]
    assert instance.stop() == 0
    *begun, lapse, again, end = said(instance)
    assert list(once(begun, mode)) == expected, "before the last lapse"
    assert lapse in lapsed
    assert again == f"{mode} to armed: every worker works"
    assert end == "armed to stopping: asked to"


def test_pause_may_be_asked_for_before_anybody_works(
        net, tpx, build, tmp_path):
    programs = tmp_path / "programs"
    shutil.copytree(build, programs)
    for parent in (programs, *list(programs.parents)[:-2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    shutil.copy("/bin/false", programs / "tpx-relay")
    instance = tpx(wait="starting", programs=programs, lease="1s")
    instance.ctl("pause")
    instance.wait_state("paused")
    row, = instance.rows(1, "kind = 'state'", view="events")
    assert row["message"] == "starting to paused: asked to"


def test_trial_ends_also_while_dnsds_are_stopped_again_and_again(
        net, server, tpx):
    """Who has no service by its rules may not be able to do anything else."""
    dns = f"dns forward {net.SERVER4}\n"
    instance = tpx(f"{dns}default relay", lease="1s")
    other = instance.home / "other.conf"
    instance.configure(configuration(f"{dns}default block", lease="1s"), other)
    instance.ctl("apply", "-f", other, "--confirm", 2)
    assert traffic.outcome(net.client, net.SERVER4, ECHO, 0.5) != "served"
    stopper = Stopper(instance, "dnsd")
    proc.wait_until(
        lambda: instance.status()["config"]["generation"] == 3, 2 + 2 * 1 + 1,
        "the rules of before")
    stopper.close()
    instance.wait_state("armed", timeout_s=40)
    assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"
