# SPDX-License-Identifier: ISC
"""Every kind of packet has a treatment: tpx.conf(5), "What is captured".

Three places, each with everything captured: tpx at work, tpx killed with
on-failure closed, and tpx at work with on-failure open.  Every test runs in all
of them and leaves them as they were.
"""

import contextlib
import os
import signal
import socket
import struct

import pytest

from conftest import ECHO, EXCHANGE, FORWARDED, configuration
from rig import packets, proc, servers, traffic
from rig.net import Namespace, Topology
from rig.packets import Tap, Wire
from rig.servers import UdpServer
from rig.tpx import Tpx

LEASE_S = 1.0
EXCLUDED = 53
CLOSED_OFF = 5300  # a port of UDP that no rule passes
RULES = f"""\
exclude proto udp to any port {EXCLUDED}
other-protocols block
pass proto tcp to any port {EXCHANGE}
block proto udp to any
default relay
"""
USER = 12345
FAMILIES = {4: (Topology.CLIENT4, Topology.SERVER4, Topology.OUTSIDE4),
            6: (Topology.CLIENT6, Topology.SERVER6, Topology.OUTSIDE6)}
MAPPED = "::ffff:" + Topology.SERVER4
SECRET = b"what must not get out"
TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
UDPLITE, SCTP, GRE, IPIP, TUNNEL6 = 136, 132, 47, 4, 41
IPPROTO_MPTCP = 262
IPV6_FREEBIND, IPV6_HDRINCL, SO_MARK = 78, 36, 36
# the gateway knows these behind the server, but for some only
ELSEWHERE = {4: "10.99.0.1", 6: "fd00:99::1"}


class Place:
    """One tpxd and its three namespaces, shared by all tests of a state."""

    def __init__(self, stack, build, state):
        self.state = state
        self.works = state != "closed"
        self.net = stack.enter_context(Topology())
        self._prepare()
        self.server = {port: stack.enter_context(servers.Server(
                           self.net.server, port, behaviour))
                       for port, behaviour in ((ECHO, servers.echo),
                                               (EXCHANGE, servers.exchange))}
        self.udp = stack.enter_context(UdpServer(self.net.server, EXCLUDED))
        mode = "open" if state == "open" else "closed"
        self.tpx = stack.enter_context(Tpx(self.net.gateway, build,
                                           configuration(
            RULES, mode=mode, lease=f"{LEASE_S:.0f}s",
            capture=f"{FORWARDED}\ncapture local")))
        self.wire = stack.enter_context(Wire(
            self.net.client, "eth0", self.net.gateway, self.net.CLIENT_IF))
        if state == "closed":
            os.kill(self.tpx.tpxd.pid, signal.SIGKILL)
            proc.wait_until(lambda: "table inet tpx\n" not in
                            self.net.gateway.run("nft", "list",
                                                 "tables").stdout, 5)

    def _prepare(self):
        """What an operator may have set, and attackers hope for."""
        gateway, server = self.net.gateway, self.net.server
        for name in ("all", self.net.CLIENT_IF, self.net.SERVER_IF):
            gateway.sysctl(f"net.ipv4.conf.{name}.accept_source_route", 1)
        gateway.sysctl("net.ipv6.conf.all.accept_source_route", 1)
        gateway.sysctl("net.ipv4.tcp_fastopen", 3)
        self.net.client.sysctl("net.ipv4.tcp_fastopen", 1)
        for (_, through, _), behind in zip(FAMILIES.values(),
                                           ELSEWHERE.values()):
            option = "-6" if ":" in behind else "-4"
            server.ip("address", "add", behind, "dev", "lo")
            gateway.ip(option, "route", "add", behind, "via", through,
                       "table", 100)
            gateway.ip(option, "rule", "add", "iif", self.net.CLIENT_IF,
                       "lookup", 100, "priority", 50)
            gateway.ip(option, "rule", "add", "uidrange", f"{USER}-{USER}",
                       "lookup", 100, "priority", 51)

    def as_user(self, program):
        """What a process of an ordinary user prints."""
        return self.net.gateway.run(
            "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
            "/usr/bin/python3", "-c", program, check=False).stdout

    def barrier(self, tap, namespace):
        """Whatever was sent before has arrived, if it arrives at all."""
        for _, server, _ in FAMILIES.values():
            with datagrams(namespace, server) as sock:
                word = os.urandom(16)
                sock.sendto(word, (server, EXCLUDED))
                proc.wait_until(lambda: tap.having(word), 5, "the barrier")


