# SPDX-License-Identifier: ISC
"""UDP through a relay: each end sees the right address, and one row a flow."""

import contextlib
import ctypes
import errno
import ipaddress
import json
import os
import pwd
import socket

import pytest

from conftest import FORWARDED, LOCAL, client_of, outside_of
from rig import packets, proc
from rig.packets import Tap, Wire
from rig.servers import UdpServer

PORT = 5400
OTHER = 5401
CLOSED = 5402
WELL_KNOWN = 123
IP_RECVERR, IPV6_RECVERR = 11, 25
IP_TRANSPARENT, IPV6_TRANSPARENT = 19, 75
UDP_SEGMENT, UDP_GRO = 103, 104
PIDFD_GETFD = 438  # a system call


@pytest.fixture(params=["forwarded", "local"])
def place(request):
    return request.param


@pytest.fixture
def echo(net):
    with UdpServer(net.server, PORT) as server:
        yield server


def namespace_of(net, place):
    return net.client if place == "forwarded" else net.gateway


@contextlib.contextmanager
def talking(namespace, address, port=PORT):
    """A socket that is connected to a server, with a limit on waiting."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with namespace.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((address, port))
        yield sock


@contextlib.contextmanager
def transparent(namespace, address, port):
    """A socket as netctl makes them for relays: of tpx, with any address."""
    v6 = ":" in address
    with namespace.inside():
        os.seteuid(pwd.getpwnam("tpx").pw_uid)
        try:
            sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET,
                                 socket.SOCK_DGRAM)
        finally:
            os.seteuid(0)
    with sock:
        sock.setsockopt(*((socket.IPPROTO_IPV6, IPV6_TRANSPARENT) if v6 else
                          (socket.IPPROTO_IP, IP_TRANSPARENT)), 1)
        sock.bind((address, port))
        yield sock


def answered(sock, data=b"question"):
    sock.send(data)
    return sock.recv(65535) == data


def live(instance):
    """The flows that are open now."""
    return json.loads(instance.ctl("--json", "flows", "--live").stdout)


def row_of(instance, port):
    """The row of the flow from that port of a client."""
    row, = instance.rows(1, f"proto = 'udp' AND sport = {port}")
    return row


def test_both_ends_see_the_right_address(
        net, tpx, echo, sniffer, address, place):
    instance = tpx("relay proto udp to any idle 1s",
                   capture=f"{FORWARDED}\n{LOCAL}")
    with talking(namespace_of(net, place), address) as sock:
        # a connected socket takes an answer from nobody else
        for data in (b"one", b"", b"three" * 200):
            assert answered(sock, data)
        port = sock.getsockname()[1]
        assert {visit.address for visit in echo.visits} == \
            {outside_of(net, address)}
        assert len({visit.port for visit in echo.visits}) == 1
        assert port not in {visit.port for visit in echo.visits}
        assert sniffer.direct() == []
        row = row_of(instance, port)
    source = client_of(net, address) if place == "forwarded" \
        else outside_of(net, address)
    assert (row["src"], row["dst"], row["dport"], row["capture"]) == \
        (source, address, PORT, place)
    assert (row["action"], row["rule"], row["close"], row["error"]) == \
        ("relay", "relay proto udp to any idle 1s", "idle", None)
    assert (row["up_bytes"], row["up_packets"]) == (1003, 3)
    assert (row["down_bytes"], row["down_packets"]) == (1003, 3)
    assert row["uid"] == (0 if place == "local" else None)


def test_flows_of_one_server_and_of_one_client_are_told_apart(
        net, tpx, echo, address):
    tpx("default relay")
    with UdpServer(net.server, OTHER), contextlib.ExitStack() as stack:
        socks = [stack.enter_context(talking(net.client, address, port))
                 for port in (PORT, OTHER) for _ in range(20)]
        for number, sock in enumerate(socks):
            sock.send(b"%d" % number)
        for number, sock in enumerate(socks):
            assert sock.recv(100) == b"%d" % number
        unconnected = stack.enter_context(net.client.socket(
            socks[0].family, socket.SOCK_DGRAM))
        unconnected.settimeout(5)
        for port in (PORT, OTHER):
            unconnected.sendto(b"%d" % port, (address, port))
        answers = [unconnected.recvfrom(100) for _ in range(2)]
        assert {(int(data), peer[0], peer[1]) for data, peer in answers} == \
            {(port, address, port) for port in (PORT, OTHER)}


@pytest.mark.parametrize("size", [1473, 9000, 65000])
def test_datagrams_larger_than_a_packet_stay_whole(
        net, tpx, echo, address, size):
    tpx("default relay")
    with talking(net.client, address) as sock:
        assert answered(sock, bytes(range(256)) * (size // 256 + 1))


def test_bursts_arrive_in_order(net, tpx, echo, address):
    instance = tpx("default relay")
    with talking(net.client, address) as sock:
        assert answered(sock)
        for burst in range(20):
            wanted = [b"%d %d" % (burst, i) for i in range(50)]
            for data in wanted:
                sock.send(data)
            assert [sock.recv(100) for _ in wanted] == wanted
        port = sock.getsockname()[1]
        flow, = live(instance)
        assert (flow["sport"], flow["up_packets"], flow["down_packets"]) == \
            (port, 1001, 1001)


@pytest.mark.parametrize("lengths", [
    [500] * 10, [500] * 10 + [1], [500] * 10 + [499], [1] * 64,
    [1000] * 60 + [333]], ids=["all", "a-byte", "shorter", "bytes", "many"])
def test_what_a_client_sends_at_once_arrives_datagram_by_datagram(
        net, tpx, echo, address, place, lengths):
    instance = tpx("default relay", capture=f"{FORWARDED}\n{LOCAL}")
    with talking(namespace_of(net, place), address) as sock:
        assert answered(sock)
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, lengths[0])
        wanted = [bytes([number]) * length
                  for number, length in enumerate(lengths)]
        assert sock.send(b"".join(wanted)) == sum(lengths)
        assert [sock.recv(65535) for _ in wanted] == wanted
        port = sock.getsockname()[1]
        flow, = live(instance)
    assert (flow["sport"], flow["up_packets"], flow["up_bytes"],
            flow["down_packets"]) == (
        port, len(lengths) + 1, sum(lengths) + 8, len(lengths) + 1)


def test_what_a_relay_itself_is_sent_is_counted_datagram_by_datagram(
        net, tpx):
    instance = tpx(capture=f"{FORWARDED}\n{LOCAL}")
    ports = {int(word.split(":")[-1])
             for word in instance.ctl("plan").stdout.split()
             if word.startswith("127.0.0.1:")}
    assert len(ports) == 2
    for port in ports:
        with talking(net.gateway, "127.0.0.1", port) as sock:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 100)
            sock.send(bytes(1001))
    proc.wait_until(lambda: instance.status()["flows"]["refused"]
                    == len(ports) * 11, what="all are counted")
    assert instance.status()["flows"]["accepted"] == 0


def sockets_of(pid):
    """Its sockets of UDP, which belong to the caller as well."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            fd = libc.syscall(PIDFD_GETFD, pidfd, int(number), 0)
            assert fd >= 0, os.strerror(ctypes.get_errno())
            if not os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                os.close(fd)
                continue
            with socket.socket(fileno=fd) as sock:
                if (sock.family in (socket.AF_INET, socket.AF_INET6)
                        and sock.type & socket.SOCK_DGRAM):
                    yield sock
    finally:
        os.close(pidfd)


