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
ADS = "ads.example"
# words for dig(1), and what is in its words, or in those of drill(1)
DIG = [
    ((WWW,), ("NOERROR", names.ADDRESS4)),
    (("WwW.eXample.net",), ("NOERROR", ";WwW.eXample.net.")),
    (("absent.example.net",), ("NXDOMAIN", "SOA")),
    (("aDs.example",), ("NXDOMAIN", "aDs.example.\t\t10\tIN\tSOA")),
    ((WWW, "+dnssec", "+nsid", "+subnet=192.0.2.0/24", "+padding=128"),
     ("NOERROR", "flags: do", names.ADDRESS4)),
    ((WWW, "+noedns", "+nocookie"), ("NOERROR", "ADDITIONAL: 0")),
    ((WWW, "+edns=1"), ("NOERROR", "version: 0", names.ADDRESS4)),
    ((WWW, "+edns=1", "+noednsnegotiation"), ("BADVERS",)),
    ((WWW, "+ednsopt=65001:abcd", "+ednsflags=0x40"), ("NOERROR",)),
    ((WWW, "+norecurse"), ("NOERROR", names.ADDRESS4)),
    (("+header-only", "+noedns"), ("FORMERR",)),
    ((WWW, "+opcode=notify"), ("NOTIMP",)),
    ((WWW, "-c", "CH"), ("REFUSED",)),
    (("big.example.net", "TXT"), ("NOERROR", "retrying in TCP mode",
                                  f"ANSWER: {names.BIG_STRINGS}")),
    (("+tcp", "+keepopen", WWW, ADS), ("NOERROR", "NXDOMAIN")),
]
DRILL = [
    ((WWW,), ("NOERROR", names.ADDRESS4)),
    (("-D", WWW), ("NOERROR", "flags: do")),
    (("-t", ADS), ("NXDOMAIN", "nobody.invalid.")),
    (("-a", "big.example.net", "TXT"),
     ("NOERROR", f"ANSWER: {names.BIG_STRINGS}")),
]
BOTH = {names.ADDRESS4, names.ADDRESS6}
BYTES = 1000


@pytest.fixture
def zone(net):
    """Its addresses are the server's."""
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    net.gateway.ip("-6", "route", "add", "default", "via", net.SERVER6)
    net.server.ips(*(f"address add {address} dev lo" for address in BOTH))
    with names.Server(net.server) as server:
        yield server


@pytest.fixture
def gateway(zone, tpx):
    """It captures both."""
    return tpx(CONFIG, capture=f"{FORWARDED}\n{LOCAL}")


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


@pytest.mark.parametrize("program, table", [("dig", DIG), ("drill", DRILL)])
def test_programs_find_nothing_wrong(net, zone, tpx, program, table):
    tpx(f'domains <ads> {{ "{ADS}" }}\n{CONFIG}\ndns block <ads>',
        capture=f"{FORWARDED}\n{LOCAL}")
    for host, _ in each(net):
        for words, parts in table:
            said = host.run(program, f"@{ASKED4}", *words).stdout
            assert all(part in said for part in parts), said
            assert "warning" not in said.lower(), said


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


def test_resolved_remembers_what_is_not_there(net, zone, tpx):
    """What the zone says, and what is blocked: it does not ask again."""
    wanted = ((ADS, "A"), ("use-application-dns.net", "AAAA"),
              ("zero.example", "TXT"), ("absent.example.net", "A"))
    instance = tpx(f'domains <ads> {{ "{ADS}" }}\n'
                   f'domains <zero> {{ "zero.example" }}\n{CONFIG}\n'
                   "dns block <ads>\ndns block <zero> answer zero", workers=1)

    def asked(last):
        """The names of all rows, when each has been asked for once more."""
        for name, kind in wanted:
            answer = names.ask(net.client, clients.STUB, name, kind)
            assert names.texts(answer) == set()
        last = f"{last}.{names.FRESH}"
        assert names.texts(names.ask(net.client, clients.STUB, last))
        instance.rows(1, f"qname = '{last}'", view="dns")
        return [row["qname"] for row in instance.sql("SELECT qname FROM dns")
                if names.FRESH not in row["qname"]]
    with clients.resolved(net.client, ASKED4, cache="yes"):
        answers(net.client, clients.STUB)
        first = asked("first")
        assert {name for name, _ in wanted} < set(first)
        assert asked("second") == first


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
