# SPDX-License-Identifier: ISC
"""What goes on and what comes back after something died."""

import concurrent.futures
import contextlib
import os
import shutil
import signal
import socket
import time

import pytest

from conftest import ECHO, EXCHANGE
from rig import proc, servers, traffic


def outlives(sock):
    """Does this flow go on? Within a second it has ended otherwise."""
    sock.settimeout(1)
    with contextlib.suppress(ConnectionError, EOFError):
        return traffic.echoes(sock)
    return False


def test_killed_relay_ends_its_own_flows_only_and_its_successor_is_quick(
        net, server, tpx):
    instance = tpx(workers=2)
    socks = [traffic.connect(net.client, net.SERVER4, ECHO)
             for _ in range(16)]
    assert all(map(traffic.echoes, socks))
    relays = instance.by_role()["relay"]
    # who is in its backlog waits for the next one
    proc.kill(relays, signal.SIGSTOP)
    waiting = [traffic.connect(net.client, net.SERVER4, ECHO)
               for _ in range(8)]
    proc.kill(relays[:1])
    killed = time.monotonic()
    proc.kill(relays[1:], signal.SIGCONT)
    for sock in waiting:
        assert traffic.echoes(sock)
    assert time.monotonic() - killed < 0.5
    lost = {sock.getsockname()[1] for sock in socks if not outlives(sock)}
    assert 0 < len(lost) < len(socks)
    rows = instance.rows(len(lost))
    assert {row["sport"] for row in rows} == lost
    assert len({row["worker"] for row in rows}) == 1
    assert {row["close"] for row in rows} == {"worker-lost"}
    for sock in socks + waiting:
        sock.close()


def test_relay_that_dies_at_start_is_named_and_costs_little(
        build, tpx, tmp_path_factory):
    programs = tmp_path_factory.mktemp("programs", numbered=True)
    shutil.copytree(build, programs, dirs_exist_ok=True)
    for parent in [programs, *list(programs.parents)[:-2]]:
        parent.chmod(parent.stat().st_mode | 0o055)
    shutil.copy("/bin/false", programs / "tpx-relay")
    instance = tpx(wait=None, workers=2, programs=programs)
    proc.wait_until(lambda: len([
        alarm for alarm in instance.status()["alarms"]
        if "tpx-relay" in alarm and "keeps dying" in alarm]) == 2, 10,
        "both alarms")
    tpxd = instance.tpxd.pid

    def spent():
        return sum(map(int, proc.stat(tpxd)[11:15])) / os.sysconf("SC_CLK_TCK")
    proc.wait_until(lambda: all(
        process["restarts"] >= 5 for process in instance.status()["processes"]
        if process["name"] == "relay"), 10, "longer and longer pauses")
    before = spent()
    proc.stays(instance.tpxd.running, 3, "tpxd")
    assert spent() - before < 0.02 * 3