@pytest.fixture(scope="module", params=[
    pytest.param(state, marks=pytest.mark.xdist_group(f"treatment-{state}"))
    for state in ("armed", "closed", "open")])
def place(request, build):
    with contextlib.ExitStack() as stack:
        yield Place(stack, build, request.param)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def datagrams(namespace, address):
    return namespace.socket(family_of(address), socket.SOCK_DGRAM)


def secret(source, target, protocol, dport=CLOSED_OFF, sport=4000):
    """A segment or datagram with the secret behind 40 bytes of nothing."""
    build = packets.tcp if protocol == TCP else packets.udp
    return build(source, target, sport, dport, bytes(40) + SECRET)


def whole(protocol):
    return lambda *ends: [packets.ip(*ends, protocol,
                                     secret(*ends, protocol))]


def cut(protocol, **how):
    return lambda *ends: packets.fragments(
        *ends, protocol, secret(*ends, protocol), **how)


def behind_options(protocol):
    return lambda *ends: [packets.ip(
        *ends, packets.DESTINATION,
        packets.options6(protocol) + secret(*ends, protocol))]


def other(protocol):
    return lambda *ends: [packets.ip(*ends, protocol, bytes(40) + SECRET)]


def source_routed(source, target):
    return [packets.ip(source, Topology.GATEWAY4, UDP, secret(
        source, target, UDP), options=packets.loose_route(target))]


def mapped(protocol):
    return lambda source, _: [packets.ip(source, MAPPED, protocol, secret(
        source, MAPPED, protocol))]


def instead(*targets):
    return lambda source, _: [packets.ip(source, target, UDP, secret(
        source, target, UDP)) for target in targets]


BOTH, ONLY4, ONLY6 = (4, 6), (4,), (6,)
# of a client: families, and the packets from an address to another
FORWARDED_KINDS = {
    "UDP": (BOTH, whole(UDP)),
    "TCP with data in its SYN": (BOTH, whole(TCP)),
    "fragments of UDP": (BOTH, cut(UDP)),
    "fragments of TCP, the first too short for its header": (BOTH, cut(TCP)),
    "fragments of TCP, cut behind its header": (BOTH, cut(TCP, cut=24)),
    "a second fragment without a first": (
        BOTH, lambda *ends: cut(UDP)(*ends)[1:]),
    "a second fragment that says it is ICMP": (
        ONLY6, cut(UDP, second=socket.IPPROTO_ICMPV6)),
    "a second fragment that says it is of options": (
        ONLY6, lambda *ends: cut(UDP, second=packets.DESTINATION)(*ends)[1:]),
    "options in front of a fragment header": (
        ONLY6, cut(TCP, before=packets.options6(packets.FRAGMENT))),
    "a fragment that is the whole packet": (
        ONLY6, lambda *ends: [packets.atomic(*ends, UDP,
                                             secret(*ends, UDP))]),
    "options in front of TCP": (ONLY6, behind_options(TCP)),
    "options in front of UDP": (ONLY6, behind_options(UDP)),
    "TCP to an IPv4-mapped address": (ONLY6, mapped(TCP)),
    "UDP to an IPv4-mapped address": (ONLY6, mapped(UDP)),
    "a source route": (ONLY4, source_routed),
    "multicast": (ONLY4, instead("239.1.1.1", "224.0.0.251")),
    "multicast of IPv6": (ONLY6, instead("ff0e::1", "ff05::1:3")),
    "broadcast of the server's network": (ONLY4, instead("10.74.2.255")),
    **{name: (families, other(number)) for name, families, number in (
        ("UDP-Lite", BOTH, UDPLITE), ("SCTP", BOTH, SCTP), ("GRE", BOTH, GRE),
        ("IPv4 in IP", BOTH, IPIP), ("IPv6 in IP", BOTH, TUNNEL6))},
}


def test_no_packet_of_a_client_gets_past(place):
    with Tap(place.net.server) as tap:
        for name, (families, build) in FORWARDED_KINDS.items():
            for family in families:
                client, server, _ = FAMILIES[family]
                place.wire.send(*build(client, server))
            place.barrier(tap, place.net.client)
            assert not tap.having(SECRET), name


# of TCP: a relay answers a SYN that it can see
RELAYED_KINDS = {
    "TCP": (BOTH, whole(TCP)),
    "fragments": (BOTH, cut(TCP, cut=24)),
    # of IPv6 it is dropped: RFC 7112, 5
    "fragments, the first too short": (ONLY4, cut(TCP)),
    "options in front": (ONLY6, behind_options(TCP)),
    "a fragment that is the whole packet": (
        ONLY6, lambda *ends: [packets.atomic(*ends, TCP,
                                             secret(*ends, TCP))]),
}


