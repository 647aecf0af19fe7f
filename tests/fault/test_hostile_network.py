# SPDX-License-Identifier: ISC
"""Hostile clients and servers: floods, resets, readers that never read, scans.

Each has a short form and, behind the mark long, one at full length.
"""

import contextlib
import os
import socket
import statistics
import time

import pytest

from conftest import ECHO, FORWARDED, LOCAL, REFUSED, STALL, TALK_FIRST
from rig import proc, servers, traffic

LONG = pytest.mark.long
# added to three times the base: scheduling on a busy machine, and one
# retransmission of a SYN that its queue had no room for (RFC 6298, 2.1)
LATENCY_SLACK_S = 1.2
GROWTH_KIB = 16 * 1024
CPU_MOST = 0.01
CPU_SECONDS = 2.0
IDLE_FLOOD_PORT = 7000
# what a relay holds of one direction besides the sockets' buffers
PIPE_BYTES = 2 << 20


def memory(instance):
    return {pid: proc.pss_kib(pid) for pid in instance.pids()}


def buffers_most(net):
    """The four buffers of one direction at their most (tcp(7))."""
    return PIPE_BYTES + 2 * sum(
        int(net.gateway.run("cat", f"/proc/sys/net/ipv4/{name}"
                            ).stdout.split()[-1])
        for name in ("tcp_rmem", "tcp_wmem"))


def descriptors(instance):
    return {pid: len(os.listdir(f"/proc/{pid}/fd"))
            for pid in instance.pids()}


def assert_flat(instance, before):
    """Memory is about what it was."""
    grown = {proc.name(pid): proc.pss_kib(pid) - kib
             for pid, kib in before.items()}
    print(f"grown by KiB {grown}")
    assert max(grown.values()) < GROWTH_KIB, grown


def assert_idle(instance):
    """No process is busy when nothing happens."""
    def idle():
        before = {pid: proc.cpu_s(pid) for pid in instance.pids()}
        proc.stays(lambda: True, CPU_SECONDS)
        spent = {proc.name(pid): (proc.cpu_s(pid) - was) / CPU_SECONDS
                 for pid, was in before.items()}
        assert max(spent.values()) < CPU_MOST, spent
        return True
    # rows of what was before are perhaps still being written
    proc.wait_until(idle, 30, "less than 1 % of a CPU")


def assert_accounted(instance):
    def even():
        assert instance.status()["flows"]["open"] == 0
        assert instance.accounts()["relay"] == 0, instance.accounts()
        return True
    proc.wait_until(even, 60, "accounts")


@contextlib.contextmanager
def flood(net, build, kind, *words):
    running = net.client.spawn(build / "tests-flood", kind, *words)
    try:
        yield running
    finally:
        running.stop()


def latencies(net, seconds):
    """What new connections of a client that behaves take, sorted."""
    taken = []
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(taken) < 50:
        begun = time.monotonic()
        with traffic.connect(net.client, net.SERVER4, ECHO,
                             timeout_s=10) as sock:
            assert traffic.echoes(sock)
        taken.append(time.monotonic() - begun)
    return taken


def p99(taken):
    return statistics.quantiles(taken, n=100)[98]


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=LONG)])
def test_clients_are_served_in_a_syn_flood(net, server, tpx, build, seconds):
    instance = tpx()
    base = p99(latencies(net, min(seconds, 5)))
    before = memory(instance)
    with flood(net, build, "syn", "10.75.0.0", net.SERVER4, ECHO, 100000,
               seconds) as running:
        taken = p99(latencies(net, seconds))
        running.wait(seconds + 20)
        sent = int(running.output().split()[-1])
    print(f"{sent / seconds:.0f} SYN/s; p99 {base:.4f} -> {taken:.4f} s")
    assert sent > seconds * 1000
    assert taken < 3 * base + LATENCY_SLACK_S
    assert_flat(instance, before)
    assert instance.status()["state"] == "armed"
    assert_accounted(instance)
    # half-open connections are no flows
    assert instance.status()["flows"]["accepted"] < sent / 2


def reset_at_once(net, address):
    sock = traffic.connect(net.client, address, ECHO)
    servers.reset(sock)


def reset_before_connected(net, address):
    """The server of this port is away; the client does not wait for that."""
    with contextlib.suppress(OSError):
        servers.reset(traffic.connect(net.client, address, REFUSED))


def reset_with_bytes_under_way(net, address):
    sock = traffic.connect(net.client, address, ECHO)
    sock.sendall(b"x" * 50000)
    servers.reset(sock)


def reset_behind_an_end(net, address):
    sock = traffic.connect(net.client, address, ECHO)
    sock.sendall(b"x")
    sock.shutdown(socket.SHUT_WR)
    servers.reset(sock)


def end_at_once(net, address):
    traffic.connect(net.client, address, ECHO).close()


def end_before_the_answer(net, address):
    with traffic.connect(net.client, address, TALK_FIRST) as sock:
        sock.shutdown(socket.SHUT_WR)


def end_with_bytes_under_way(net, address):
    with traffic.connect(net.client, address, ECHO) as sock:
        sock.sendall(b"x" * 50000)