def test_relays_have_what_clients_send_at_once_gathered(tpx):
    instance = tpx("default relay", workers=1)
    relay, = instance.by_role()["relay"]
    gathers = [sock.getsockopt(socket.IPPROTO_UDP, UDP_GRO)
               for sock in sockets_of(relay)]
    assert gathers and all(gathers)


def test_refused_server_is_told_to_the_client_and_in_the_row(
        net, tpx, address):
    instance = tpx("default relay", capture=f"{FORWARDED}\n{LOCAL}")
    with talking(net.client, address, CLOSED) as sock:
        sock.send(b"one")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(100)
        row = row_of(instance, sock.getsockname()[1])
    assert (row["action"], row["close"]) == ("relay", "refused")
    assert row["error"] is not None
    assert row["up_packets"] == 1


def test_server_without_a_route_is_one_row_for_many_datagrams(net, tpx):
    instance = tpx("default relay")
    net.gateway.ip("route", "add", "unreachable", "198.51.100.0/24")
    with talking(net.client, "198.51.100.7") as sock:
        for _ in range(100):
            sock.send(b"anybody")
        row = row_of(instance, sock.getsockname()[1])
    assert (row["action"], row["close"]) == ("relay", "unreachable")


@pytest.mark.parametrize("version", [4, 6])
def test_server_that_is_not_there_is_told_to_the_client(net, tpx, version):
    """Nobody on the server's link has the address."""
    instance = tpx("default relay")
    beginning = {4: net.SERVER4, 6: net.SERVER6}[version][:-1]
    option = {4: (socket.IPPROTO_IP, IP_RECVERR),
              6: (socket.IPPROTO_IPV6, IPV6_RECVERR)}[version]
    with talking(net.client, beginning + "77") as sock:
        sock.setsockopt(*option, 1)
        sock.settimeout(10)  # the kernel looks for it for some seconds
        sock.send(b"anybody")
        with pytest.raises(OSError) as told:
            sock.recv(100)
        assert told.value.errno == errno.EHOSTUNREACH
        row = row_of(instance, sock.getsockname()[1])
    assert (row["action"], row["close"]) == ("relay", "unreachable")