def test_tcp_of_every_shape_is_relayed(place):
    """The SYN is answered in the server's name, and only where tpx works."""
    with Tap(place.net.client) as tap:
        for number, (name, (families, build)) in enumerate(
                RELAYED_KINDS.items()):
            for family in families:
                client, server, _ = FAMILIES[family]
                port = struct.pack("!HH", CLOSED_OFF, 4000)
                answer = (packets.packed(server) + packets.packed(client)
                          + port)
                before = len(tap.having(answer))
                place.wire.send(*build(client, server))
                if place.works:
                    proc.wait_until(lambda: len(tap.having(answer)) > before,
                                    3, f"an answer to {name}, IPv{family}")
                else:
                    with datagrams(place.net.client, server) as sock:
                        sock.sendto(b"x", (server, EXCLUDED))
                        sock.recv(10)
                    assert not tap.having(answer), name


def raw(namespace, packet, **options):
    """Sends a packet with its header from a namespace; False if refused."""
    six = packet[0] >> 4 == 6
    target = socket.inet_ntop(socket.AF_INET6 if six else socket.AF_INET,
                              packet[24:40] if six else packet[16:20])
    with namespace.socket(socket.AF_INET6 if six else socket.AF_INET,
                          socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        if "mark" in options:
            sock.setsockopt(socket.SOL_SOCKET, SO_MARK, options["mark"])
        if "device" in options:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE,
                            options["device"].encode())
        with contextlib.suppress(PermissionError):
            sock.sendto(packet, (options.get("through", target), 0))


STRANGER = {4: "192.0.2.7", 6: "2001:db8::7"}
OWN_KINDS = {name: FORWARDED_KINDS[name] for name in FORWARDED_KINDS
             if "cast" not in name and "source route" not in name
             and "mapped" not in name}


def test_no_raw_packet_of_this_host_gets_past(place):
    """With an own source, a client's and a stranger's; by a device, too."""
    gateway = place.net.gateway
    with Tap(place.net.server) as tap:
        for name, (families, build) in OWN_KINDS.items():
            for family in families:
                client, server, own = FAMILIES[family]
                for source in (own, client, STRANGER[family]):
                    for packet in build(source, server):
                        raw(gateway, packet)
                        raw(gateway, packet, device=place.net.SERVER_IF)
            place.barrier(tap, gateway)
            assert not tap.having(SECRET), name
        for protocol in (TCP, UDP):
            for packet in mapped(protocol)(place.net.OUTSIDE6, None):
                raw(gateway, packet, through=place.net.SERVER6)
        place.barrier(tap, gateway)
        assert not tap.having(SECRET), "IPv4-mapped"


DHCP = {4: (68, 67), 6: (546, 547)}  # a client's port, and the server's


def test_renewals_of_dhcp_leave_and_nothing_beside_them(place):
    """Neither the way back, nor to or from another port, nor by TCP."""
    gateway = place.net.gateway
    with Tap(place.net.server) as tap:
        for family, (client, server) in DHCP.items():
            _, target, own = FAMILIES[family]
            with datagrams(gateway, own) as sock:
                sock.bind((own, client))
                word = os.urandom(16)
                sock.sendto(word, (target, server))
                proc.wait_until(lambda: tap.having(word), 5, "the renewal")
            strange = DHCP[10 - family]
            for protocol, dport, sport in (
                    (UDP, client, server), (UDP, server, 4000),
                    (UDP, CLOSED_OFF, client), (UDP, strange[1], client),
                    (UDP, server, strange[0]), (TCP, server, client)):
                raw(gateway, packets.ip(own, target, protocol, secret(
                    own, target, protocol, dport, sport)))
        place.barrier(tap, gateway)
        assert not tap.having(SECRET)


def test_no_mark_of_a_socket_opens_a_way(place):
    gateway = place.net.gateway
    with Tap(place.net.server) as tap:
        for mark in range(0x01000000, 0x08000000, 0x01000000):
            for _, server, own in FAMILIES.values():
                raw(gateway, whole(UDP)(own, server)[0], mark=mark)
                with gateway.socket(family_of(server)) as sock:
                    sock.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
                    sock.setblocking(False)
                    sock.bind((own, 20000 + (mark >> 24)))
                    sock.connect_ex((server, ECHO))
        place.barrier(tap, gateway)
        assert not tap.having(SECRET)
        ports = {packet[start:start + 2] for packet in tap.packets()
                 for start in ((40,) if packet[0] >> 4 == 6 else (20,))}
        assert not ports & {struct.pack("!H", 20000 + bit)
                            for bit in range(1, 8)}