def test_killed_flow_log_loses_and_doubles_nothing(net, server, tpx):
    count, kills = 600, 3
    instance = tpx()
    relays = instance.by_role()["relay"]

    def once(index):
        return traffic.exchange(net.client, net.SERVER4, EXCHANGE, 10, index)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        received = pool.map(once, range(count))
        for number in range(kills):
            # under load: rows are arriving, and more are to come
            proc.wait_until(
                lambda: len(server[EXCHANGE].visits)
                > (number + 1) * count // (kills + 2), 30, "load")
            old = instance.by_role()["flowlog"]
            proc.kill(old)
            instance.wait_replaced("flowlog", old, 5)
        assert list(received) == list(range(count))
    rows = instance.rows(count, timeout_s=20)
    assert sorted(row["down_bytes"] for row in rows) == list(range(count))
    assert instance.by_role()["relay"] == relays
    assert instance.unaccounted() == 0
    assert instance.sql("PRAGMA quick_check") == [{"quick_check": "ok"}]


def test_rows_survive_a_stop_and_ids_go_on(net, server, tpx):
    instance = tpx()
    for _ in range(3):
        traffic.ask(net.client, net.SERVER4, ECHO, b"before")
    with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
        assert traffic.echoes(sock)
        assert instance.stop() == 0
    rows = instance.rows(4)
    assert [row["close"] for row in rows].count("shutdown") == 1
    instance.start()
    instance.wait_state("armed")
    traffic.ask(net.client, net.SERVER4, ECHO, b"after")
    rows = instance.rows(5)
    assert rows[4]["id"] > max(row["id"] for row in rows[:4])


def test_flush_of_all_rules_opens_nothing_while_no_tpxd_runs(
        net, server, sniffer, tpx):
    """The guard's second line stands outside nftables."""
    instance = tpx()
    proc.kill([instance.tpxd.pid])
    proc.wait_until(lambda: not proc.alive(instance.tpxd.pid), 2, "its end")
    net.gateway.run("nft", "flush", "ruleset")
    for target in (net.SERVER4, net.SERVER6):
        assert traffic.outcome(net.client, target, ECHO, 0.5) != "served"
        with net.client.socket(
                socket.AF_INET6 if ":" in target else socket.AF_INET,
                socket.SOCK_DGRAM) as sock:
            for _ in range(10):
                with contextlib.suppress(OSError):
                    sock.sendto(b"leak", (target, ECHO))
    assert sniffer.direct() == []
    # while what the operator passes still does, once tpxd is back
    instance.start()
    proc.wait_until(
        lambda: traffic.outcome(net.client, net.SERVER4, ECHO, 0.5) == "served",
        10, "capture")
    assert sniffer.direct() == []


def test_flush_of_all_rules_opens_nothing_while_netctl_is_stopped(
        net, server, sniffer, tpx):
    """Its own table stays, but with the lease that ends; nobody repairs."""
    instance = tpx(lease="1s")
    roles = instance.by_role()
    with proc.stopped(roles["keeper"] + roles["netctl"]):
        instance.wait_state("closed")
        net.gateway.nft("flush ruleset")
        assert "table inet tpx\n" in net.gateway.run(
            "nft", "list", "tables").stdout
        with traffic.Hammer(net.client, [net.SERVER4, net.SERVER6],
                            ECHO) as hammer:
            proc.wait_until(lambda: hammer.rounds >= 50, what="knocks")
        assert sniffer.direct() == []
        assert server[ECHO].addresses() == set()
    instance.wait_state("armed")
    for target in (net.SERVER4, net.SERVER6):
        assert traffic.outcome(net.client, target, ECHO) == "served"
    assert sniffer.direct() == []


def test_passed_flows_go_by_the_second_line_too(net, server, tpx):
    tpx(f"pass to any port {EXCHANGE}")
    net.gateway.run("nft", "flush", "ruleset")
    for target in (net.SERVER4, net.SERVER6):
        traffic.exchange(net.client, target, EXCHANGE, 10, 10)


def test_passed_flow_goes_on_after_a_restart_in_closed_mode(
        net, server, tpx, address):
    instance = tpx(f"pass to any port {ECHO}", lease="1s")
    with traffic.connect(net.client, address, ECHO) as sock:
        assert traffic.echoes(sock)
        assert instance.stop() == 0
        sock.sendall(b"later")
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        instance.start()
        instance.wait_state("armed")
        sock.settimeout(5)
        assert servers.read_exactly(sock, 5) == b"later"
        assert traffic.echoes(sock)


def test_client_that_floods_with_resets_leaves_no_descriptor_behind(
        net, server, tpx, address):
    instance = tpx(workers=1)
    relay, = instance.by_role()["relay"]
    assert traffic.ask(net.client, address, ECHO, b"warm") == b"warm"
    instance.wait_running()
    base = len(os.listdir(f"/proc/{relay}/fd"))
    for _ in range(200):
        with contextlib.suppress(OSError):
            sock = traffic.connect(net.client, address, ECHO)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.send(b"x")
            servers.reset(sock)
    proc.wait_until(lambda: len(os.listdir(f"/proc/{relay}/fd")) <= base, 10,
                    "descriptors are given back")
    instance.rows(201)
    assert instance.unaccounted() == 0
