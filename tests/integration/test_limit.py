# SPDX-License-Identifier: ISC
"""Limits of rules: on open flows and on new ones, for each client and all."""

import contextlib
import os
import re
import socket

import pytest

from conftest import (CLOSE, ECHO, FORWARDED, LOCAL, REFUSED, RESET,
                      client_of, configuration)
from rig import proc, servers, traffic
from rig.servers import UdpServer

UDP_PORT = 5410
# one of IPv6 is a client of its own with another network
NEIGHBOURS = {4: "10.74.1.7", 6: "fd00:74:9::7"}
SIBLING = "fd00:74:1::8"
OTHER_USER = 65534
NOWHERE = "192.0.2.9"
# the network that floods, and its clients
FLOODERS = {4: ("10.75.0.0/24", [f"10.75.0.{n}" for n in range(1, 251)]),
            6: ("fd00:75::/48", [f"fd00:75:0:{n:x}::1"
                                 for n in range(1, 501)])}
# the others have fewer than a sixteenth of what a relay has room for here, and
# more than any of those
FLOOD_FLOWS, OTHERS_FLOWS = 1500, 20


@pytest.fixture
def neighbour(net, address):
    """Another client's address, in the family of the server's."""
    family = 6 if ":" in address else 4
    other = NEIGHBOURS[family]
    client_add(net, other)
    if family == 6:
        net.gateway.ip("route", "add", f"{other}/64", "via", net.CLIENT6)
    return other


def client_add(net, address):
    v6 = ":" in address
    net.client.ip("addr", "add", f"{address}/{64 if v6 else 24}",
                  "dev", "eth0", *(["nodad"] if v6 else []))


def connect_from(namespace, source, address, port, kind=socket.SOCK_STREAM):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = namespace.socket(family, kind)
    sock.settimeout(5)
    try:
        sock.bind((source, 0))
        sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def lives(sock):
    """Does it reach the server, or has it been reset?"""
    try:
        return traffic.echoes(sock)
    except EOFError:  # its relay is gone
        return False
    except OSError as error:
        if error.errno in traffic.RESETS:
            return False
        raise


def sees(namespace, source, address):
    """Does a client get a connection to the echo server?"""
    # the reset may come before connect(2) has returned
    with contextlib.suppress(ConnectionResetError, ConnectionRefusedError), \
            connect_from(namespace, source, address, ECHO) as sock:
        return lives(sock)
    return False


class Flows:
    """Connections to the echo server, of which some are refused."""

    def __init__(self, stack, namespace, address, source=None):
        self.stack = stack
        self.where = (namespace, source or "", address, ECHO)

    def begin(self, count):
        """Begin so many; those that live."""
        begun = []
        for _ in range(count):
            # the reset may come before connect(2) has returned
            with contextlib.suppress(ConnectionResetError):
                begun.append(self.stack.enter_context(
                    connect_from(*self.where)))
        return [sock for sock in begun if lives(sock)]

    def one_more(self):
        return len(self.begin(1)) == 1


@pytest.fixture
def flows(net, server):
    with contextlib.ExitStack() as stack:
        yield lambda *words: Flows(stack, *words)


@pytest.mark.parametrize("place", ["forwarded", "local"])
def test_client_at_its_limit_leaves_its_neighbour_alone(
        net, tpx, flows, address, neighbour, place):
    rule = "relay proto tcp to any max-flows 6 per client"
    instance = tpx(rule, workers=3, capture=f"{FORWARDED}\n{LOCAL}")
    namespace = net.client if place == "forwarded" else net.gateway
    mine = flows(namespace, address,
                 client_of(net, address) if place == "forwarded" else None)
    open_now = mine.begin(20)
    assert len(open_now) == 6
    assert all(lives(sock) for sock in open_now)
    if place == "forwarded":
        assert len(flows(net.client, address, neighbour).begin(6)) == 6
    rows = instance.rows(14, "action = 'block'")
    assert {(row["rule"], row["close"], row["error"]) for row in rows} == {
        (rule, "policy", "max-flows")}
    proc.wait_until(lambda: instance.unaccounted() == 0, what="accounts")
    open_now[0].close()
    proc.wait_until(mine.one_more, what="room for one")


