# SPDX-License-Identifier: ISC
"""source client: servers see the client's address."""

import contextlib
import os
import pathlib
import pwd
import re
import socket
import threading

import pytest

from conftest import DIGEST, ECHO, FORWARDED, LOCAL, client_of, outside_of
from rig import proc, servers, traffic
from rig.packets import Tap

RULES = "relay proto tcp to any source client"
IPV6_TRANSPARENT = 75


def row_of(instance, port):
    row, = instance.rows(1, f"sport = {port}")
    return row


def visitors(server, since=0):
    return [(visit.address, visit.port) for visit in server.visits[since:]]


def test_server_sees_address_and_port_of_the_client(
        net, server, tpx, sniffer, address):
    instance = tpx(RULES)
    with traffic.connect(net.client, address, ECHO) as sock:
        assert traffic.echoes(sock)
        source = sock.getsockname()[:2]
        assert visitors(server[ECHO]) == [source]
    row = row_of(instance, source[1])
    assert (row["action"], row["source"], row["rule"], row["close"]) == \
        ("relay", "client", RULES, "client-fin")
    # nobody but the relay has spoken to the server
    assert row["up_packets"] > 0
    assert instance.status()["flows"]["relayed"] == 1


def test_much_goes_through_both_ways(net, server, tpx, address):
    instance = tpx(RULES)
    done = net.client.run("/usr/bin/python3", "-c", UPLOAD, address, DIGEST)
    assert done.stdout.strip() == "same"
    row, = instance.rows(1)
    assert (row["source"], row["up_bytes"]) == ("client", 8 << 20)


UPLOAD = """
import hashlib, socket, sys
data = bytes(range(256)) * 4096 * 8
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) as sock:
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    got = b"".join(iter(lambda: sock.recv(65536), b""))
print("same" if hashlib.sha256(data).hexdigest().encode() in got
      else "another")
"""


@contextlib.contextmanager
def held(net, address, port, kind=socket.SOCK_STREAM):
    """A socket of the gateway with an address and port of the client."""
    v6 = ":" in address
    family = socket.AF_INET6 if v6 else socket.AF_INET
    with net.gateway.socket(family, kind) as sock:
        if v6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
        else:
            sock.setsockopt(socket.SOL_IP, socket.IP_TRANSPARENT, 1)
        sock.bind((client_of(net, address), port))
        yield


def test_port_that_is_taken_leads_to_another_one(net, server, tpx, address):
    instance = tpx(RULES)
    port = 23456
    with held(net, address, port), net.client.socket(
            socket.AF_INET6 if ":" in address else socket.AF_INET) as sock:
        sock.settimeout(5)
        sock.bind((client_of(net, address), port))
        sock.connect((address, ECHO))
        assert traffic.echoes(sock)
        (seen, other), = visitors(server[ECHO])
        assert seen == client_of(net, address)
        assert other != port
    assert row_of(instance, port)["source"] == "client-address"


PORTS = range(45000, 45004)
BIND_ADDRESS_NO_PORT = 24  # of IPPROTO_IP, in both families


@contextlib.contextmanager
def all_ports_used(net, address):
    """Connections from the client's address, as far as the kernel knows, on
    every port that it chooses from, to the echo server."""
    v6 = ":" in address
    net.gateway.run("sysctl", "-qw", "net.ipv4.ip_local_port_range="
                    f"{PORTS[0]} {PORTS[-1]}")
    with contextlib.ExitStack() as stack:
        for _ in PORTS:
            sock = stack.enter_context(net.gateway.socket(
                socket.AF_INET6 if v6 else socket.AF_INET))
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
            sock.setsockopt(*((socket.IPPROTO_IPV6, IPV6_TRANSPARENT) if v6
                              else (socket.SOL_IP, socket.IP_TRANSPARENT)), 1)
            sock.bind((client_of(net, address), 0))
            with contextlib.suppress(BlockingIOError):
                sock.connect((address, ECHO))
        yield


