# SPDX-License-Identifier: ISC
"""Ends of connections in every state, under every kind of rule.

A client, or a server, ends or resets a connection while its flow is in one of
the states below; of all that nothing is left but rows.
"""

import contextlib
import itertools
import socket
from typing import Any, NamedTuple

import pytest

from conftest import (BEHIND, CLOSE, ECHO, EXCHANGE, REFUSED, RESET, STALL,
                      TALK_FIRST, configuration)
from rig import burden, proc, servers, traffic

LEASE = "30s"  # netctl is stopped for a round
IDLE_S = 1
SILENT, UPSTREAM = 89, 90
# so that little of what nobody reads is under way
BUFFERS = "4096 16384 32768"
SILENCE = f"""
table inet silence {{
    chain input {{
        type filter hook input priority 0
        tcp dport {SILENT} drop
    }}
}}
"""
BLOCKED = "blocked.example"
REQUEST = f"GET / HTTP/1.1\r\nHost: {BLOCKED}\r\n\r\n".encode()

IDLE = f"idle {IDLE_S}s"
RELAY = "relay proto tcp to any"
DIRECT = f"{RELAY} {IDLE}"
SOURCE = f"{RELAY} source client {IDLE}"
VIA = "upstream corp socks5 {upstream}\n" + f"{RELAY} via corp {IDLE}"
NAMED = f'block proto tcp domain "{BLOCKED}"\n{DIRECT}'
BLOCK = "block proto tcp to any"


# states: what a client has done, and has seen

def connected(net, address):
    """The relay has perhaps not accepted it yet."""
    return traffic.connect(net.client, address, ECHO)


def served(net, address):
    sock = connected(net, address)
    assert traffic.echoes(sock)
    return sock


def bytes_under_way(net, address):
    sock = connected(net, address)
    assert sock.send(b"x" * 50000)  # as many of them as there is room for
    return sock


def refused(net, address):
    """Its server is away, or the policy forbids it."""
    return traffic.connect(net.client, address, REFUSED)


def connecting(net, address):
    """Its server does not answer the relay."""
    return traffic.connect(net.client, address, SILENT)


def sniffed(net, address):
    """The relay waits for the rest of a request."""
    sock = connected(net, address)
    sock.sendall(REQUEST[:-2])
    return sock


def named(net, address):
    """Blocked by its name, or about to be."""
    sock = connected(net, address)
    sock.sendall(REQUEST)
    return sock


def server_ended(net, address):
    sock = traffic.connect(net.client, address, CLOSE)
    assert sock.recv(1) == b""
    return sock


def client_ended(net, address):
    sock = traffic.connect(net.client, address, STALL)
    sock.shutdown(socket.SHUT_WR)
    return sock


def full(sock):
    """Nobody takes any more of what it sends."""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while sock.send(b"z" * 65536):
            pass
    sock.settimeout(5)
    return sock


def server_reads_nothing(net, address):
    return full(traffic.connect(net.client, address, STALL))


def drains_to_the_server(net, address):
    """It has ended, and the server has not read what comes before."""
    sock = server_reads_nothing(net, address)
    sock.shutdown(socket.SHUT_WR)
    return sock


def client_reads_nothing(net, address):
    sock = traffic.connect(net.client, address, EXCHANGE, buffer_bytes=4096)
    sock.sendall(servers.EXCHANGE.pack(0, 1 << 20))
    assert sock.recv(1, socket.MSG_PEEK)
    return sock


def drains_to_the_client(net, address):
    """The server has ended, and the client has not read what comes before."""
    sock = traffic.connect(net.client, address, TALK_FIRST, buffer_bytes=4096)
    assert sock.recv(1, socket.MSG_PEEK)
    return sock


def server_resets(net, address):
    sock = traffic.connect(net.client, address, RESET)
    sock.sendall(b"x")
    return sock


def server_resets_behind_bytes(net, address):
    sock = traffic.connect(net.client, address, BEHIND)
    sock.sendall(b"x")
    return sock


# ends

def end(sock):
    sock.close()


def end_and_reset(sock):
    with contextlib.suppress(OSError):  # it may be no connection any more
        sock.shutdown(socket.SHUT_WR)
    servers.reset(sock)


ENDS = (servers.reset, end, end_and_reset)

# what holds flows in a state meanwhile

@contextlib.contextmanager
def nothing(net, instance, address):
    yield