LOOPED = f"""
import socket
with socket.socket({{family}}, socket.SOCK_DGRAM) as here:
    here.bind(("{{own}}", 5999))
    here.settimeout(3)
    {{send}}
    print(here.recv(10))
    here.sendto({SECRET!r}, ("{{server}}", 4000))
"""
FREEBIND = f"""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as there:
        there.setsockopt(socket.IPPROTO_IPV6, {IPV6_FREEBIND}, 1)
        there.bind(("{Topology.SERVER6}", 4000))
        there.sendto(b"come", ("{Topology.OUTSIDE6}", 5999))
"""


def test_what_this_host_sends_itself_begins_nothing(place):
    """Neither an ordinary user, with a foreign source, nor a raw socket."""
    with Tap(place.net.server) as tap:
        said = place.as_user(LOOPED.format(
            family=int(socket.AF_INET6), own=place.net.OUTSIDE6,
            server=place.net.SERVER6, send=FREEBIND.strip("\n ")))
        assert "come" in said, "the way over the loopback interface"
        for _, server, own in FAMILIES.values():
            with datagrams(place.net.gateway, own) as here:
                here.bind((own, 5998))
                here.settimeout(3)
                raw(place.net.gateway, packets.ip(server, own, UDP, packets.udp(
                    server, own, 4001, 5998, b"come")))
                assert here.recv(10) == b"come"
                with contextlib.suppress(PermissionError):
                    here.sendto(SECRET, (server, 4001))
        place.barrier(tap, place.net.gateway)
        assert not tap.having(SECRET)


def test_no_foreign_source_reaches_a_client(place):
    """Only what relays leave behind may go to clients in servers' names."""
    program = (
        "import socket\n"
        "sock = socket.socket(socket.AF_INET6)\n"
        f"sock.setsockopt(socket.IPPROTO_IPV6, {IPV6_FREEBIND}, 1)\n"
        f"sock.bind(('{place.net.SERVER6}', 4000)); sock.setblocking(False)\n"
        f"print(sock.connect_ex(('{place.net.CLIENT6}', 4002)))\n")
    with Tap(place.net.client) as tap:
        assert place.as_user(program)
        raw(place.net.gateway, packets.ip(
            place.net.SERVER4, place.net.CLIENT4, TCP, packets.tcp(
                place.net.SERVER4, place.net.CLIENT4, 4000, 4002, SECRET)))
        with datagrams(place.net.client, place.net.SERVER4) as sock:
            sock.sendto(b"x", (place.net.SERVER4, EXCLUDED))
            sock.recv(10)
        assert not tap.having(struct.pack("!HH", 4000, 4002))


def test_a_way_that_only_some_know_is_captured(place):
    """Where a rule for an interface or a user chooses the routing table."""
    with Tap(place.net.server) as tap:
        for target in ELSEWHERE.values():
            said = place.as_user(
                "import socket\n"
                f"sock = socket.socket({int(family_of(target))})\n"
                f"sock.settimeout(0.3)\nsock.connect_ex(('{target}', {ECHO}))")
            assert said == ""
            sock = place.net.client.socket(family_of(target))
            sock.settimeout(0.3)
            with sock, contextlib.suppress(OSError):
                sock.connect((target, ECHO))
        place.barrier(tap, place.net.gateway)
        place.barrier(tap, place.net.client)
        for target in ELSEWHERE.values():  # no relay knows the way, either
            assert not tap.having(packets.packed(target))


def opens_fast(sock, address, data=b"hello"):
    """Whether data sent at once comes back exactly once."""
    limit = struct.pack("ll", 5, 0)  # Python's own makes it not wait at all
    for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, limit)
    with sock:
        sock.sendto(data, socket.MSG_FASTOPEN, (address, ECHO))
        sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(100), b"")) == data


def refused(call, *words):
    with pytest.raises(OSError):
        call(*words)


def test_fast_open_is_relayed_and_its_data_arrives_once(place):
    for address in (place.net.SERVER4, place.net.SERVER6):
        for namespace in (place.net.client, place.net.gateway):
            for _ in range(2):  # the second knows a cookie, if there is one
                sock = namespace.socket(family_of(address))
                if place.works:
                    assert opens_fast(sock, address)
                    visit = place.server[ECHO].visits[-1]
                    assert visit.address in (place.net.OUTSIDE4,
                                             place.net.OUTSIDE6)
                else:
                    sock.settimeout(0.3)
                    with sock, pytest.raises(OSError):
                        sock.sendto(b"hello", socket.MSG_FASTOPEN,
                                    (address, ECHO))


