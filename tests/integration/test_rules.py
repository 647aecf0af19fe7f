# SPDX-License-Identifier: ISC
"""Which rule decides, and what the client, the server and the log see."""

import itertools
import socket

import pytest

from conftest import (DIGEST, ECHO, EXCHANGE, HTTP, LISTEN, client_of,
                      outside_of)
from rig import packets, proc, servers, traffic
from rig.packets import Wire
from rig.servers import UdpServer


RULES = """\
table <client> { 10.74.1.0/24 fd00:74:1::/64 }
table <server> { 10.74.2.2 fd00:74:2::2 }
table <nobody> { 192.0.2.0/24 2001:db8::/32 }
block from <nobody>
block proto udp to <client>
block proto tcp from <client> to <server> port 7
block to { <nobody> 10.74.2.2 fd00:74:2::/64 } port { 80-81 9 } with reset
pass proto tcp to any port 82
relay proto tcp from { 10.74.1.2/32 fd00:74:1::2 } to <server> port 80-86
"""
# port, what the client sees, the rule in the row
DECISIONS = {
    "first of two that match": (
        ECHO, "reset",
        "block proto tcp from <client> to <server> port 7"),
    "in a list of ports and of addresses": (
        DIGEST, "reset", "block to { <nobody> 10.74.2.2 fd00:74:2::/64 } "
        "port { 80-81 9 } with reset"),
    "in a range of ports": (
        HTTP, "reset", "block to { <nobody> 10.74.2.2 fd00:74:2::/64 } "
        "port { 80-81 9 } with reset"),
    "range of the last rule": (
        LISTEN, "served", "relay proto tcp from { 10.74.1.2/32 fd00:74:1::2 } "
        "to <server> port 80-86"),
}


@pytest.mark.parametrize("port, seen, rule", DECISIONS.values(), ids=DECISIONS)
def test_first_rule_that_matches_decides(
        net, server, tpx, address, port, seen, rule):
    instance = tpx(RULES)
    assert traffic.outcome(net.client, address, port) == seen
    row, = instance.rows(1)
    assert (row["rule"], row["dport"], row["dst"]) == (rule, port, address)
    assert row["action"] == rule.split()[0]


@pytest.mark.parametrize("action, sees, seen_from", [
    ("relay", "served", outside_of),
    ("pass", "served", client_of),
    ("block", "reset", None),
], ids=["relay", "pass", "block"])
def test_default_decides_what_no_rule_does(
        net, server, tpx, address, action, sees, seen_from):
    instance = tpx(f"relay to 192.0.2.1\ndefault {action}")
    assert traffic.outcome(net.client, address, ECHO) == sees
    expected = {seen_from(net, address)} if seen_from else set()
    assert server[ECHO].addresses() == expected
    row = instance.passed_row()
    assert (row["action"], row["rule"]) == (action, f"default {action}")


@pytest.mark.smoke
def test_block_resets_the_client_and_leaves_one_row(
        net, server, sniffer, tpx, address):
    instance = tpx(f"block proto tcp to any port {ECHO}")
    with pytest.raises(ConnectionRefusedError):
        traffic.connect(net.client, address, ECHO)
    row, = instance.rows(1)
    expected = {"action": "block", "proto": "tcp", "dport": ECHO,
                "dst": address, "src": client_of(net, address),
                "rule": f"block proto tcp to any port {ECHO}",
                "close": "policy", "down_bytes": 0}
    assert {key: row[key] for key in expected} == expected
    proc.wait_until(lambda: instance.status()["flows"]["blocked"] == 1, 5,
                    "the status counts it")
    assert server[ECHO].visits == [] and sniffer.direct() == []


def test_block_with_drop_answers_nothing(net, server, sniffer, tpx, address):
    instance = tpx(f"block proto tcp to any port {ECHO} with drop")
    with pytest.raises(TimeoutError):
        traffic.connect(net.client, address, ECHO, timeout_s=1.5)
    instance.rows(1)  # the repeated SYN is the same flow
    assert server[ECHO].visits == [] and sniffer.direct() == []


@pytest.mark.smoke
def test_pass_reaches_the_server_directly(net, server, tpx, address):
    up, down = 100_000, 1_000_000
    instance = tpx(f"pass proto tcp to any port {EXCHANGE}")
    assert traffic.exchange(net.client, address, EXCHANGE, up, down) == down
    assert server[EXCHANGE].addresses() == {client_of(net, address)}
    row = instance.passed_row()
    assert (row["action"], row["proto"], row["dport"], row["dst"]) == \
        ("pass", "tcp", EXCHANGE, address)
    assert row["src"] == client_of(net, address)
    # the kernel counts whole packets: at most 100 bytes of headers each, and
    # again what was sent again
    for payload, counted, count in (
            (up, row["up_bytes"], row["up_packets"]),
            (down, row["down_bytes"], row["down_packets"])):
        assert count > 0
        assert payload <= counted <= 1.1 * payload + 100 + 100 * count
    assert instance.status()["flows"]["relayed"] == 0


def test_pass_leaves_other_flows_captured(net, server, tpx, address):
    tpx(f"pass proto tcp to any port {EXCHANGE}")
    assert traffic.outcome(net.client, address, ECHO) == "served"
    assert server[ECHO].addresses() == {outside_of(net, address)}