@contextlib.contextmanager
def with_address_of_the_server(net, address, user):
    """A socket of a user as the listeners accept them, not yet connected."""
    v6 = ":" in address
    with net.gateway.inside():
        os.seteuid(pwd.getpwnam(user).pw_uid)
        try:
            sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
        finally:
            os.seteuid(0)
    with sock:
        sock.setsockopt(*((socket.IPPROTO_IPV6, IPV6_TRANSPARENT) if v6 else
                          (socket.SOL_IP, socket.IP_TRANSPARENT)), 1)
        sock.bind((address, 0))
        sock.settimeout(2)
        yield sock


def test_relay_connects_to_nobody_with_an_address_of_a_server(
        net, tpx, address):
    """It could connect what it has accepted, and say to netctl that whom it
    has reached were its client."""
    tpx(RULES)
    here = client_of(net, address), 5001
    with servers.Server(net.client, here[1], servers.close_at_once) as far:
        with with_address_of_the_server(net, address, "tpx") as sock, \
                pytest.raises(TimeoutError):
            sock.connect(here)
        assert far.visits == []
        # who is not tpx gets there
        with with_address_of_the_server(net, address, "root") as sock:
            sock.connect(here)
        proc.wait_until(lambda: far.visits, 5, "the visit")
        assert far.visits[0].address == address


def test_where_no_port_is_left_the_server_sees_this_host(
        net, server, tpx, address):
    """Neither the client's own, nor any other at its address."""
    instance = tpx(RULES)
    port = 23456
    with held(net, address, port), all_ports_used(net, address), \
            net.client.socket(socket.AF_INET6 if ":" in address
                              else socket.AF_INET) as sock:
        sock.settimeout(5)
        sock.bind((client_of(net, address), port))
        sock.connect((address, ECHO))
        assert traffic.echoes(sock)
        host = outside_of(net, address)
        (_, other), = [visit for visit in visitors(server[ECHO])
                       if visit[0] == host]
        assert other in PORTS
    assert row_of(instance, port)["source"] == "host"


def test_without_netctl_the_server_sees_this_host(
        net, server, udp, tpx, address):
    """There is nobody to ask for a socket with another address."""
    instance = tpx(f"{RULES}\n{UDP_RULE}", lease="30s")
    netctl = instance.by_role()["netctl"]
    with contextlib.ExitStack() as stack:
        with proc.stopped([instance.tpxd.pid]):
            proc.kill(netctl)
            proc.wait_until(lambda: not proc.alive(netctl[0]))
            tcp = stack.enter_context(
                traffic.connect(net.client, address, ECHO))
            assert traffic.echoes(tcp)
            datagrams = stack.enter_context(talking(net, address))
            datagrams.send(b"question")
            proc.wait_until(lambda: udp.visits, what="the datagram")
        host = outside_of(net, address)
        assert {visit.address for visit in udp.visits} == {host}
        assert {visit.address for visit in server[ECHO].visits} == {host}
        ports = {sock.getsockname()[1] for sock in (tcp, datagrams)}
    for port in ports:
        assert row_of(instance, port)["source"] == "host"


def test_this_host_has_its_own_address_anyway(net, server, tpx, address):
    """Its port is taken, by the client itself."""
    instance = tpx(RULES, capture=f"{FORWARDED}\n{LOCAL}")
    with traffic.connect(net.gateway, address, ECHO) as sock:
        assert traffic.echoes(sock)
        port = sock.getsockname()[1]
        (seen, other), = visitors(server[ECHO])
        assert seen == outside_of(net, address)
        assert other != port
    assert row_of(instance, port)["source"] == "client-address"


def test_same_port_to_many_servers(net, server, tpx, address):
    """A client may use its port once for each of them."""
    tpx(RULES)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    ports = [ECHO, DIGEST, 80, 81]
    with contextlib.ExitStack() as stack:
        for port in ports:
            sock = stack.enter_context(net.client.socket(family))
            sock.settimeout(5)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((client_of(net, address), 23456))
            sock.connect((address, port))
        for port in ports:
            proc.wait_until(lambda p=port: visitors(server[p]) == [
                (client_of(net, address), 23456)], 5, f"port {port}")


