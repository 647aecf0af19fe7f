# SPDX-License-Identifier: ISC
"""Names of flows that the client asked for before, by DNS through tpx."""

import os
import signal
import socket
import time

import pytest

from conftest import ECHO, FORWARDED, LOCAL, TALK_FIRST, configuration
from rig import names, proxies, servers, traffic
from rig.hosts import Hosts
from test_names import PORT, via
from test_sniff import FAST_S, TRIES, hello, records

NAME, OTHER = "ns.example.net", "www.example.org"
ALIASED = "to-ns.example.net"  # by two steps that name
ASKED4, ASKED6 = "192.0.2.53", "2001:db8:53::53"
DNS = ("dns forward { 10.74.2.2 }\ndns validate no\n"
       "dns rebind-protect no")
BOTH = f"{FORWARDED}\n{LOCAL}"
UDP_PORT = 5400
MANY = "many.example.net"


@pytest.fixture
def zone(net):
    """Who is asked is on no way but through the gateway."""
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    net.gateway.ip("-6", "route", "add", "default", "via", net.SERVER6)
    more = f"""\
ns IN AAAA {net.SERVER6}
to-ns IN CNAME by-ns
by-ns IN CNAME ns
_8443._https.ns IN HTTPS 1 . ipv4hint={net.SERVER4} ipv6hint={net.SERVER6}
""" + "".join(
        f"many IN A 198.51.100.{number + 1}\n" for number in range(TRIES))
    with names.Server(net.server, names.ZONE + more) as server:
        yield server


def learn(net, asker, address, name=NAME):
    """Asks for it, in the address's family; others ask over the other."""
    kind, asked = (("AAAA", ASKED6) if ":" in address else ("A", ASKED4))
    answer = names.ask(asker, asked, name, kind)
    assert address in names.texts(answer)


def begin(asker, address, first=b"plain"):
    """A flow whose client says this first."""
    with traffic.connect(asker, address, ECHO) as sock:
        sock.sendall(first)
        assert servers.read_exactly(sock, len(first)) == first


def named(instance, count):
    return [(row["host"], row["host_source"], row["dns_agrees"])
            for row in sorted(instance.rows(count),
                              key=lambda row: row["start_us"])]


@pytest.mark.smoke
def test_a_name_that_was_asked_for_is_the_flows(net, server, zone, tpx,
                                                address):
    """For who asked, whichever worker has it; a name that it sends is better.
    """
    instance = tpx(DNS, capture=BOTH)
    learn(net, net.client, address)
    begin(net.gateway, address)
    assert named(instance, 1) == [(None, None, None)]
    begin(net.client, address)
    assert named(instance, 2)[1:] == [(NAME, "dns", None)]
    begin(net.client, address, records(hello(NAME)))
    assert named(instance, 3)[2:] == [(NAME, "sni", 1)]
    begin(net.client, address, records(hello(OTHER)))
    assert named(instance, 4)[3:] == [(OTHER, "sni", 0)]
    begin(net.gateway, address, records(hello(OTHER)))
    assert named(instance, 5)[4:] == [(OTHER, "sni", None)]
    learn(net, net.gateway, address)
    begin(net.gateway, address)
    assert named(instance, 6)[5:] == [(NAME, "dns", None)]


def test_a_hint_is_an_address_of_the_host(net, server, zone, tpx, address):
    """Browsers go to hints at once, without the question of an address."""
    instance = tpx(DNS)
    asked = ASKED6 if ":" in address else ASKED4
    answer = names.ask(net.client, asked, f"_8443._https.{NAME}", "HTTPS")
    assert len(names.texts(answer)) == 1
    begin(net.client, address)
    assert named(instance, 1) == [(NAME, "dns", None)]


def test_a_flow_of_udp_has_its_name(net, zone, tpx, address):
    instance = tpx(DNS)
    learn(net, net.client, address)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with servers.UdpServer(net.server, UDP_PORT), net.client.socket(
            family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((address, UDP_PORT))
        sock.send(b"word")
        assert sock.recv(100) == b"word"
        listed = instance.ctl("--json", "flows", "--live").stdout
    assert f'"host":"{NAME}","host_source":"dns"' in listed.replace(" ", "")
    assert instance.stop() == 0
    assert named(instance, 1) == [(NAME, "dns", None)]


@pytest.mark.parametrize("rule, action", [
    ("pass to any", "pass"), ("block to any", "block")])
def test_what_the_kernel_decides_has_its_name(
        net, server, zone, tpx, address, rule, action):
    """Of the time when it began, whenever its row is written."""
    instance = tpx(f"{DNS}\n{rule}")
    learn(net, net.client, address)
    if action == "pass":
        begin(net.client, address)
        row = instance.passed_row()
    else:
        with pytest.raises(ConnectionRefusedError):
            begin(net.client, address)
        row, = instance.rows(1)
    assert (row["action"], row["host"], row["host_source"]) == (
        action, NAME, "dns")
    assert row["dns_agrees"] is None


def test_a_new_flow_log_knows_the_names(net, server, zone, tpx):
    instance = tpx(f"{DNS}\nblock to any")
    learn(net, net.client, net.SERVER4)
    old = instance.by_role()["flowlog"]
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    instance.wait_replaced("flowlog", old, 10)
    instance.wait_state("armed")
    with pytest.raises(ConnectionRefusedError):
        begin(net.client, net.SERVER4)
    row, = instance.rows(1)
    assert (row["host"], row["host_source"]) == (NAME, "dns")


@pytest.mark.parametrize("role", ["dnsd", "relay"])
def test_names_outlive_who_wrote_and_who_reads_them(
        net, server, zone, tpx, role):
    instance = tpx(DNS)
    learn(net, net.client, net.SERVER4)
    old = instance.by_role()[role]
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    instance.wait_replaced(role, old, 10)
    instance.wait_state("armed")
    begin(net.client, net.SERVER4)
    assert named(instance, 1) == [(NAME, "dns", None)]


def test_names_are_known_when_dns_is_turned_on(net, server, zone, tpx):
    """And kept while it is off, for as long as they would be."""
    instance = tpx()
    for statements in (DNS, "dns off"):
        instance.configure(configuration(statements))
        instance.ctl("reload")
        if statements == DNS:
            learn(net, net.client, net.SERVER4)
    begin(net.client, net.SERVER4)
    assert named(instance, 1) == [(NAME, "dns", None)]


def test_an_upstream_is_told_the_name_and_nothing_waits(
        net, server, zone, tpx, tmp_path):
    """By clients that say nothing, to addresses that nobody has."""
    instance = tpx(f"{DNS}\n{via(proxies.SOCKS5, net.SERVER4)}")
    namespace = Hosts(net.server, tmp_path / "hosts", {MANY: net.SERVER4})
    answer = names.ask(net.client, ASKED4, MANY)
    assert len(names.texts(answer)) == TRIES
    with proxies.start(proxies.SOCKS5, namespace, net.SERVER4, PORT):
        times = []
        for address in names.texts(answer):
            begun = time.monotonic()
            with traffic.connect(net.client, address, TALK_FIRST) as sock:
                assert sock.recv(1)
            times.append(time.monotonic() - begun)
    assert min(times) < FAST_S
    assert set(named(instance, TRIES)) == {(MANY, "dns", None)}
