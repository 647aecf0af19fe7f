# SPDX-License-Identifier: ISC
"""What is excluded goes as if nothing captured it, whatever tpx does."""

import contextlib
import itertools
import os
import signal
import socket

import pytest

from conftest import (DIGEST, ECHO, FORWARDED, client_of, configuration,
                      outside_of)
from rig import packets, proc, traffic
from rig.net import Topology
from rig.packets import Tap, Wire
from rig.servers import UdpServer

QUESTION = 53
LEASE_S = 1.0
GRACE_S = 0.5
FAMILIES = {4: Topology.SERVER4, 6: Topology.SERVER6}
# more addresses of the server; nothing but the exclusion opens them
FREE = {4: "10.74.2.9", 6: "fd00:74:2::9"}
CAPTURE = (f"capture forwarded on {{ {Topology.CLIENT_IF} "
           f"{Topology.SERVER_IF} }}\ncapture local")
RULES = f"""\
exclude to any port {{ {ECHO} {QUESTION} }}
exclude to {{ {FREE[4]} {FREE[6]} }}
other-protocols block
block to any port {{ {ECHO} {QUESTION} }}
default block
"""


def kill(instance):
    os.kill(instance.tpxd.pid, signal.SIGKILL)
    instance.tpxd.wait()
    proc.wait_until(lambda: "inet tpx " not in instance.namespace.run(
        "nft", "list", "tables").stdout + " ", LEASE_S + GRACE_S,
        "the capture table is gone")


# mode, what brings the state about, and what the others see in it
STATES = {
    "armed": ("closed", lambda instance: None, "reset"),
    "paused": ("closed", lambda instance: instance.ctl("pause"), "served"),
    "killed": ("closed", kill, "timeout"),
    "open": ("open", lambda instance: None, "reset"),
}


def kind_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def asks(namespace, address, data):
    """The own port of a UDP socket that was answered with the same data."""
    with namespace.socket(kind_of(address), socket.SOCK_DGRAM) as sock:
        sock.settimeout(3)
        sock.connect((address, QUESTION))
        sock.send(data)
        assert sock.recv(65535) == data
        return sock.getsockname()[1]


def calls(namespace, address):
    """The own port of a TCP socket that was served."""
    with traffic.connect(namespace, address, ECHO, 3) as sock:
        assert traffic.echoes(sock)
        return sock.getsockname()[1]


@pytest.mark.parametrize("state", STATES)
def test_an_excluded_flow_goes_direct_and_has_no_row(
        net, server, tpx, state):
    mode, bring_about, others = STATES[state]
    for free in FREE.values():
        # nothing that the server sends chooses it as its source
        net.server.ip("address", "add", free, "dev", "eth0",
                      *(["nodad", "preferred_lft", 0] if ":" in free else []))
    instance = tpx(RULES, mode=mode, capture=CAPTURE,
                   lease=f"{LEASE_S:.0f}s")
    bring_about(instance)
    with UdpServer(net.server, QUESTION) as udp:
        for address in FAMILIES.values():
            for namespace, own in ((net.client, client_of(net, address)),
                                   (net.gateway, outside_of(net, address))):
                port = calls(namespace, address)
                visit = server[ECHO].visits[-1]
                assert (visit.address, visit.port) == (own, port)
                # the second is longer than the interface takes at once
                for data in (b"short", b"long" * 1000):
                    port = asks(namespace, address, data)
                    assert (udp.visits[-1].address,
                            udp.visits[-1].port) == (own, port)
    for namespace in (net.client, net.gateway):
        for family, address in FAMILIES.items():
            assert traffic.ping(namespace, FREE[family])
            assert traffic.outcome(namespace, FREE[family], DIGEST) == "served"
    closed_off(net, instance, others)


def closed_off(net, instance, others):
    """What is not excluded is as the state says."""
    for address in FAMILIES.values():
        for namespace in (net.client, net.gateway):
            assert traffic.outcome(namespace, address, DIGEST, 1) == others
        assert traffic.ping(net.client, address, 0.5) == (others == "served")
    if others == "reset":
        # the client's two, and two of the gateway's own
        assert {row["dport"] for row in instance.rows(4)} == {DIGEST}