def test_flows_go_on_with_another_netctl(net, server, tpx, address):
    instance = tpx(RULES)
    with traffic.connect(net.client, address, ECHO) as before:
        assert traffic.echoes(before)
        old = instance.by_role()["netctl"]
        proc.kill(old)
        instance.wait_replaced("netctl", old, 5)
        proc.wait_until(lambda: instance.status()["state"] == "armed", 5)

        def seen_as_client():
            since = len(server[ECHO].visits)
            with traffic.connect(net.client, address, ECHO) as sock:
                assert traffic.echoes(sock)
                return visitors(server[ECHO], since) == \
                    [sock.getsockname()[:2]]
        proc.wait_until(seen_as_client, 5, "the client's address again")
        assert traffic.echoes(before)


def test_refused_server_is_refused(net, server, tpx, address):
    instance = tpx(RULES)
    with pytest.raises((ConnectionResetError, ConnectionRefusedError)):
        with traffic.connect(net.client, address, 4) as sock:
            sock.recv(1)
    row, = instance.rows(1)
    assert (row["close"], row["source"]) == ("refused", "client")


CAPABILITIES = re.compile(r"^Cap(Inh|Prm|Eff|Bnd|Amb):\s+(\w+)$", re.M)


def capabilities(pid):
    """What each thread of a process holds: (set, value) for all five sets."""
    held = set()
    for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
        found = CAPABILITIES.findall(status.read_text())
        assert len(found) == 5
        held |= {(name, int(value, 16)) for name, value in found}
    assert held
    return held


class Watch:
    """Reads again and again what processes hold.  A context."""

    def __init__(self, pids):
        self.seen, self.readings = set(), 0
        self._pids = pids
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._over.set()
        self._thread.join()

    def _read(self):
        while not self._over.is_set():
            for pid in self._pids:
                self.seen |= capabilities(pid)
            self.readings += 1