def test_passed_udp_is_answered_directly(net, tpx, address):
    tpx("pass proto udp to any port 53")
    with UdpServer(net.server, 53) as udp, _udp(net, address, 53) as sock:
        sock.send(b"question")
        assert sock.recv(100) == b"question"
        assert udp.visits[0].address == client_of(net, address)


# a rule for UDP, and whether its client is told
UDP_BLOCKS = {
    "block proto udp to any port 53": TimeoutError,
    "block proto udp to any port 53 with reset": ConnectionRefusedError,
    # this upstream takes no UDP, which does not go past it either
    "relay to any port 53 via web": TimeoutError,
}


@pytest.mark.parametrize("rule, seen", UDP_BLOCKS.items(), ids=UDP_BLOCKS)
def test_udp_that_is_not_passed_never_leaves(
        net, sniffer, tpx, address, rule, seen):
    instance = tpx(f"upstream web http {net.SERVER4}:1080\n{rule}")
    with UdpServer(net.server, 53) as udp, _udp(net, address, 53) as sock:
        sock.send(b"question")
        with pytest.raises(seen):
            sock.recv(100)
        assert udp.visits == []
    row, = instance.rows(1)
    assert (row["proto"], row["action"], row["rule"]) == ("udp", "block", rule)
    assert sniffer.direct() == []


def test_traffic_of_other_interfaces_is_left_alone(net, server, tpx, address):
    """What comes in on the server's side is forwarded as without tpx."""
    instance = tpx("default block")
    reached = net.CLIENT6 if ":" in address else net.CLIENT4
    with servers.Server(net.client, 8000, servers.echo):
        assert traffic.ask(net.server, reached, 8000, b"hello") == b"hello"
    assert instance.status()["flows"]["accepted"] == 0


def test_gateway_itself_stays_reachable(net, tpx, address):
    tpx("default block")
    gateway = net.GATEWAY6 if ":" in address else net.GATEWAY4
    with servers.Server(net.gateway, 22, servers.echo):
        assert traffic.ask(net.client, gateway, 22, b"hello") == b"hello"


def test_ping_passes(net, tpx, address):
    tpx("default block")
    assert traffic.ping(net.client, address)


@pytest.mark.parametrize("mode", ["closed", "open"])
def test_other_protocols_can_be_blocked(net, server, tpx, address, mode):
    instance = tpx("other-protocols block\ndefault relay", mode=mode,
                   lease="1s")
    assert not traffic.ping(net.client, address, 1)
    assert traffic.ping(net.client, net.GATEWAY4), "the gateway itself"
    assert traffic.outcome(net.client, address, ECHO) == "served"
    # the lease goes on being renewed with all that it holds
    proc.stays(lambda: instance.status()["state"] == "armed", 2.0, "armed")
    assert not traffic.ping(net.client, address, 1)
    instance.ctl("pause")
    assert traffic.ping(net.client, address)
    instance.ctl("resume")
    assert not traffic.ping(net.client, address, 1)
    instance.stop()
    assert traffic.ping(net.client, address, 1) == (mode == "open")
    if mode == "closed":
        net.gateway.nft("flush ruleset")
        assert not traffic.ping(net.client, address, 1)


def test_connection_to_the_listener_itself_is_refused(net, tpx):
    """Nobody reaches the relay but by capture, so nothing can loop."""
    instance = tpx()
    ports = proc.wait_until(lambda: _listening_ports(net.gateway), 5, "ports")
    for family, local in ((socket.AF_INET, "127.0.0.1"),
                          (socket.AF_INET6, "::1")):
        for port in ports[family]:
            seen = traffic.outcome(net.gateway, local, port, 2)
            assert seen in ("reset", "closed", "timeout")
    assert instance.sql("SELECT * FROM flows WHERE action = 'relay' "
                        "AND close IN ('client-fin', 'server-fin')") == []


def _udp(net, address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = net.client.socket(family, socket.SOCK_DGRAM)
    sock.settimeout(1.0)
    sock.connect((address, port))
    return sock


def _listening_ports(namespace):
    """Ports of listening TCP sockets, by family."""
    found = {}
    for family, option in ((socket.AF_INET, "-4"), (socket.AF_INET6, "-6")):
        lines = namespace.run("ss", "-Hltn", option).stdout.splitlines()
        found[family] = {int(line.split()[3].rpartition(":")[2])
                         for line in lines}
    return all(found.values()) and found


def test_spoofed_source_makes_no_blocked_flow_an_answer(
        net, server, sniffer, tpx):
    """What a client sends itself in the server's name begins nothing."""
    tpx("pass to 10.74.1.0/24\nblock proto udp to any")
    ends = net.SERVER4, net.CLIENT4
    with Wire(net.client, "eth0", net.gateway, net.CLIENT_IF) as wire:
        for _ in range(5):
            for (one, sport), (other, dport) in itertools.permutations(
                    zip(ends, (53, 5000))):
                wire.send(packets.ip(one, other, socket.IPPROTO_UDP,
                                     packets.udp(one, other, sport, dport)))
    assert traffic.ask(net.client, net.SERVER6, ECHO, b"after") == b"after"
    assert sniffer.direct() == []