# statement, and of TCP ECHO, TCP DIGEST and UDP QUESTION what it lets go
SELECTORS = {
    "port of TCP": (f"exclude proto tcp to any port {ECHO}", {"echo"}),
    "all of TCP": ("exclude proto tcp to any", {"echo", "digest"}),
    "all of UDP": ("exclude proto udp to any", {"question"}),
    "range": ("exclude to any port 1-8", {"echo"}),
    "from, by a table": (
        "table <them> { 10.74.1.0/24 10.74.2.1 fd00:74::/40 }\n"
        f"exclude from <them> port {{ {DIGEST} {QUESTION} }}",
        {"digest", "question"}),
    "of somebody else": ("exclude from { 192.0.2.1 2001:db8::1 }", set()),
}


def gets_out(namespace, address):
    """Which of the three did."""
    found = {name for name, port in (("echo", ECHO), ("digest", DIGEST))
             if traffic.outcome(namespace, address, port, 2) == "served"}
    with contextlib.suppress(OSError), namespace.socket(
            kind_of(address), socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.3)
        sock.sendto(b"question", (address, QUESTION))
        sock.recv(100)
        found.add("question")
    return found


def test_every_selector_can_exclude(net, server, tpx):
    def text(statement):
        return configuration(
            f"{statement}\ndefault block",
            capture=f"{FORWARDED}\ncapture local", lease="1s")

    instance = tpx("default block", capture=f"{FORWARDED}\ncapture local")
    with UdpServer(net.server, QUESTION):
        for statement, expected in SELECTORS.values():
            instance.configure(text(statement))
            instance.ctl("reload")
            for namespace, address in itertools.product(
                    (net.client, net.gateway), FAMILIES.values()):
                assert gets_out(namespace, address) == expected, statement


def test_a_new_exclusion_cuts_no_relayed_flow(net, server, tpx):
    capture = f"{FORWARDED}\ncapture local"
    instance = tpx(capture=capture)
    with contextlib.ExitStack() as stack:
        relayed = [stack.enter_context(traffic.connect(
                       namespace, address, ECHO))
                   for namespace in (net.client, net.gateway)
                   for address in FAMILIES.values()]
        assert all(map(traffic.echoes, relayed))
        instance.configure(configuration(
            f"exclude to any port {ECHO}", capture=capture))
        instance.ctl("reload")
        for address in FAMILIES.values():
            for namespace, own in ((net.client, client_of(net, address)),
                                   (net.gateway, outside_of(net, address))):
                port = calls(namespace, address)
                visit = server[ECHO].visits[-1]
                assert (visit.address, visit.port) == (own, port)
        assert all(map(traffic.echoes, relayed))
    instance.rows(4)


@pytest.mark.parametrize("state", ["armed", "killed"])
def test_a_spoofed_source_makes_no_later_flow_an_answer(
        net, server, tpx, state):
    """What a client sends itself in the server's name is excluded, too."""
    instance = tpx(f"exclude to any port {QUESTION}\ndefault block",
                   lease=f"{LEASE_S:.0f}s")
    STATES[state][1](instance)
    with Tap(net.server) as tap, Wire(net.client, "eth0", net.gateway,
                                      net.CLIENT_IF) as wire:
        for address in FAMILIES.values():
            ends = client_of(net, address), address
            there = packets.udp(*ends, QUESTION, 5000, b"an answer")
            back = packets.udp(*ends[::-1], 5000, QUESTION, b"a question")
            for _ in range(3):
                wire.send(packets.ip(*ends[::-1], 17, back),
                          packets.ip(*ends, 17, there))
            # what follows on the same wire has arrived
            wire.send(packets.ip(*ends, 17, packets.udp(
                *ends, 5001, QUESTION, b"the last")))
            proc.wait_until(lambda: tap.having(
                b"the last", packets.packed(address)))
        assert not tap.having(b"an answer")