ENDS = [reset_at_once, reset_before_connected, reset_with_bytes_under_way,
        reset_behind_an_end, end_at_once, end_before_the_answer,
        end_with_bytes_under_way]


@pytest.mark.parametrize("rounds", [20, pytest.param(1000, marks=LONG)])
def test_ends_in_every_state_leave_nothing(
        net, server, tpx, address, rounds):
    instance = tpx()
    for end in ENDS:
        end(net, address)
    assert_accounted(instance)
    files, before = descriptors(instance), memory(instance)
    for _ in range(rounds):
        for end in ENDS:
            end(net, address)
    assert_accounted(instance)
    proc.wait_until(lambda: descriptors(instance) == files, what="descriptors")
    assert_flat(instance, before)
    assert_idle(instance)


@pytest.mark.parametrize("idle_s", [2, pytest.param(60, marks=LONG)])
def test_reader_that_never_reads_is_bounded(
        net, server, tpx, address, idle_s):
    """What nobody reads stays with the sender; the idle limit ends it."""
    instance = tpx(f"relay proto tcp to any idle {idle_s}s")
    before, most = memory(instance), buffers_most(net)
    with traffic.connect(net.client, address, STALL, timeout_s=5) as sock:
        sock.setblocking(False)
        sent, block = 0, b"z" * 65536
        quiet = time.monotonic() + 1
        while time.monotonic() < quiet:
            try:
                sent += sock.send(block)
                quiet = time.monotonic() + 1
            except BlockingIOError:
                pass
            except OSError:
                break  # the limit has come already
            assert sent < most, "somebody takes it all"
        assert_flat(instance, before)
        row, = instance.rows(1, timeout_s=idle_s + 30)
    assert row["close"] == "idle"
    assert row["duration_ms"] >= idle_s * 1000
    print(f"{sent >> 10} KiB taken, {row['up_bytes'] >> 10} KiB relayed")


@pytest.mark.parametrize("count", [50, pytest.param(3000, marks=LONG)])
def test_connections_to_the_listener_itself_are_refused(
        net, server, tpx, count):
    instance = tpx(capture=f"{FORWARDED}\n{LOCAL}")
    plan = instance.ctl("plan").stdout
    ports = {int(word.split(":")[-1]) for word in plan.split()
             if word.startswith("127.0.0.1:")}
    assert len(ports) == 2
    accepted = instance.status()["flows"]["accepted"]
    for port in ports:
        for _ in range(count):
            with contextlib.suppress(OSError), \
                    traffic.connect(net.gateway, "127.0.0.1", port) as sock:
                assert sock.recv(1) == b""
        for source in (net.GATEWAY4, net.OUTSIDE4):
            # hairpins: from the client to this host's own addresses
            assert traffic.outcome(net.client, source, port, 1) != "served"
    assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"
    # one flow, of the client that behaves; none that a relay began with itself
    proc.wait_until(lambda: instance.status()["flows"]["accepted"]
                    == accepted + 1, what="one flow")
    assert_accounted(instance)
    assert_idle(instance)


@pytest.mark.parametrize("seconds", [2, pytest.param(30, marks=LONG)])
def test_scan_by_udp_is_bounded_and_accounted_for(
        net, server, tpx, build, seconds):
    instance = tpx("relay proto udp to any idle 1s\ndefault relay")
    with flood(net, build, "udp", net.CLIENT4, net.SERVER4, IDLE_FLOOD_PORT,
               1000, 1) as running:
        running.wait(20)
    assert_accounted(instance)
    files, before = descriptors(instance), memory(instance)
    with flood(net, build, "udp", net.CLIENT4, net.SERVER4, IDLE_FLOOD_PORT,
               10000, seconds) as running:
        assert traffic.outcome(net.client, net.SERVER4, ECHO, 10) == "served"
        running.wait(seconds + 20)
        sent = int(running.output().split()[-1])
    assert_accounted(instance)
    assert_limited(instance, files)
    grown = {proc.name(pid): proc.pss_kib(pid) - kib
             for pid, kib in before.items()}
    print(f"{sent / seconds:.0f} destinations/s; grown by KiB {grown}")
    # every flow at a time has its slot and its buffers, and no more
    assert max(grown.values()) < 4 * GROWTH_KIB, grown
    assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"


def assert_limited(instance, files):
    def back():
        now = descriptors(instance)
        assert all(now[pid] <= files[pid] + 8 for pid in files), (now, files)
        return True
    proc.wait_until(back, 30, "descriptors")


@pytest.mark.parametrize("count", [1500, pytest.param(20000, marks=LONG)])
def test_scan_by_connections_is_accounted_for(net, server, tpx, count):
    instance = tpx()
    before = memory(instance)
    files = descriptors(instance)
    for port in range(10000, 10000 + count):
        with contextlib.suppress(OSError):
            traffic.connect(net.client, net.SERVER4, 1 + port % 65535).close()
    assert_accounted(instance)
    assert instance.status()["flows"]["accepted"] >= count * 0.99
    assert_limited(instance, files)
    assert_flat(instance, before)
