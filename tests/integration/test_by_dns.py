# SPDX-License-Identifier: ISC
"""Rules by which the kernel passes what DNS has told a client."""

import os
import re
import signal
import socket
import time

import pytest

from conftest import ECHO, FORWARDED, LOCAL, client_of, configuration
from rig import names, proc, servers
from rig.told import PATIENCE_S, goes, pairs
from test_names_dns import ALIASED, ASKED4, ASKED6, DNS, NAME, learn
from test_names_dns import zone  # pylint: disable=unused-import

UDP_PORT = 5400
RULE = f'pass domain "{NAME}" by dns'
BY_DNS = f"{DNS}\n{RULE}"
GRACE_S = 30  # TOLD_GRACE_S
TTL_S = 300  # of the zone
SHORT = "brief.example.net"
LATE = re.compile(r"^tpx_dns_names_late_total [1-9]", re.M)
PASS_ROW_S = 90
LEARN_S = 0.05  # FRONT_LEARN_US
QUICK_S = 1.0  # less than what a client waits, on a busy machine as well


def ask(asker, address, name=NAME, **options):
    """Over the address's family, since a pair is of one family."""
    kind, asked = (("AAAA", ASKED6) if ":" in address else ("A", ASKED4))
    answer = names.ask(asker, asked, name, kind, **options)
    assert names.texts(answer) == {address}


def told(net, address):
    """Seconds left of the kernel's pairs with that server, by client."""
    return {client: left for (client, server), left
            in pairs(net.gateway).items() if server == address}


def begin(asker, address, source=None):
    """A flow of TCP, of whose name its client says nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with asker.socket(family) as sock:
        sock.settimeout(5)
        if source:
            sock.bind((source, 0))
        sock.connect((address, ECHO))
        sock.sendall(b"plain")
        assert servers.read_exactly(sock, 5) == b"plain"


def exchange(asker, address):
    """The same over UDP."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with asker.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((address, UDP_PORT))
        sock.send(b"word")
        assert sock.recv(100) == b"word"


def another_address(net, address):
    """Of a client, in the family of the server's."""
    other, bits = (("fd00:74:1::9", 64) if ":" in address
                   else ("10.74.1.9", 24))
    nodad = ("nodad",) if ":" in address else ()
    net.client.ip("address", "add", f"{other}/{bits}", "dev", "eth0", *nodad)
    return other


def passed_row(net, instance):
    """Of TCP, as soon as conntrack tells of its end."""
    def there():
        net.gateway.run("cat", "/proc/net/nf_conntrack")
        return instance.rows(1, "action = 'pass' AND proto = 'tcp'",
                             timeout_s=0)[0]
    return proc.wait_until(there, PASS_ROW_S, "a row")


@pytest.mark.smoke
def test_the_first_packet_passes_where_dns_has_told(
        net, server, zone, tpx, address):
    """The client that asked, and no other; the row has the rule and the name.
    """
    client, instance = client_of(net, address), tpx(BY_DNS)
    other = another_address(net, address)
    assert not goes(instance, lambda: begin(net.client, address, client))
    ask(net.client, address, source=(client, 0))
    assert TTL_S < told(net, address)[client] <= TTL_S + GRACE_S
    assert goes(instance, lambda: begin(net.client, address, client))
    assert not goes(instance, lambda: begin(net.client, address, other))
    # it is in dnsd's cache by now
    ask(net.client, address, source=(other, 0))
    with servers.UdpServer(net.server, UDP_PORT):
        assert goes(instance, lambda: exchange(net.client, address))
    row = passed_row(net, instance)
    assert (row["rule"], row["host"], row["host_source"], row["worker"]) == (
        RULE, NAME, "dns", None)


def test_a_name_passes_for_its_alias(net, server, zone, tpx, address):
    instance = tpx(BY_DNS)
    learn(net, net.client, address, ALIASED)
    assert goes(instance, lambda: begin(net.client, address))