@contextlib.contextmanager
def silence(net, instance, address):
    """Who is still asked for after that is not there."""
    net.server.nft(SILENCE)
    yield
    net.server.nft("delete table inet silence")


@contextlib.contextmanager
def broker_stopped(net, instance, address):
    """netctl makes no socket with a client's address."""
    with proc.stopped(instance.by_role()["netctl"]):
        yield


def upstream(behaviour):
    """A proxy of that behaviour."""
    @contextlib.contextmanager
    def running(net, instance, address):
        with servers.Server(net.server, UPSTREAM, behaviour):
            yield
    return running


class Place(NamedTuple):
    """Rules, what holds flows where they are, and the states they are in."""
    rules: str
    during: Any
    states: tuple
    holds: bool = False


# flows that are relayed, or are about to be
HALVES = (server_ended, client_ended, server_reads_nothing,
          drains_to_the_server, client_reads_nothing, drains_to_the_client)
RELAYED = (connected, served, bytes_under_way, refused, *HALVES,
           server_resets, server_resets_behind_bytes)
BEGUN = (connected, bytes_under_way)
PLACES = (
    Place(DIRECT, nothing, RELAYED),
    Place(DIRECT, silence, (connecting,), holds=True),
    Place(SOURCE, nothing, RELAYED),
    Place(SOURCE, silence, (connecting,), holds=True),
    Place(SOURCE, broker_stopped, BEGUN, holds=True),
    Place(VIA, upstream(servers.stall), BEGUN, holds=True),
    Place(VIA, upstream(servers.reset_after_word), BEGUN),
    Place(VIA, upstream(servers.close_at_once), BEGUN),
    Place(VIA, nothing, BEGUN),
    Place(NAMED, nothing, (sniffed, named)),
    Place(BLOCK, nothing, (refused,)),
)


# how they have ended, all of them together
CLOSES = {"client-fin", "client-rst", "server-fin", "server-rst", "idle",
          "policy", "refused", "unreachable"}


def put(instance, rules, address):
    host = f"[{address}]" if ":" in address else address
    instance.configure(configuration(
        rules.format(upstream=f"{host}:{UPSTREAM}"), lease=LEASE))
    instance.ctl("reload")


def end_all(net, instance, address, place):
    """Every end in every state."""
    if not place.holds:
        for state, finish in itertools.product(place.states, ENDS):
            # what resets it itself may be quicker
            with contextlib.suppress(ConnectionError):
                finish(state(net, address))
        return
    wanted = instance.status()["flows"]["accepted"]
    socks = [(state(net, address), finish)
             for state, finish in itertools.product(place.states, ENDS)]
    wanted += len(socks)
    proc.wait_until(lambda: instance.status()["flows"]["accepted"] == wanted,
                    what=f"all are held: {place}")
    for sock, finish in socks:
        finish(sock)


def storm(net, instance, address, rounds):
    rules = None
    for place in PLACES:
        if place.rules != rules:
            rules = place.rules
            put(instance, rules, address)
        for _ in range(rounds):
            with place.during(net, instance, address):
                end_all(net, instance, address, place)
    burden.assert_accounted(instance)


@pytest.mark.parametrize("rounds", [1, pytest.param(
    150, marks=pytest.mark.long)])
def test_ends_in_every_state_leave_nothing(
        net, server, tpx, address, rounds):
    for side in (net.client, net.gateway, net.server):
        for name in ("tcp_rmem", "tcp_wmem"):
            side.sysctl(f"net.ipv4.{name}", BUFFERS)
    instance = tpx(lease=LEASE)
    storm(net, instance, address, 1)
    files, before = burden.descriptors(instance), burden.memory(instance)
    storm(net, instance, address, rounds)
    burden.assert_closed(instance, files)
    burden.assert_flat(before, burden.memory(instance))
    assert {row["close"] for row in instance.sql(
        "SELECT DISTINCT close FROM flows")} >= CLOSES
    put(instance, RELAY, address)
    # no idle limit ends these meanwhile
    states = (served, *HALVES)
    with contextlib.ExitStack() as stack:
        for state in states:
            stack.enter_context(state(net, address))
        proc.wait_until(lambda: instance.status()["flows"]["open"]
                        == len(states), what="one flow in each state")
        burden.assert_idle(instance)
        assert instance.status()["flows"]["open"] == len(states)
    assert instance.status()["state"] == "armed"
