# SPDX-License-Identifier: ISC
"""Readers that never read, and whoever speaks to tpx itself.

Each has a short form and, behind the mark long, one at full length.
"""

import contextlib
import itertools
import re
import socket
import struct
import time

import pytest

from conftest import ECHO, FORWARDED, LOCAL, STALL, configuration
from rig import burden, names, packets, proc, traffic

LONG = pytest.mark.long
BOTH = f"{FORWARDED}\n{LOCAL}"
AT_A_TIME = 100  # datagrams that a listener surely has room for
LISTENERS = re.compile(r"tproxy ip6? to \[?([\d.:]+?)\]?:(\d+) ")
UPSTREAMS = "socks5", "http", "proxy-v2"
# what a relay holds of one direction besides the sockets' buffers
PIPE_BYTES = 2 << 20


def buffers_most(net):
    """The four buffers of one direction at their most (tcp(7))."""
    return PIPE_BYTES + 2 * sum(
        int(net.gateway.run("cat", f"/proc/sys/net/ipv4/{name}"
                            ).stdout.split()[-1])
        for name in ("tcp_rmem", "tcp_wmem"))


@pytest.mark.parametrize("idle_s", [2, pytest.param(60, marks=LONG)])
def test_reader_that_never_reads_is_bounded(
        net, server, tpx, address, idle_s):
    """What nobody reads stays with the sender; the idle limit ends it."""
    instance = tpx(f"relay proto tcp to any idle {idle_s}s")
    before, most = burden.memory(instance), buffers_most(net)
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
        burden.assert_flat(before, burden.memory(instance))
        row, = instance.rows(1, timeout_s=idle_s + 30)
    assert row["close"] == "idle"
    assert row["duration_ms"] >= idle_s * 1000
    print(f"{sent >> 10} KiB taken, {row['up_bytes'] >> 10} KiB relayed")


def listeners(instance):
    """Address and port of each, as the kernel is told."""
    found = {(address, int(port)) for address, port
             in LISTENERS.findall(instance.ctl("plan").stdout)}
    assert {address for address, _ in found} == {"127.0.0.1", "::1"}, found
    return sorted(found)


def refused(instance):
    return instance.status()["flows"]["refused"]


def datagrams(namespace, address, port):
    """A socket that is connected there."""
    sock = namespace.socket(traffic.FAMILIES[6 if ":" in address else 4],
                            socket.SOCK_DGRAM)
    sock.connect((address, port))
    sock.settimeout(1)
    return sock


def connect_often(instance, address, port, count):
    """Each is ended at once, without a word."""
    for _ in range(count):
        # a relay that connects with itself lets it wait
        with contextlib.suppress(ConnectionError), traffic.connect(
                instance.namespace, address, port) as sock:
            assert sock.recv(1) == b""


def send_often(instance, address, port, count):
    """None is answered."""
    before = refused(instance)
    with datagrams(instance.namespace, address, port) as sock:
        for sent in range(1, count + 1):
            sock.send(b"x")
            if sent % AT_A_TIME == 0:
                proc.wait_until(lambda: refused(instance) == before + sent,
                                what="all are read")
        sock.setblocking(False)
        proc.wait_until(lambda: refused(instance) >= before + count,
                        what="all are counted")
        with pytest.raises(BlockingIOError):
            sock.recv(1)


KNOCKS = {"tcp": connect_often, "udp": send_often}


@pytest.mark.parametrize("count", [50, pytest.param(3000, marks=LONG)])
def test_who_speaks_to_listeners_themselves_is_refused_and_counted(
        net, server, tpx, count):
    """By both protocols, in both families, those of both captures."""
    instance = tpx(capture=BOTH)
    ends = listeners(instance)
    assert len(ends) == 4
    accepted, total = instance.status()["flows"]["accepted"], 0
    assert refused(instance) == 0
    for protocol, knock in KNOCKS.items():
        for address, port in ends:
            knock(instance, address, port, count)
            total += count
            proc.wait_until(lambda: refused(instance) == total, what=(
                f"all of {protocol} to {address}:{port} are counted"))
    for address in (net.SERVER4, net.SERVER6):
        assert traffic.outcome(net.client, address, ECHO) == "served"
    # two flows, of the client that behaves; none that a relay began with itself
    proc.wait_until(lambda: instance.status()["flows"]["accepted"]
                    == accepted + 2, what="two flows")
    burden.assert_accounted(instance)
    burden.assert_idle(instance)
    assert refused(instance) == total
    assert len(instance.rows(2)) == 2


