# SPDX-License-Identifier: ISC
"""Floods and scans: others are served, memory is bounded, all is counted.

Each has a short form and, behind the mark long, one at full length.
"""

import asyncio
import contextlib
import socket
import statistics

import pytest

from conftest import ECHO
from rig import burden, proc, servers, traffic
from rig.net import Topology

LONG = pytest.mark.long
IDLE_FLOOD_PORT = 7000
ATTACKERS = "10.75.0.0"
# who uses one port of the server that the scan leaves out
NEIGHBOUR4, NEIGHBOURLY = "10.74.1.7", 500
VISITS_A_SECOND, PATIENCE_S = 150, 30
SYN_RATE, SYN_LEAST = 100000, 50000
SCAN_RATE, SCAN_LEAST = 10000, 9000
# whole connections, with both ends, the server and the log on two processors
CONNECT_LEAST = 2000
FLAT_KIB = 4 * 1024
# of relays, whose arena has pages that a longer scan is the first to use
RELAY_KIB = 2 * 1024
# of what is sent: neither flows nor counted by the kernel as without room
LOST_MOST = 0.01


@contextlib.contextmanager
def flood(net, build, kind, *words):
    running = net.client.spawn(build / "tests-flood", kind, *words)
    try:
        yield running
    finally:
        running.stop()


def result(running, seconds):
    """How many were answered, and how many sent, when it has ended."""
    assert running.wait(seconds + 20) == 0, running.output()
    answered, sent = map(int, running.output().split())
    return answered, sent


async def latency_s(after_s):
    """What a new connection takes that begins so much later."""
    await asyncio.sleep(after_s)
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        begun = loop.time()
        await loop.sock_connect(sock, (Topology.SERVER4, ECHO))
        await loop.sock_sendall(sock, b"x")
        assert await loop.sock_recv(sock, 1) == b"x"
        return loop.time() - begun


def latencies(net, seconds):
    """Those of a client that behaves; none waits for the end of another.

    Else one that is held up for long would hide how many more would be.
    """
    async def all_of_them():
        return await asyncio.wait_for(asyncio.gather(*(
            latency_s(i / VISITS_A_SECOND)
            for i in range(seconds * VISITS_A_SECOND))), PATIENCE_S)
    with net.client.inside():
        return asyncio.run(all_of_them())


@pytest.mark.alone
@pytest.mark.parametrize("windows", [3, pytest.param(60, marks=LONG)])
def test_clients_are_served_in_a_syn_flood(net, server, tpx, build, windows):
    """Seconds with and without it take turns."""
    # the way back to them: else nothing would be half open
    net.gateway.ip("route", "add", f"{ATTACKERS}/16", "via", net.CLIENT4)
    instance = tpx()
    before = burden.memory(instance)
    base, taken, sent = [], [], 0
    with burden.Peak(instance) as peak:
        for _ in range(windows):
            base += latencies(net, 1)
            with flood(net, build, "syn", ATTACKERS, net.SERVER4, ECHO,
                       SYN_RATE, 1) as running:
                taken += latencies(net, 1)
                sent += result(running, 1)[1]
    p99 = [statistics.quantiles(times, n=100)[98] for times in (base, taken)]
    print(f"{sent / windows:.0f} SYN/s; p99 of {len(base)} {p99[0]:.4f} s,"
          f" of {len(taken)} {p99[1]:.4f} s")
    assert sent >= windows * SYN_LEAST
    # nearly all found the queue full of others that are half open
    assert net.gateway.counter("TcpExtSyncookiesSent") > 0.8 * sent
    assert p99[1] < 3 * p99[0]
    burden.assert_flat(before, peak.most, FLAT_KIB, RELAY_KIB)
    assert instance.status()["state"] == "armed"
    burden.assert_accounted(instance)
    # half-open connections are no flows
    assert instance.status()["flows"]["accepted"] == len(base) + len(taken)


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


def limited(tpx, statements=""):
    """An instance whose relays may hold less than a scan would use."""
    return tpx(statements, prefix=("prlimit", "--nofile=1500:1500"))