def test_network_of_ipv6_is_one_client(net, server, tpx, flows):
    """A host has as many addresses of it as it likes."""
    client_add(net, SIBLING)
    tpx("relay to any port 7 max-flows 4 per client\n"
        f"relay to any port {CLOSE} max-rate 4/h per client")
    assert len(flows(net.client, net.SERVER6, net.CLIENT6).begin(3)) == 3
    assert len(flows(net.client, net.SERVER6, SIBLING).begin(3)) == 1
    accepted = []
    for source in (net.CLIENT6, SIBLING) * 3:
        with contextlib.suppress(ConnectionError), connect_from(
                net.client, source, net.SERVER6, CLOSE) as sock:
            assert sock.recv(1) == b""
            accepted.append(source)
    assert accepted == [net.CLIENT6, SIBLING] * 2


def test_rule_has_a_limit_for_all_its_clients(
        net, tpx, flows, address, neighbour):
    tpx("relay to any max-flows 8 max-flows 6 per client", workers=2)
    mine = flows(net.client, address, client_of(net, address))
    assert len(mine.begin(10)) == 6
    assert len(flows(net.client, address, neighbour).begin(10)) == 2


def test_killed_relay_gives_its_share_back(net, tpx, flows):
    instance = tpx("relay to any max-flows 12", workers=2)
    mine = flows(net.client, net.SERVER4)
    # one after the other: else a relay that is quick may have them all
    open_now = [sock for _ in range(15) for sock in mine.begin(1)]
    assert len(open_now) == 12
    relays = instance.by_role()["relay"]
    proc.kill(relays[:1])

    def replaced():
        now = instance.by_role()["relay"]
        return len(now) == 2 and relays[0] not in now
    proc.wait_until(replaced, what="a new relay")
    left = sum(lives(sock) for sock in open_now)
    assert left < 12, "the killed relay had none"
    more = []
    proc.wait_until(lambda: more.extend(mine.begin(1)) or
                    len(more) == 12 - left, what="the share of the dead")
    assert not mine.begin(5)


def wait_ended(sock):
    with contextlib.suppress(ConnectionResetError):
        assert sock.recv(1) == b""


def server_resets(sock, _):
    sock.send(b"x")
    wait_ended(sock)


# how a flow may end: the server's port, and what is done to it
ENDS = {
    "client ends": (ECHO, lambda sock, _: sock.close()),
    "client resets": (ECHO, lambda sock, _: servers.reset(sock)),
    "server ends": (CLOSE, lambda sock, _: wait_ended(sock)),
    "server resets": (RESET, server_resets),
    "refused": (REFUSED, lambda sock, _: wait_ended(sock)),
    "idle": (ECHO, lambda sock, _: wait_ended(sock)),
    "killed": (ECHO, lambda sock, instance: instance.ctl(
        "kill", "--client", sock.getsockname()[0])),
}


@pytest.mark.parametrize("port,end", ENDS.values(), ids=ENDS)
def test_share_of_a_flow_is_given_back_however_it_ends(
        net, server, tpx, flows, port, end):
    instance = tpx("relay to any max-flows 1 idle 1s", workers=1)
    with contextlib.suppress(ConnectionResetError), \
            traffic.connect(net.client, net.SERVER4, port) as sock:
        end(sock, instance)
    proc.wait_until(flows(net.client, net.SERVER4).one_more, what="room")


def test_share_of_a_flow_without_a_way_to_its_server_is_given_back(
        net, server, tpx, flows):
    """Its connection fails at once, before the flow has begun."""
    instance = tpx("relay to any max-flows 1", workers=1)
    net.gateway.ip("route", "add", "unreachable", f"{NOWHERE}/32")
    for _ in range(3):
        with contextlib.suppress(ConnectionResetError), \
                traffic.connect(net.client, NOWHERE, ECHO) as sock:
            wait_ended(sock)
    rows = instance.rows(3)
    assert {(row["close"], row["error"]) for row in rows} == {
        ("unreachable", "EHOSTUNREACH")}
    assert flows(net.client, net.SERVER4).one_more()