def unreachable(namespace, address, port):
    """Does its host say that nobody is at that port of UDP?"""
    with datagrams(namespace, address, port) as sock:
        sock.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(1)
    return True


def test_hairpins_to_ports_of_listeners_find_nobody(net, server, tpx):
    """From a client, and from this host, to any other address of it."""
    instance = tpx(capture=BOTH)
    for limit in ("ipv4.icmp_ratelimit", "ipv6.icmp.ratelimit"):
        net.gateway.sysctl(f"net.{limit}", 0)
    for _, port in listeners(instance):
        for address in (net.GATEWAY4, net.OUTSIDE4, net.GATEWAY6,
                        net.OUTSIDE6):
            for side in (net.client, net.gateway):
                assert traffic.outcome(side, address, port, 2) == "reset"
                assert unreachable(side, address, port)
    flows = instance.status()["flows"]
    assert (flows["accepted"], flows["open"], flows["refused"]) == (0, 0, 0)


def test_datagrams_to_loopback_by_a_wire_are_refused_and_counted(net, tpx):
    """A host may be set to take them (route_localnet); no other address of
    its loopback is anybody's."""
    instance = tpx(capture=BOTH)
    net.gateway.sysctl(f"net.ipv4.conf.{net.CLIENT_IF}.route_localnet", 1)
    ports = [port for address, port in listeners(instance)
             if address == "127.0.0.1"]
    with packets.Wire(net.client, "eth0", net.gateway, net.CLIENT_IF) as wire:
        for count, port in enumerate(ports, 1):
            wire.send(*(packets.ip(
                net.CLIENT4, target, socket.IPPROTO_UDP,
                packets.udp(net.CLIENT4, target, 5000, port, b"x"))
                for target in ("127.0.0.2", "127.0.0.1")))
            proc.wait_until(lambda: refused(instance) == count,
                            what=f"the one to {port}")
    flows = instance.status()["flows"]
    assert (flows["accepted"], flows["refused"]) == (0, len(ports))


def test_upstream_that_is_tpx_itself_is_no_loop(net, server, tpx):
    instance = tpx(capture=BOTH)
    ways = list(itertools.product(UPSTREAMS, listeners(instance)))
    for count, (kind, (address, port)) in enumerate(ways, 1):
        host = f"[{address}]" if ":" in address else address
        instance.configure(configuration(
            f"upstream itself {kind} {host}:{port}\n"
            "default relay via itself", capture=BOTH))
        instance.ctl("reload")
        assert traffic.outcome(net.client, net.SERVER4, ECHO) in (
            "reset", "closed")
        proc.wait_until(lambda: refused(instance) == count, what=(
            f"the relay's own connection to {address}:{port}"))
    instance.rows(len(ways))
    assert instance.status()["flows"]["accepted"] == len(ways)
    burden.assert_accounted(instance)


def asked(namespace, address, port, kind):
    """A socket that has sent a question there."""
    wire = names.question("www.example.net").to_wire()
    sock = namespace.socket(
        traffic.FAMILIES[6 if ":" in address else 4], kind)
    sock.settimeout(5)
    sock.connect((address, port))
    with contextlib.suppress(ConnectionError):  # it is ended already
        sock.sendall(wire if kind == socket.SOCK_DGRAM
                     else struct.pack("!H", len(wire)) + wire)
    return sock


def has_answer(sock, kind):
    """By now, of datagrams; by the end of a connection."""
    sock.setblocking(kind == socket.SOCK_STREAM)
    with contextlib.suppress(BlockingIOError, ConnectionError):
        return sock.recv(100) != b""
    return False


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM],
                         ids=["udp", "tcp"])
def test_questions_to_listeners_themselves_get_no_answer(net, tpx, kind):
    """Neither by a dnsd, whose listeners these are too, nor by a relay."""
    with names.Server(net.server):
        instance = tpx(f"dns forward {net.SERVER4}\ndns validate no",
                       capture=BOTH)
        ends = listeners(instance)
        assert len(ends) == 8
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(asked(net.gateway, *end, kind))
                     for end in ends]
            # asked as it should be
            assert names.ask(net.gateway, net.SERVER6, "www.example.net",
                             tcp=kind == socket.SOCK_STREAM).answer
            proc.wait_until(lambda: refused(instance) == 4,
                            what="those of relays are counted")
            assert not any(has_answer(sock, kind) for sock in socks)
        row, = instance.rows(1, view="dns")
        assert row["server"] == net.SERVER6
        assert instance.status()["dns"]["queries"] == 1
        assert instance.status()["flows"]["accepted"] == 0