def answer_by_error(net, address, datagram, kind, mtu=0):
    """A router between the relay and the server says that of a datagram."""
    outside = outside_of(net, address)
    with Wire(net.server, "eth0", net.gateway, net.SERVER_IF) as wire:
        wire.send(packets.icmp_error(address, outside, kind, datagram, mtu))


# the type and code of each family, and what the client's socket says of it
TOLD = {
    "no port": ((3, 3), (1, 4), errno.ECONNREFUSED, "refused"),
    "no host": ((3, 1), (1, 3), errno.EHOSTUNREACH, "unreachable"),
}
# what a firewall says; the kernel has EACCES for that of IPv6
FORBIDDEN = {"prohibited": (1, 1), "policy": (1, 5), "route": (1, 6)}


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
def test_error_of_a_router_is_told_to_the_client(net, tpx, address, told):
    v4, v6, number, close = told
    option = (socket.IPPROTO_IPV6, IPV6_RECVERR) if ":" in address else \
        (socket.IPPROTO_IP, IP_RECVERR)
    instance = tpx("default relay")
    # a server that takes everything and says nothing
    with net.server.socket(socket.AF_INET6, socket.SOCK_DGRAM) as silent, \
            talking(net.client, address) as sock, Tap(net.server) as tap:
        silent.bind(("::", PORT))
        sock.setsockopt(*option, 1)
        sock.send(b"anybody")
        datagram, = proc.wait_until(lambda: tap.having(b"anybody"))
        answer_by_error(net, address, datagram, v6 if ":" in address else v4)
        with pytest.raises(OSError) as told:
            sock.recv(100)
        assert told.value.errno == number
        row = row_of(instance, sock.getsockname()[1])
    assert (row["close"], row["error"]) == (close, errno.errorcode[number])


@pytest.mark.parametrize("kind", FORBIDDEN.values(), ids=FORBIDDEN)
def test_refusal_of_a_firewall_is_told_to_the_client(net, tpx, kind):
    instance = tpx("default relay")
    with net.server.socket(socket.AF_INET6, socket.SOCK_DGRAM) as silent, \
            talking(net.client, net.SERVER6) as sock, \
            Tap(net.server) as tap:
        silent.bind(("::", PORT))
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        sock.send(b"anybody")
        datagram, = proc.wait_until(lambda: tap.having(b"anybody"))
        answer_by_error(net, net.SERVER6, datagram, kind)
        with pytest.raises(OSError) as told:
            sock.recv(100)
        assert told.value.errno == errno.EHOSTUNREACH
        row = row_of(instance, sock.getsockname()[1])
    assert (row["close"], row["error"]) == ("unreachable", "EACCES")


def test_flow_goes_on_where_a_router_takes_only_small_packets(
        net, tpx, echo, address):
    """The client sends what its own way takes; the relay cuts it."""
    instance = tpx("relay proto udp to any idle 1s")
    datagram, mtu = b"large" * 280, 1300
    head = 48 if ":" in address else 28
    with talking(net.client, address) as sock, Tap(net.server) as tap:
        assert answered(sock, datagram)
        whole, = tap.having(datagram)
        assert len(whole) == head + len(datagram)
        answer_by_error(net, address, whole,
                        (2, 0) if ":" in address else (3, 4), mtu)
        sock.settimeout(0.5)

        def again():
            # what is sent meanwhile may be lost
            return answered(sock, datagram)
        seen = len(tap.packets())
        proc.wait_until(again, what="an answer")
        assert all(len(packet) <= mtu for packet in tap.packets()[seen:]
                   if b"large" in packet)
        port = sock.getsockname()[1]
        row = row_of(instance, port)
    assert (row["close"], row["error"]) == ("idle", None)


@pytest.mark.long
def test_question_and_answer_do_not_take_room_for_long(net, tpx, address):
    instance = tpx("default relay")
    with UdpServer(net.server, WELL_KNOWN), \
            talking(net.client, address, WELL_KNOWN) as sock:
        assert answered(sock)
        row, = instance.rows(1, "proto = 'udp'", 40)
        assert row["close"] == "idle"
        assert 29_000 <= row["duration_ms"] <= 34_000


