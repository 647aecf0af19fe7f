# SPDX-License-Identifier: ISC
"""Accepted = rows + counted drops + open, whoever dies, and whenever."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import tempfile

import pytest

from conftest import ECHO, EXCHANGE
from rig import proc, traffic

FLOWS = 50
KNOCKING = 21000  # the first port of flows that are blocked
OPEN_AT_STOP = 20
STOPPED_LOG_S = 30
RESTARTS = 6  # of a relay that dies at once: 6.4 s to the next


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


@pytest.fixture
def programs(build):
    """Another directory of them, to be spoiled."""
    with tempfile.TemporaryDirectory(prefix="tpx-build-") as copy:
        os.chmod(copy, 0o755)
        shutil.copytree(build, copy, dirs_exist_ok=True)
        yield pathlib.Path(copy)


@contextlib.contextmanager
def locked(instance):
    """The database, by another writer: what the log is told it only knows."""
    with contextlib.closing(sqlite3.connect(
            instance.log / "flows.db", isolation_level=None)) as log:
        log.execute("BEGIN IMMEDIATE")
        yield
        log.execute("ROLLBACK")


def knock(net, count):
    """That many flows that the kernel blocks, each one datagram."""
    for i in range(count):
        with net.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("", KNOCKING + i))  # no two are the same flow
            sock.sendto(b"x", (net.SERVER4, ECHO))


def blocked(instance):
    return instance.status()["flows"]["blocked"]


@contextlib.contextmanager
def rows_in_the_ledger(net, instance):
    """The flow log has read of them, and cannot write."""
    with locked(instance):
        knock(net, FLOWS)
        proc.wait_until(lambda: blocked(instance) == FLOWS, 20, "the count")
        yield


@contextlib.contextmanager
def rows_in_the_kernel(net, instance):
    """The flow log has not read of them."""
    with proc.stopped(instance.by_role()["flowlog"]):
        knock(net, FLOWS)
        yield


def spoil(programs, instance, role):
    """No other one will live."""
    program = programs / f"tpx-{role}"
    program.unlink()
    program.symlink_to("/bin/false")
    old = instance.by_role()[role]
    proc.kill(old)
    proc.wait_until(lambda: not any(map(proc.alive, old)), 1, "its end")


def relay_keeps_dying(instance):
    """So often that the next one is seconds away, and all arenas are read."""
    status = instance.status()
    restarts, = (each["restarts"] for each in status["processes"]
                 if each["name"] == "relay")
    return restarts >= RESTARTS and status["log"]["queued"] == 0


@pytest.mark.parametrize("left", (rows_in_the_ledger, rows_in_the_kernel))
def test_stop_without_a_flow_log_writes_what_the_kernel_decided(
        net, programs, tpx, left):
    """Nobody has an arena to hand over: the ledger alone has them."""
    instance = tpx("block proto udp\ndefault relay", workers=1, lease="60s",
                   programs=programs)
    spoil(programs, instance, "relay")
    proc.wait_until(lambda: relay_keeps_dying(instance), 30, "deaths")
    log, = instance.by_role()["flowlog"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(left(net, instance))
        # so that it starts no other one before it has to stop
        stack.enter_context(proc.stopped([instance.tpxd.pid]))
        proc.kill([log])
        instance.tpxd.send_signal(signal.SIGTERM)
    assert instance.tpxd.wait(10) == 0
    instance.rows(FLOWS, "action = 'block'", timeout_s=0)
    assert instance.sql("SELECT * FROM drops") == []
    assert states(instance)[-1] == "armed to stopping: asked to"


def test_what_was_blocked_just_before_a_stop_has_its_row(net, tpx):
    """The kernel holds back what it says of it, for a moment."""
    instance = tpx("block proto udp\ndefault relay", workers=1)
    knock(net, FLOWS)
    assert instance.stop() == 0
    instance.rows(FLOWS, "action = 'block'", timeout_s=0)
    assert instance.sql("SELECT * FROM drops") == []


def states(instance):
    return [row["message"] for row in instance.sql(
        "SELECT message FROM events WHERE kind = 'state' ORDER BY id")]


def test_events_outlive_a_flow_log_that_has_not_written_them(tpx):
    instance = tpx()
    wanted = ["starting to armed: every worker works"]
    proc.wait_until(lambda: states(instance) == wanted, 5, "the first event")
    log = instance.by_role()["flowlog"]
    with locked(instance):
        for _ in range(3):
            instance.ctl("pause")
            instance.ctl("resume")
            wanted += ["armed to paused: asked to",
                       "paused to armed: every worker works"]
        proc.kill(log)
    instance.wait_replaced("flowlog", log, 5)
    proc.wait_until(lambda: states(instance) == wanted, 5, "every event")
    log = instance.by_role()["flowlog"]
    proc.kill(log)
    instance.wait_replaced("flowlog", log, 5)
    assert instance.stop() == 0
    assert states(instance) == [*wanted, "armed to stopping: asked to"]
    assert instance.sql("SELECT * FROM drops") == []


def test_stop_ends_though_every_flow_log_dies(programs, tpx):
    instance = tpx(programs=programs)
    spoil(programs, instance, "flowlog")
    assert instance.stop() == 0
    assert "the last flows have no rows" in instance.tpxd.output()
