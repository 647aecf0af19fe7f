# SPDX-License-Identifier: ISC
"""Accepted = rows + counted drops + open, whoever dies, and whenever."""

import contextlib
import os
import signal

import pytest

from conftest import ECHO, EXCHANGE
from rig import proc, traffic

FLOWS = 50
OPEN_AT_STOP = 20
STOPPED_LOG_S = 30


def open_flows(net, count):
    """Connections that an echo has gone through, in both families."""
    socks = [traffic.connect(net.client, (net.SERVER4, net.SERVER6)[i % 2],
                             ECHO) for i in range(count)]
    for sock in socks:
        assert traffic.echoes(sock)
    return socks


def close_all(socks):
    for sock in socks:
        with contextlib.suppress(OSError):
            sock.close()


# who dies first, who second, and how much later
DEATHS = {
    "relay, then flow log": ("relay", "flowlog", 0.06),
    "relay, and flow log at once": ("relay", "flowlog", 0),
    "flow log, and relay at once": ("flowlog", "relay", 0),
    "flow log, then relay": ("flowlog", "relay", 0.06),
}


@pytest.mark.parametrize("first, second, later_s", DEATHS.values(),
                         ids=DEATHS)
def test_flows_of_a_dead_relay_get_one_row_each_when_the_log_dies_too(
        net, server, tpx, first, second, later_s):
    instance = tpx(workers=1)
    socks = open_flows(net, FLOWS)
    before = instance.by_role()
    proc.kill(before[first])
    proc.stays(lambda: proc.alive(before[second][0]), later_s, second)
    proc.kill(before[second])
    for role in (first, second):
        instance.wait_replaced(role, before[role], 5)
    rows = instance.rows(FLOWS)
    assert {row["close"] for row in rows} == {"worker-lost"}
    assert {row["sport"] for row in rows} == {
        sock.getsockname()[1] for sock in socks}
    instance.wait_state("armed")
    proc.wait_until(lambda: instance.unaccounted() == 0, 5, "all accounted")
    assert instance.status()["log"]["dropped"] == 0
    assert instance.stop() == 0
    instance.rows(FLOWS)
    close_all(socks)


@pytest.mark.parametrize("first, second, later_s", DEATHS.values(),
                         ids=DEATHS)
def test_flows_that_get_no_row_are_counted_once_whoever_dies(
        net, server, tpx, first, second, later_s):
    instance = tpx(f"relay to any port {ECHO} log no", workers=1)
    socks = open_flows(net, FLOWS)
    logged = [traffic.connect(net.client, net.SERVER4, EXCHANGE)
              for _ in range(3)]
    close_all(socks[:FLOWS // 2])
    proc.wait_until(lambda: instance.status()["flows"]["unlogged"] ==
                    FLOWS // 2, 5, "the first half")
    before = instance.by_role()
    proc.kill(before[first])
    proc.stays(lambda: proc.alive(before[second][0]), later_s, second)
    proc.kill(before[second])
    for role in (first, second):
        instance.wait_replaced(role, before[role], 5)
    rows = instance.rows(len(logged))
    assert {row["dport"] for row in rows} == {EXCHANGE}
    proc.wait_until(lambda: instance.unaccounted() == 0, 5, "all accounted")
    flows = instance.status()["flows"]
    assert (flows["unlogged"], flows["open"]) == (FLOWS, 0)
    close_all(socks + logged)


def test_rows_that_were_not_acknowledged_are_neither_lost_nor_doubled(
        net, server, tpx):
    """Relay and log die while some flows have just ended, others have not."""
    instance = tpx(workers=1)
    socks = open_flows(net, FLOWS)
    before = instance.by_role()
    close_all(socks[:FLOWS // 2])
    proc.kill_at_once(before["relay"] + before["flowlog"])
    for role in ("relay", "flowlog"):
        instance.wait_replaced(role, before[role], 5)
    rows = instance.rows(FLOWS)
    assert {row["close"] for row in rows} <= {"worker-lost", "client-fin"}
    proc.wait_until(lambda: instance.unaccounted() == 0, 5, "all accounted")
    close_all(socks)


def log_is_dead(instance):
    log, = instance.by_role()["flowlog"]
    proc.kill([log])


def log_waits_for_its_restart(instance):
    """It has died several times, so that it takes longer."""
    for _ in range(3):
        old = instance.by_role()["flowlog"]
        proc.kill(old)
        instance.wait_replaced("flowlog", old, 5)
    log_is_dead(instance)
    proc.wait_until(lambda: not instance.by_role()["flowlog"], 1, "its end")


def log_has_just_started(instance):
    old = instance.by_role()["flowlog"]
    proc.kill(old)
    instance.wait_replaced("flowlog", old, 5)


def log_dies_with_the_relay(instance):
    roles = instance.by_role()
    proc.kill_at_once(roles["relay"] + roles["flowlog"])


BEFORE_STOP = {
    "dead": log_is_dead,
    "waits": log_waits_for_its_restart,
    "starts": log_has_just_started,
    "dead with its relay": log_dies_with_the_relay,
}


@pytest.mark.parametrize("happens", BEFORE_STOP.values(), ids=BEFORE_STOP)
def test_stop_without_a_flow_log_loses_no_row(net, server, tpx, happens):
    instance = tpx(workers=1)
    socks = open_flows(net, OPEN_AT_STOP)
    happens(instance)
    assert instance.stop() == 0
    drops = instance.sql("SELECT total(count) AS n FROM drops")[0]["n"]
    rows = instance.rows(OPEN_AT_STOP - int(drops), timeout_s=0)
    assert {row["close"] for row in rows} <= {"shutdown", "worker-lost"}
    assert all(row["final"] for row in rows)
    close_all(socks)


def test_stopped_flow_log_is_replaced_and_no_row_is_lost(net, server, tpx):
    instance = tpx(workers=1)
    old = instance.by_role()["flowlog"]
    proc.kill(old, signal.SIGSTOP)
    for index in range(FLOWS):
        target = (net.SERVER4, net.SERVER6)[index % 2]
        traffic.exchange(net.client, target, EXCHANGE, 10, index)
    before = instance.by_role()
    instance.wait_replaced("flowlog", old, STOPPED_LOG_S)
    rows = instance.rows(FLOWS)
    assert sorted(row["down_bytes"] for row in rows) == list(range(FLOWS))
    proc.wait_until(lambda: instance.unaccounted() == 0, 5, "all accounted")
    assert instance.by_role()["relay"] == before["relay"]
    assert not os.path.exists(f"/proc/{old[0]}")


@pytest.mark.parametrize("decided", ("block", "pass"))
def test_flows_that_the_kernel_decided_add_up_when_the_log_dies(
        net, server, tpx, decided):
    instance = tpx(f"default {decided}")
    with traffic.Hammer(net.client, [net.SERVER4, net.SERVER6], ECHO) as hammer:
        for rounds in (25, 50):
            proc.wait_until(lambda: hammer.rounds >= rounds, what="knocks")
            old = instance.by_role()["flowlog"]
            proc.kill(old)
            instance.wait_replaced("flowlog", old, 5)

    def add_up():
        return (instance.status()["flows"][f"{decided}ed"] >= 50
                and instance.accounts()[decided] == 0)
    proc.wait_until(add_up, 5, "the sum")