def test_forged_source_gets_no_answer(net, tpx, echo, address):
    """It would else be sent to somebody who asked for nothing."""
    instance = tpx("default relay")
    victim = "2001:db8::66" if ":" in address else "192.0.2.66"
    with Wire(net.client, "eth0", net.gateway, net.CLIENT_IF) as wire:
        wire.send(packets.ip(victim, address, socket.IPPROTO_UDP, packets.udp(
            victim, address, 5000, PORT, b"forged")))
        wire.send(packets.ip(
            client_of(net, address), address, socket.IPPROTO_UDP, packets.udp(
                client_of(net, address), address, 5001, PORT, b"genuine")))
    proc.wait_until(lambda: echo.visits, 5, "the genuine one")
    assert [flow["sport"] for flow in live(instance)] == [5001]


def test_unspecified_address_is_no_way_to_this_host(net, tpx, echo):
    """connect(2) takes it for the loopback address."""
    instance = tpx("default relay")
    client = net.CLIENT6
    with UdpServer(net.gateway, OTHER) as own, \
            Wire(net.client, "eth0", net.gateway, net.CLIENT_IF) as wire, \
            talking(net.client, net.SERVER6) as sock:
        wire.send(packets.ip(client, "::", socket.IPPROTO_UDP, packets.udp(
            client, "::", 5003, OTHER, b"hello")))
        wire.send(packets.ip(client, "::", socket.IPPROTO_TCP, packets.tcp(
            client, "::", 5003, OTHER)))
        assert answered(sock)
        port = sock.getsockname()[1]
        assert [flow["sport"] for flow in live(instance)] == [port]
        assert own.visits == []


def test_error_of_the_client_does_not_reach_the_server(
        net, tpx, echo, address):
    """Its kernel sends one where an answer finds no socket."""
    tpx("default relay")
    client = client_of(net, address)
    with Wire(net.client, "eth0", net.gateway, net.CLIENT_IF) as wire, \
            Tap(net.client) as tap, Tap(net.server) as far, \
            talking(net.client, address) as sock:
        wire.send(packets.ip(client, address, socket.IPPROTO_UDP, packets.udp(
            client, address, 5002, PORT, b"nobody waits")))
        proc.wait_until(lambda: tap.having(b"nobody waits"), 5, "the answer")
        assert answered(sock)
        assert far.having(b"question")
        ends = packets.packed(client) + packets.packed(address)
        assert far.having(ends) == []


def test_socket_of_a_relay_is_no_part_of_a_flow_that_passes(
        net, tpx, echo, address):
    """With the server's address it would be believed."""
    tpx(f"pass proto udp to any port {PORT}\ndefault relay")
    with talking(net.client, address) as sock, \
            transparent(net.gateway, address, PORT) as forger:
        assert answered(sock)
        client = client_of(net, address), sock.getsockname()[1]
        with pytest.raises(PermissionError):
            forger.sendto(b"forged", client)
        assert answered(sock)


def test_flow_goes_on_with_the_next_relay(net, tpx, echo, address):
    instance = tpx("default relay", workers=1)
    with talking(net.client, address) as sock:
        assert answered(sock)
        port = sock.getsockname()[1]
        proc.kill(instance.by_role()["relay"])
        sock.settimeout(0.2)

        def again():
            sock.send(b"again")
            return sock.recv(100)
        assert proc.wait_until(again, 5, "an answer") == b"again"
        assert row_of(instance, port)["close"] == "worker-lost"


def test_conntrack_keeps_both_halves_of_a_flow_for_as_long_as_the_relay(
        net, echo, tpx):
    """Else late answers would come to a port that nobody remembers."""
    instance = tpx("relay proto udp to any idle 10m")
    for target in (net.SERVER4, net.SERVER6):
        with talking(net.client, target) as sock:
            assert answered(sock)
    left_s = {}
    for line in instance.namespace.run(
            "cat", "/proc/net/nf_conntrack").stdout.splitlines():
        if f" dport={PORT} " in line:
            words = line.split()
            left_s[ipaddress.ip_address(words[5].removeprefix("src="))] = int(
                words[4])
    assert left_s.keys() == set(map(ipaddress.ip_address, (
        net.CLIENT4, net.CLIENT6, net.OUTSIDE4, net.OUTSIDE6)))
    # the least that the kernel gives by itself is half a minute, or two
    assert all(600 < left <= 630 for left in left_s.values()), left_s