def test_share_of_a_flow_of_udp_without_a_socket_is_given_back(
        net, server, tpx):
    instance = tpx("relay proto udp to any max-flows 1", workers=1)
    instance.wait_running()
    relay, = instance.by_role()["relay"]
    with contextlib.ExitStack() as stack:
        # numbers of descriptors have no gap then
        for _ in range(10):
            assert traffic.echoes(stack.enter_context(
                traffic.connect(net.client, net.SERVER4, ECHO)))
        highest = max(map(int, os.listdir(f"/proc/{relay}/fd")))
        proc.limit(relay, f"--nofile={highest + 1}:")
        sock = stack.enter_context(
            net.client.socket(kind=socket.SOCK_DGRAM))
        sock.connect((net.SERVER4, UDP_PORT))
        sock.send(b"x")
        row, = instance.rows(1)
        assert (row["close"], row["error"]) == ("overload", "EMFILE")
        proc.limit(relay, "--nofile=1024:")

        def begun():
            sock.send(b"x")
            return instance.status()["flows"]["open"] == 11
        proc.wait_until(begun, what="a flow")


def test_flows_that_wait_for_their_names_are_limited(net, server, tpx):
    """They count in the rule that the name leads to."""
    rule = 'relay proto tcp domain { "a.example" } max-flows 2'
    instance = tpx(f"{rule}\ndefault relay")

    def lives_as(name, sock):
        request = f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()
        try:
            sock.sendall(request)
            return servers.read_exactly(sock, len(request)) == request
        except OSError as error:
            assert error.errno in traffic.RESETS
            return False
    with contextlib.ExitStack() as stack:
        def one_more(name="a.example"):
            sock = stack.enter_context(
                traffic.connect(net.client, net.SERVER4, ECHO))
            return lives_as(name, sock) and sock
        first, second = one_more(), one_more()
        assert first and second
        assert not one_more()
        assert one_more("b.example")
        row, = instance.rows(1)
        assert (row["action"], row["rule"], row["error"]) == (
            "block", rule, "max-flows")
        first.close()
        proc.wait_until(one_more, what="room")


@pytest.mark.parametrize("port", [UDP_PORT, REFUSED])
@pytest.mark.parametrize("killed", [False, True], ids=["by itself", "killed"])
def test_share_of_a_flow_of_udp_is_given_back_however_it_ends(
        net, tpx, port, killed):
    instance = tpx("relay proto udp to any max-flows 1 idle 1s", workers=1)

    def served(sport):
        with net.client.socket(kind=socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.3)
            sock.bind(("", sport))
            sock.connect((net.SERVER4, UDP_PORT))
            sock.send(b"x")
            return sock.recv(1) == b"x"

    def ended():
        # what waits for its end is refused, and no flow
        return instance.sql("SELECT 1 FROM flows WHERE action = 'relay'")
    with UdpServer(net.server, UDP_PORT), \
            net.client.socket(kind=socket.SOCK_DGRAM) as sock:
        sock.connect((net.SERVER4, port))
        sock.send(b"x")
        proc.wait_until(lambda: instance.status()["flows"]["open"] == 1)
        if killed:
            instance.ctl("kill", "--client", net.CLIENT4)
        proc.wait_until(ended, what="the first one's end")
        proc.wait_until(lambda: served(5999), what="an answer")


def test_reload_keeps_counts(net, tpx, flows):
    rule = "relay proto tcp to any max-flows 5 per client"
    instance = tpx(rule)
    mine = flows(net.client, net.SERVER4)
    assert len(mine.begin(5)) == 5
    instance.configure(configuration(f"block to 192.0.2.0/24\n{rule}"))
    instance.ctl("reload")
    assert mine.begin(3) == []
    instance.configure(configuration(rule.replace("5", "7")))
    instance.ctl("reload")
    # another rule counts anew
    assert len(mine.begin(10)) == 7


