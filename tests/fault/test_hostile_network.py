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

from conftest import CLOSE, ECHO, FORWARDED, LOCAL, REFUSED, STALL, TALK_FIRST
from rig import proc, servers, traffic

LONG = pytest.mark.long
# added to three times the base: for nearly all, scheduling on a busy machine;
# for nearly all others one retransmission of a SYN that its queue had no room
# for besides (RFC 6298, 2.1)
LATENCY_SLACK_S = {95: 0.2, 99: 1.2}
GROWTH_KIB = 16 * 1024
CPU_MOST = 0.01
CPU_SECONDS = 2.0
IDLE_FLOOD_PORT = 7000
# who uses one port of the server that the scan leaves out
NEIGHBOUR4, NEIGHBOURLY = "10.74.1.7", 500
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


def percentile(taken, percent):
    return statistics.quantiles(taken, n=100)[percent - 1]


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=LONG)])
def test_clients_are_served_in_a_syn_flood(net, server, tpx, build, seconds):
    instance = tpx()
    base = percentile(latencies(net, min(seconds, 5)), 99)
    before = memory(instance)
    with flood(net, build, "syn", "10.75.0.0", net.SERVER4, ECHO, 100000,
               seconds) as running:
        taken = latencies(net, seconds)
        running.wait(seconds + 20)
        sent = int(running.output().split()[-1])
    reached = {percent: percentile(taken, percent)
               for percent in LATENCY_SLACK_S}
    print(f"{sent / seconds:.0f} SYN/s; p99 {base:.4f} s -> {reached}"
          f" of {len(taken)}")
    assert sent > seconds * 1000
    assert all(reached[percent] < 3 * base + slack
               for percent, slack in LATENCY_SLACK_S.items())
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


def server_ended(net, address, stack):
    sock = stack.enter_context(traffic.connect(net.client, address, CLOSE))
    assert sock.recv(1) == b""


def client_ended(net, address, stack):
    sock = stack.enter_context(traffic.connect(net.client, address, STALL))
    sock.shutdown(socket.SHUT_WR)


def client_ended_behind_bytes(net, address, stack):
    sock = stack.enter_context(traffic.connect(net.client, address, STALL))
    sock.sendall(b"x" * 50000)
    sock.shutdown(socket.SHUT_WR)


# what stays open when one end has ended
HALVES = [server_ended, client_ended, client_ended_behind_bytes]
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
    with contextlib.ExitStack() as stack:
        for end in HALVES:
            end(net, address, stack)
        proc.wait_until(lambda: instance.status()["flows"]["open"]
                        == len(HALVES), what="halves of connections")
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
    assert instance.status()["flows"]["refused"] == 0
    for port in ports:
        for _ in range(count):
            # a relay that connects with itself lets it wait
            with contextlib.suppress(ConnectionError), \
                    traffic.connect(net.gateway, "127.0.0.1", port) as sock:
                assert sock.recv(1) == b""
        for source in (net.GATEWAY4, net.OUTSIDE4):
            # hairpins: from the client to this host's own addresses
            assert traffic.outcome(net.client, source, port, 1) != "served"
    assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"
    # one flow, of the client that behaves; none that a relay began with itself
    proc.wait_until(lambda: instance.status()["flows"]["accepted"]
                    == accepted + 1, what="one flow")
    proc.wait_until(lambda: instance.status()["flows"]["refused"]
                    == len(ports) * count, what="all are counted")
    assert_accounted(instance)
    assert_idle(instance)


@contextlib.contextmanager
def neighbour(net):
    """Another client, with one flow of UDP that it goes on using."""
    net.client.ip("addr", "add", f"{NEIGHBOUR4}/24", "dev", "eth0")
    with servers.UdpServer(net.server, NEIGHBOURLY) as echo, \
            net.client.socket(kind=socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        sock.bind((NEIGHBOUR4, 0))
        sock.connect((net.SERVER4, NEIGHBOURLY))

        def answered():
            sock.send(b"x")
            return sock.recv(1) == b"x"
        proc.wait_until(answered)
        yield echo
        proc.wait_until(answered)


@pytest.mark.parametrize("seconds", [2, pytest.param(30, marks=LONG)])
def test_scan_by_udp_is_bounded_and_accounted_for(
        net, server, tpx, build, seconds):
    """More flows at a time than a relay may hold: older ones make room."""
    instance = tpx(f"relay proto udp to any port {NEIGHBOURLY} idle 1m\n"
                   "relay proto udp to any idle 1s\ndefault relay",
                   prefix=("prlimit", "--nofile=1500:1500"))
    with flood(net, build, "udp", net.CLIENT4, net.SERVER4, IDLE_FLOOD_PORT,
               1000, 1) as running:
        running.wait(20)
    assert_accounted(instance)
    files, before = descriptors(instance), memory(instance)
    with neighbour(net) as echo, \
            flood(net, build, "udp", net.CLIENT4, net.SERVER4,
                  IDLE_FLOOD_PORT, 10000, seconds) as running:
        assert traffic.outcome(net.client, net.SERVER4, ECHO, 10) == "served"
        running.wait(seconds + 20)
        sent = int(running.output().split()[-1])
    # of that client's flow no room was made
    assert len({visit.port for visit in echo.visits}) == 1
    instance.ctl("kill", "--client", NEIGHBOUR4)
    assert_accounted(instance)
    assert_limited(instance, files)
    grown = {proc.name(pid): proc.pss_kib(pid) - kib
             for pid, kib in before.items()}
    print(f"{sent / seconds:.0f} destinations/s; grown by KiB {grown}")
    assert max(grown.values()) < GROWTH_KIB, grown
    # room was made, and before there was none: nothing has run short
    ends = {(row["close"], row["error"]): row["n"] for row in instance.sql(
        "SELECT close, error, count(*) AS n FROM flows WHERE proto = 'udp'"
        f" AND src = '{net.CLIENT4}' GROUP BY close, error")}
    assert ends.keys() <= {("idle", None), ("overload", None),
                           # by the server, which has nobody there
                           ("refused", "ECONNREFUSED")}, ends
    assert ends["overload", None] > 100, ends
    assert instance.sql("SELECT * FROM events WHERE kind = 'overload'") == []
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
