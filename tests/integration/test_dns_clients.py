# SPDX-License-Identifier: ISC
"""Programs that ask for names notice nothing: on a captured host, behind a
gateway, and as resolvers of others on the gateway itself."""

import contextlib

import pytest

from conftest import FORWARDED, LOCAL
from rig import clients, names, proc, proxies, servers, unbound

ASKED4 = "192.0.2.53"
WWW = "www.example.net"
CONFIG = "dns forward { 10.74.2.2 }\ndns validate no"
BOTH = {names.ADDRESS4, names.ADDRESS6}
BYTES = 1000


@pytest.fixture
def gateway(net, tpx):
    """It captures both, and the zone's addresses are the server's."""
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    net.gateway.ip("-6", "route", "add", "default", "via", net.SERVER6)
    net.server.ips(*(f"address add {address} dev lo" for address in BOTH))
    with names.Server(net.server):
        yield tpx(CONFIG, capture=f"{FORWARDED}\n{LOCAL}")


def each(net):
    """Who is forwarded, and who is the gateway itself."""
    return ((net.client, "forwarded"), (net.gateway, "local"))


def test_programs_of_a_host_find_names(net, gateway):
    with servers.Server(net.server, 80, servers.http):
        for host, capture in each(net):
            assert clients.addresses(host, ASKED4, WWW) == BOTH
            assert clients.run(
                host, ASKED4, "curl", "-sSfo", "/dev/null", "-w",
                "%{size_download}", "--max-time", "20",
                f"http://{WWW}/bytes/{BYTES}") == str(BYTES)
            for kind in ("A", "AAAA"):
                gateway.rows(2, f"capture = '{capture}' AND qtype = '{kind}'",
                             view="dns")
            gateway.rows(1, f"capture = '{capture}' AND host = '{WWW}'")


def answers(host, address):
    """Whoever listens there has begun to answer."""
    def served():
        return names.texts(names.ask(host, address, WWW, timeout_s=1)) == {
            names.ADDRESS4}
    proc.wait_until(served, 20, f"an answer of {address}")


def test_resolved_asks_for_its_host(net, gateway):
    for host, _ in each(net):
        with clients.resolved(host, ASKED4):
            answers(host, clients.STUB)
            assert clients.addresses(host, clients.STUB, WWW) == BOTH


def by_resolved(net):
    return clients.resolved(
        net.gateway, ASKED4, net.GATEWAY4, net.GATEWAY6)


@contextlib.contextmanager
def by_unbound(net):
    with proxies.configured(
            net.gateway, net.GATEWAY4, 53, unbound.conf(
                net.GATEWAY4, ASKED4, f"interface: {net.GATEWAY6}",
                "access-control: 0.0.0.0/0 allow",
                "access-control: ::/0 allow", 'module-config: "iterator"'),
            *unbound.ARGV):
        yield


@pytest.mark.parametrize("resolver", [by_resolved, by_unbound])
def test_a_resolver_of_the_gateway_serves_others(net, gateway, resolver):
    """What it asks is captured itself; whom it serves notices nothing."""
    with resolver(net):
        for address in (net.GATEWAY4, net.GATEWAY6):
            answers(net.client, address)
            assert clients.addresses(net.client, address, WWW) == BOTH

    def captures():
        return {row["capture"] for row in gateway.sql("SELECT * FROM dns")}
    assert proc.wait_until(captures, 5, "a row") == {"local"}