def test_flows_of_udp_are_limited(net, tpx, address, neighbour):
    rule = "relay proto udp to any max-flows 3 per client idle 2s"
    instance = tpx(rule)

    def answered(sock):
        sock.send(b"question")
        try:
            return sock.recv(100) == b"question"
        except TimeoutError:
            return False

    with UdpServer(net.server, UDP_PORT), contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect_from(
            net.client, client_of(net, address), address, UDP_PORT,
            socket.SOCK_DGRAM)) for _ in range(3)]
        assert all(answered(sock) for sock in socks)
        late = stack.enter_context(connect_from(
            net.client, client_of(net, address), address, UDP_PORT,
            socket.SOCK_DGRAM))
        late.settimeout(0.3)
        assert not answered(late)
        other = stack.enter_context(connect_from(
            net.client, neighbour, address, UDP_PORT, socket.SOCK_DGRAM))
        assert answered(other)
        row, = instance.rows(1, "action = 'block'")
        assert (row["error"], row["sport"]) == (
            "max-flows", late.getsockname()[1])
        # the others have ended; what goes on sending gets its turn
        assert proc.wait_until(lambda: answered(late), what="an answer")
        proc.wait_until(lambda: instance.unaccounted() == 0, what="accounts")
        # one row, however often it was refused
        instance.rows(1, "action = 'block'")


@pytest.mark.parametrize("action", ["relay", "pass"])
def test_rate_of_new_connections_is_limited(
        net, server, tpx, address, neighbour, action):
    # in an hour, so that no slow machine lets one in
    rule = f"{action} proto tcp to any max-rate 5/h per client"
    instance = tpx(rule)
    seen = [sees(net.client, client_of(net, address), address)
            for _ in range(8)]
    assert seen == [True] * 5 + [False] * 3
    with connect_from(net.client, neighbour, address, ECHO) as sock:
        assert traffic.echoes(sock)
    rows = instance.rows(3, "action = 'block'")
    assert {(row["rule"], row["close"], row["error"], row["worker"])
            for row in rows} == {(rule, "policy", "max-rate", None)}


def test_rate_of_a_rule_is_for_all_its_clients(
        net, server, tpx, address, neighbour):
    tpx("relay to any max-rate 4/h")
    for source in (client_of(net, address), neighbour) * 2:
        with connect_from(net.client, source, address, ECHO) as sock:
            assert traffic.echoes(sock)
    assert not sees(net.client, neighbour, address)


def kept(net):
    """Names of what the kernel keeps of limits."""
    rules = net.gateway.run("nft", "list", "table", "inet", "tpx").stdout
    return set(re.findall(r"(?:set|limit) (kept_\w+) {", rules))


def test_what_is_used_up_stays_used_up(net, server, tpx):
    """At a reload and at a pause; what no rule names is forgotten."""
    each = f"relay proto tcp to any port {ECHO} max-rate 3/h per client"
    all_of = f"pass proto tcp to any port {CLOSE} max-rate 2/h"
    instance = tpx(f"{each}\n{all_of}")

    def closes():
        with contextlib.suppress(ConnectionError), connect_from(
                net.client, net.CLIENT4, net.SERVER4, CLOSE) as sock:
            return sock.recv(1) == b""
        return False
    assert sees(net.client, net.CLIENT4, net.SERVER4)
    assert closes()
    before = kept(net)
    assert len(before) == 3
    instance.configure(configuration(
        f"block to 192.0.2.0/24\n{all_of}\n{each}"))
    instance.ctl("reload")
    assert sees(net.client, net.CLIENT4, net.SERVER4)
    assert closes() and not closes()
    instance.ctl("pause")
    instance.ctl("resume")
    assert sees(net.client, net.CLIENT4, net.SERVER4)
    assert not sees(net.client, net.CLIENT4, net.SERVER4)
    assert not closes()
    assert kept(net) == before
    instance.configure(configuration(each.replace("3/h", "1/h")))
    instance.ctl("reload")
    assert sees(net.client, net.CLIENT4, net.SERVER4)
    assert not sees(net.client, net.CLIENT4, net.SERVER4)
    assert len(kept(net)) == 2 and not kept(net) & before