NOTHING = {(name, 0) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")}


def test_relays_never_hold_a_capability(net, server, udp, tpx):
    """Not while sockets with clients' addresses are made for them."""
    instance = tpx(f"{RULES}\n{UDP_RULE}")
    roles = instance.by_role()
    # else there would be nothing to be read
    assert dict(capabilities(roles["netctl"][0]))["Eff"] != 0
    with contextlib.ExitStack() as stack, Watch(roles["relay"]) as watch:
        for number in range(100):
            for address in (net.SERVER4, net.SERVER6):
                assert traffic.echoes(stack.enter_context(
                    traffic.connect(net.client, address, ECHO)))
                assert answered(stack.enter_context(talking(net, address)))
            since = watch.readings
            # at least once with every round
            proc.wait_until(lambda s=since: watch.readings > s)
    assert watch.seen == NOTHING
    assert instance.by_role()["relay"] == roles["relay"]
    assert {row["source"] for row in instance.rows(400, timeout_s=30)} == {
        "client"}


UDP_RULE = "relay proto udp to any source client idle 2s"
UDP_PORT, UDP_CLOSED = 5400, 5402


@pytest.fixture
def udp(net):
    with servers.UdpServer(net.server, UDP_PORT) as service:
        yield service


@contextlib.contextmanager
def talking(net, address, port=UDP_PORT, sport=0, namespace=None):
    """A socket of UDP that is connected to the server."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (namespace or net.client).socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.bind(("::" if ":" in address else "", sport))
        sock.connect((address, port))
        yield sock


def answered(sock, data=b"question"):
    sock.send(data)
    return sock.recv(65535) == data


def test_server_of_udp_sees_address_and_port_of_the_client(
        net, udp, tpx, address):
    instance = tpx(UDP_RULE, capture=f"{FORWARDED}\n{LOCAL}")
    with talking(net, address) as sock:
        for data in (b"one", b"", b"three" * 2000):
            assert answered(sock, data)
        source = sock.getsockname()[:2]
        assert set(visitors(udp)) == {source}
        row = row_of(instance, source[1])
    assert (row["proto"], row["source"], row["rule"], row["close"]) == \
        ("udp", "client", UDP_RULE, "idle")
    assert (row["up_packets"], row["down_packets"]) == (3, 3)
    assert (row["up_bytes"], row["down_bytes"]) == (10003, 10003)


def test_what_a_client_of_udp_sends_at_once_waits_for_its_address(
        net, udp, tpx, address):
    tpx(UDP_RULE)
    with talking(net, address) as sock:
        wanted = [b"%d" % number for number in range(10)]
        for data in wanted:
            sock.send(data)
        assert [sock.recv(100) for _ in wanted] == wanted


def test_port_of_udp_that_is_taken_leads_to_another_one(
        net, udp, tpx, address):
    instance = tpx(UDP_RULE)
    port = 23456
    with held(net, address, port, socket.SOCK_DGRAM), \
            talking(net, address, sport=port) as sock:
        assert answered(sock)
        (seen, other), = visitors(udp)
        assert seen == client_of(net, address)
        assert other != port
        assert answered(sock, b"once more")
    assert row_of(instance, port)["source"] == "client-address"


@pytest.mark.parametrize("shared", [0, 1], ids=["alone", "shared"])
def test_socket_of_this_host_keeps_its_port_of_udp(
        net, udp, tpx, address, shared):
    """With a port for both, a relay would answer itself."""
    instance = tpx(UDP_RULE, capture=f"{FORWARDED}\n{LOCAL}")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with net.gateway.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, shared)
        sock.connect((address, UDP_PORT))
        assert answered(sock)
        assert answered(sock)
        port = sock.getsockname()[1]
        seen, = set(visitors(udp))
        assert seen[0] == outside_of(net, address)
        assert seen[1] != port
    row = row_of(instance, port)
    assert (row["source"], row["up_packets"]) == ("client-address", 2)


def test_same_port_of_udp_to_many_servers(net, udp, tpx, address):
    tpx(UDP_RULE)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with servers.UdpServer(net.server, UDP_PORT + 1) as other, \
            net.client.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.bind((client_of(net, address), 23456))
        for service in (udp, other, udp):
            sock.sendto(b"%d" % service.port, (address, service.port))
            data, peer = sock.recvfrom(100)
            assert (int(data), peer[1]) == (service.port, service.port)
            assert set(visitors(service)) == {
                (client_of(net, address), 23456)}


def test_closed_port_of_udp_is_told_as_the_servers_own(net, udp, tpx, address):
    """Its ICMP error goes to the client's address, and to the relay."""
    instance = tpx(UDP_RULE)
    with talking(net, address, UDP_CLOSED) as sock:
        sock.send(b"one")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(100)
        row = row_of(instance, sock.getsockname()[1])
    assert (row["close"], row["source"]) == ("refused", "client")


def test_without_its_relay_a_server_of_udp_reaches_no_client(
        net, udp, tpx, address):
    instance = tpx(UDP_RULE, workers=1)
    client = client_of(net, address)
    with talking(net, address) as sock, Tap(net.client) as tap:
        assert answered(sock)
        relay, = instance.by_role()["relay"]
        with proc.stopped([instance.tpxd.pid]):
            proc.kill([relay])
            proc.wait_until(lambda: not proc.alive(relay))
            udp.send(b"late", sock.getsockname()[:2])
            udp.send(b"nobody's", (client, 23456))
            proc.wait_until(lambda: tap.having(b"nobody's"))
            assert tap.having(b"late") == []

        def again():
            sock.send(b"again")
            return sock.recv(100) == b"again"
        proc.wait_until(again, 10, "the next relay")
        assert set(visitors(udp)) == {(client, sock.getsockname()[1])}


def test_many_clients_of_udp_at_a_time(net, udp, tpx):
    """Each is seen as itself."""
    tpx(UDP_RULE)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(talking(net, net.SERVER4))
                 for _ in range(200)]
        for number, sock in enumerate(socks):
            sock.send(b"%d" % number)
        for number, sock in enumerate(socks):
            assert sock.recv(100) == b"%d" % number
        assert set(visitors(udp)) == {sock.getsockname() for sock in socks}