def begun_or_lost(net, instance):
    """Flows that relays have begun, and datagrams that had no room."""
    return (instance.status()["flows"]["accepted"]
            + net.gateway.counter("UdpRcvbufErrors"))


@pytest.mark.parametrize("seconds", [2, pytest.param(30, marks=LONG)])
def test_scan_by_udp_is_bounded_and_accounted_for(
        net, server, tpx, build, seconds):
    """More flows at a time than a relay may hold: older ones make room."""
    instance = limited(tpx, f"relay proto udp to any port {NEIGHBOURLY}"
                       " idle 1m\nrelay proto udp to any idle 1s\n"
                       "default relay")
    with flood(net, build, "udp", net.CLIENT4, net.SERVER4, IDLE_FLOOD_PORT,
               1000, 1) as running:
        running.wait(20)
    burden.assert_accounted(instance)
    known = begun_or_lost(net, instance)
    files, before = burden.descriptors(instance), burden.memory(instance)
    with neighbour(net) as echo, burden.Peak(instance) as peak, \
            flood(net, build, "udp", net.CLIENT4, net.SERVER4,
                  IDLE_FLOOD_PORT, SCAN_RATE, seconds) as running:
        assert traffic.outcome(net.client, net.SERVER4, ECHO, 10) == "served"
        _, sent = result(running, seconds)
    # of that client's flow no room was made
    assert len({visit.port for visit in echo.visits}) == 1
    instance.ctl("kill", "--client", NEIGHBOUR4)
    burden.assert_accounted(instance)
    burden.assert_closed(instance, files, 8)
    print(f"{sent / seconds:.0f} destinations/s;"
          f" {instance.status()['flows']}")
    assert sent >= SCAN_LEAST * seconds
    # each destination is a flow; two are those of who behaves
    known = begun_or_lost(net, instance) - known - 2
    assert abs(known - sent) < LOST_MOST * sent
    burden.assert_flat(before, peak.most, relay_kib=RELAY_KIB)
    # room was made, and before there was none: nothing has run short
    ends = {(row["close"], row["error"]): row["n"] for row in instance.sql(
        "SELECT close, error, count(*) AS n FROM flows WHERE proto = 'udp'"
        f" AND src = '{net.CLIENT4}' GROUP BY close, error")}
    assert ends.keys() <= {("idle", None), ("overload", None),
                           # by the server, which has nobody there
                           ("refused", "ECONNREFUSED"),
                           # a long scan has addresses that nobody has
                           ("unreachable", "EHOSTUNREACH")}, ends
    assert ends["overload", None] > 100, ends
    assert instance.sql("SELECT * FROM events WHERE kind = 'overload'") == []
    assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"


@pytest.mark.parametrize("seconds", [2, pytest.param(30, marks=LONG)])
@pytest.mark.parametrize("kind, least", [
    pytest.param("connect", CONNECT_LEAST, marks=pytest.mark.alone),
    ("scan", SCAN_LEAST)], ids=["whole", "half"])
def test_scan_of_tcp_is_bounded_and_accounted_for(
        net, server, tpx, build, kind, least, seconds):
    """What was answered is a row, or a drop; what is half open is neither."""
    instance = tpx()
    files, before = burden.descriptors(instance), burden.memory(instance)
    with burden.Peak(instance) as peak, \
            flood(net, build, kind, net.CLIENT4, net.SERVER4, IDLE_FLOOD_PORT,
                  SCAN_RATE, seconds) as running:
        answered, sent = result(running, seconds)
    flows = instance.status()["flows"]
    print(f"{sent / seconds:.0f} destinations/s, {answered} answered, {flows}")
    assert sent >= least * seconds
    burden.assert_accounted(instance)
    assert (answered > 0) == (kind == "connect")
    assert instance.status()["flows"]["accepted"] == answered
    burden.assert_closed(instance, files, 8)
    burden.assert_flat(before, peak.most, FLAT_KIB, RELAY_KIB)
    assert instance.status()["state"] == "armed"