def test_mptcp_falls_back_and_is_relayed(place):
    for address in (place.net.SERVER4, place.net.SERVER6):
        for namespace in (place.net.client, place.net.gateway):
            before = len(place.server[ECHO].visits)
            with namespace.socket(family_of(address), socket.SOCK_STREAM,
                                  IPPROTO_MPTCP) as sock:
                sock.settimeout(5 if place.works else 0.3)
                if not place.works:
                    refused(sock.connect, (address, ECHO))
                    continue
                sock.connect((address, ECHO))
                assert traffic.echoes(sock)
            assert {visit.address for visit in
                    place.server[ECHO].visits[before:]} <= {
                        place.net.OUTSIDE4, place.net.OUTSIDE6}


def test_a_mapped_address_of_a_socket_is_ipv4(place):
    for namespace in (place.net.client, place.net.gateway):
        with namespace.socket(socket.AF_INET6) as sock:
            sock.settimeout(5 if place.works else 0.3)
            if not place.works:
                refused(sock.connect, (MAPPED, ECHO))
                continue
            sock.connect((MAPPED, ECHO))
            assert traffic.echoes(sock)
            assert place.server[ECHO].visits[-1].address == place.net.OUTSIDE4


def test_own_multicast_and_broadcast_leave(place):
    with Tap(place.net.server) as tap:
        for target in ("224.0.0.251", "239.1.1.1", "10.74.2.255",
                       "255.255.255.255", "ff02::fb", "ff0e::1"):
            with datagrams(place.net.gateway, target) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE,
                                place.net.SERVER_IF.encode())
                sock.sendto(b"to all", (target, CLOSED_OFF))
            proc.wait_until(lambda: tap.having(
                b"to all", packets.packed(target)), 3, target)


def test_neighbours_are_found_again(place):
    for namespace in (place.net.client, place.net.gateway, place.net.server):
        for option in ("-4", "-6"):
            for device in {"eth0", place.net.CLIENT_IF, place.net.SERVER_IF}:
                namespace.run("ip", option, "neigh", "flush", "dev", device,
                              check=False)
    for _, server, _ in FAMILIES.values():
        for namespace in (place.net.client, place.net.gateway):
            with datagrams(namespace, server) as sock:
                sock.settimeout(5)
                sock.sendto(b"anew", (server, EXCLUDED))
                assert sock.recv(10) == b"anew"


@contextlib.contextmanager
def far_network(net):
    """A server behind the server and a link that takes 1300 bytes at once."""
    far = Namespace(f"{net.tag}-far")
    try:
        net.server.sysctl("net.ipv4.ip_forward", 1)
        net.server.sysctl("net.ipv6.conf.all.forwarding", 1)
        net.server.ip("link", "add", "far0", "mtu", 1300, "type", "veth",
                      "peer", "name", "eth0", "mtu", 1300, "netns", far.name)
        for option, prefix, bits in (("-4", "10.74.3.", 24),
                                     ("-6", "fd00:74:3::", 64)):
            for namespace, name, number in ((net.server, "far0", 1),
                                            (far, "eth0", 2)):
                namespace.ip("address", "add", f"{prefix}{number}/{bits}",
                             "dev", name, *(["nodad"] if bits == 64 else []))
                namespace.ip("link", "set", name, "up")
            far.ip(option, "route", "add", "default", "via", f"{prefix}1")
            net.gateway.ip(option, "route", "add", f"{prefix}0/{bits}", "via",
                           net.SERVER6 if bits == 64 else net.SERVER4)
        yield far
    finally:
        far.delete()


def test_a_narrow_link_on_the_way_hangs_nothing(place):
    """ICMP says how much fits, to relays and to clients of what passes."""
    if not place.works:
        return  # nothing goes that way
    with far_network(place.net) as far, \
            servers.Server(far, EXCHANGE, servers.exchange), \
            servers.Server(far, ECHO, servers.exchange):
        for address in ("10.74.3.2", "fd00:74:3::2"):
            for namespace in (place.net.client, place.net.gateway):
                for port in (EXCHANGE, ECHO):
                    assert traffic.exchange(namespace, address, port,
                                            200_000, 200_000) == 200_000