def as_user(namespace, uid, address, port):
    """What a user of the namespace sees."""
    with namespace.inside():
        os.seteuid(uid)
        try:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family) as sock:
                sock.settimeout(5)
                sock.connect((address, port))
                return traffic.echoes(sock)
        except OSError as error:
            if error.errno in traffic.RESETS:
                return False
            raise
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("action", ["relay", "pass"])
def test_users_of_this_host_have_rates_of_their_own(
        net, server, tpx, address, action):
    instance = tpx(f"{action} proto tcp to any max-rate 3/h per client",
                   capture=LOCAL)
    seen = [as_user(net.gateway, 0, address, ECHO) for _ in range(5)]
    assert seen == [True] * 3 + [False] * 2
    assert as_user(net.gateway, OTHER_USER, address, ECHO)
    rows = instance.rows(2, "action = 'block'")
    assert {(row["error"], row["uid"]) for row in rows} == {("max-rate", 0)}


def test_rate_of_udp_is_limited_at_the_first_datagram(net, tpx, address):
    tpx("relay proto udp to any max-rate 2/h per client")
    with UdpServer(net.server, UDP_PORT), contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect_from(
            net.client, client_of(net, address), address, UDP_PORT,
            socket.SOCK_DGRAM)) for _ in range(3)]
        # as often as one likes, once it is there
        for sock in socks[:2] * 4:
            sock.send(b"x")
            assert sock.recv(10) == b"x"
        socks[2].settimeout(0.3)
        socks[2].send(b"x")
        with pytest.raises(TimeoutError):
            socks[2].recv(10)


def test_refused_flows_beyond_the_rows_are_counted(net, server, tpx):
    """A client that does not give up costs a hundred rows a second."""
    instance = tpx("relay to any max-flows 1", workers=1)
    with traffic.connect(net.client, net.SERVER4, ECHO) as first:
        assert traffic.echoes(first)
        for _ in range(600):
            with contextlib.suppress(OSError):
                traffic.connect(net.client, net.SERVER4, ECHO).close()
        proc.wait_until(lambda: instance.unaccounted() == 0, what="accounts")
        assert traffic.echoes(first)
    status = instance.status()
    assert (status["flows"]["accepted"], status["flows"]["blocked"]) == (
        601, 600)
    assert status["log"]["dropped"] > 0


@pytest.fixture
def flooder(net, address):
    """Addresses of the client, all of one network."""
    network, clients = FLOODERS[6 if ":" in address else 4]
    net.gateway.ip("route", "add", network, "via", client_of(net, address))
    # each family has its own way to have as many addresses as one likes
    net.client.sysctl("net.ipv6.ip_nonlocal_bind", 1)
    net.client.ip("route", "add", "local", network, "dev", "lo")
    return clients


def test_a_network_that_floods_a_relay_evicts_its_own_flows(
        net, tpx, address, flooder):
    """Each of its clients has fewer of them than anybody else."""
    instance = tpx(workers=1, prefix=("prlimit", "--nofile=2400:2400"))
    with UdpServer(net.server, UDP_PORT), contextlib.ExitStack() as stack:
        others = [stack.enter_context(connect_from(
            net.client, client_of(net, address), address, UDP_PORT,
            socket.SOCK_DGRAM)) for _ in range(OTHERS_FLOWS)]

        def answered(sock):
            sock.send(b"x")
            return sock.recv(10) == b"x"
        assert all(map(answered, others))
        for number in range(FLOOD_FLOWS):
            connect_from(net.client, flooder[number % len(flooder)], address,
                         UDP_PORT, socket.SOCK_DGRAM).send(b"x")
        proc.wait_until(lambda: len(instance.sql(
            "SELECT src FROM flows")) > FLOOD_FLOWS / 4, 20, "evictions")
        assert all(map(answered, others))
        proc.wait_until(lambda: instance.unaccounted() == 0, what="accounts")
        rows = instance.sql("SELECT src, close FROM flows")
    assert {row["close"] for row in rows} == {"overload"}
    assert {row["src"] for row in rows} <= set(flooder)