@pytest.mark.long
def test_other_names_and_other_selectors_count(net, server, zone, tpx):
    """The rule is not about that port, or not about that name."""
    for rule in (f'pass proto tcp to any port {ECHO + 1} domain "{NAME}"'
                 " by dns", 'pass domain "other.example" by dns'):
        instance = tpx(f"{DNS}\n{rule}")
        ask(net.client, net.SERVER4)
        assert not goes(instance, lambda: begin(net.client, net.SERVER4))
        assert instance.stop() == 0
        instance.unblock()


@pytest.mark.long
def test_this_hosts_own_flows_pass(net, server, zone, tpx):
    instance = tpx(BY_DNS, capture=f"{FORWARDED}\n{LOCAL}")
    assert not goes(instance, lambda: begin(net.gateway, net.SERVER4))
    ask(net.gateway, net.SERVER4)
    assert goes(instance, lambda: begin(net.gateway, net.SERVER4))


def test_names_outlive_processes_and_tables(net, server, zone, tpx):
    """What was told before is there, and nobody asks DNS again; and what is
    told after that comes."""
    instance = tpx(BY_DNS)
    ask(net.client, net.SERVER4)
    for role in ("dnsd", "netctl"):
        old = instance.by_role()[role]
        proc.kill(old)
        instance.wait_replaced(role, old, PATIENCE_S)
        instance.wait_state("armed")
        assert goes(instance, lambda: begin(net.client, net.SERVER4)), role
    # the rule has another number then
    instance.configure(configuration(f"{DNS}\npass to 192.0.2.200\n{RULE}"))
    instance.ctl("reload")
    proc.wait_until(lambda: net.CLIENT4 in told(net, net.SERVER4), PATIENCE_S,
                    "the pair is back")
    assert goes(instance, lambda: begin(net.client, net.SERVER4))
    ask(net.client, net.SERVER6)
    assert goes(instance, lambda: begin(net.client, net.SERVER6))
    instance.configure(configuration(DNS))
    instance.ctl("reload")
    assert not told(net, net.SERVER4)
    assert not goes(instance, lambda: begin(net.client, net.SERVER4))


@pytest.mark.long
def test_names_come_back_after_a_pause(net, server, zone, tpx):
    instance = tpx(BY_DNS)
    ask(net.client, net.SERVER4)
    instance.ctl("pause")
    instance.wait_state("paused")
    instance.ctl("resume")
    instance.wait_state("armed")
    proc.wait_until(lambda: net.CLIENT4 in told(net, net.SERVER4), PATIENCE_S,
                    "the pair is back")
    assert goes(instance, lambda: begin(net.client, net.SERVER4))


def test_an_answer_waits_for_netctl_but_not_for_a_stopped_one(
        net, zone, tpx):
    """Also one that dnsd has: it is this client that the kernel knows."""
    instance = tpx(BY_DNS, lease="20s", workers=1)
    ask(net.client, net.SERVER4,
        source=(another_address(net, net.SERVER4), 0))
    pid, = instance.by_role()["netctl"]
    os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        ask(net.client, net.SERVER4, source=(net.CLIENT4, 0))
        assert LEARN_S <= time.monotonic() - begun < QUICK_S

        proc.wait_until(lambda: LATE.search(instance.ctl("metrics").stdout),
                        PATIENCE_S, "the late answer is counted")
    finally:
        os.kill(pid, signal.SIGCONT)
    proc.wait_until(lambda: net.CLIENT4 in told(net, net.SERVER4), PATIENCE_S,
                    "what was asked for comes late")


@pytest.mark.long
def test_it_ends_when_the_answers_time_is_over(net, server, tpx):
    text = names.ZONE + f"brief 1 IN A {net.SERVER4}\n"
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    with names.Server(net.server, text):
        instance = tpx(BY_DNS.replace(NAME, SHORT))
        ask(net.client, net.SERVER4, SHORT)
        assert goes(instance, lambda: begin(net.client, net.SERVER4))
        proc.wait_until(lambda: not told(net, net.SERVER4), 2 * GRACE_S,
                        "the end of the pair")
        assert not goes(instance, lambda: begin(net.client, net.SERVER4))
