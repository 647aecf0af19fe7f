# SPDX-License-Identifier: ISC
"""Rules about whether clients send the names that they were told."""

import json

import pytest

from conftest import ECHO, FORWARDED, LOCAL
from rig import proc, traffic
from rig.servers import UdpServer, read_exactly
from test_domain_udp import PORT, flow, hello_datagrams, says
from test_names_dns import DNS, NAME, OTHER, learn
from test_names_dns import zone  # pylint: disable=unused-import
from test_quic import NAME as QUIC_NAME
from test_sniff import hello, records

BOTH = f"{FORWARDED}\n{LOCAL}"
LIES = "block name disagrees"
TRUE, FALSE = records(hello(NAME)), records(hello(OTHER))


def served(namespace, address, *sent):
    """Does it come back, or does a reset?"""
    with traffic.connect(namespace, address, ECHO) as sock:
        sock.settimeout(10)
        try:
            for data in sent:
                sock.sendall(data)
                if read_exactly(sock, len(data)) != data:
                    return False
        except ConnectionResetError:
            return False
    return True


def verdicts(instance, count):
    return [(row["host"], row["dns_agrees"], row["rule"], row["close"])
            for row in sorted(instance.rows(count),
                              key=lambda row: row["start_us"])]


@pytest.mark.smoke
def test_a_client_that_lies_about_its_name_is_blocked(
        net, server, zone, tpx, address):
    """Who asked nobody does not lie, nor who says nothing."""
    instance = tpx(f"{DNS}\n{LIES}\ndefault relay", capture=BOTH)
    assert served(net.client, address, FALSE)
    learn(net, net.client, address)
    assert not served(net.client, address, FALSE)
    assert served(net.client, address, TRUE)
    assert served(net.client, address, b"plain")
    assert served(net.gateway, address, FALSE)
    relayed = ("default relay", "client-fin")
    assert verdicts(instance, 5) == [
        (OTHER, None, *relayed), (OTHER, 0, LIES, "policy"),
        (NAME, 1, *relayed), (NAME, None, *relayed),
        (OTHER, None, *relayed)]


def test_only_names_that_were_told_are_let_through(
        net, server, zone, tpx, address):
    rule = "relay proto tcp name agrees"
    instance = tpx(f"{DNS}\n{rule}\ndefault block")
    assert not served(net.client, address, TRUE)
    learn(net, net.client, address)
    assert served(net.client, address, TRUE)
    assert not served(net.client, address, FALSE)
    assert not served(net.client, address, b"plain")
    assert [row[1:3] for row in verdicts(instance, 4)] == [
        (None, "default block"), (1, rule), (0, "default block"),
        (None, "default block")]


def test_a_domain_may_have_to_be_verified(net, server, zone, tpx):
    """So that the name of a list opens nothing but that list's addresses."""
    rule = f'relay domain "{NAME}" name agrees'
    instance = tpx(f"{DNS}\n{rule}\ndefault block")
    assert not served(net.client, net.SERVER4, TRUE)
    learn(net, net.client, net.SERVER4)
    assert served(net.client, net.SERVER4, TRUE)
    assert not served(net.client, net.SERVER4, FALSE)
    assert [row[2] for row in verdicts(instance, 3)] == [
        "default block", rule, "default block"]


def test_a_lie_that_comes_late_is_the_end(net, server, zone, tpx):
    instance = tpx(f"{DNS}\n{LIES}\ndefault relay")
    learn(net, net.client, net.SERVER4)
    for sent, passes in ((FALSE, False), (TRUE, True)):
        relayed = instance.status()["flows"]["relayed"]
        with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
            sock.settimeout(10)
            proc.wait_until(
                lambda: instance.status()["flows"]["relayed"] > relayed)
            sock.sendall(sent)
            try:
                assert (sock.recv(65536) == sent) == passes
            except ConnectionResetError:
                assert not passes
    assert [row[1:] for row in verdicts(instance, 2)] == [
        (0, LIES, "policy"), (1, "default relay", "client-fin")]


def test_a_lie_over_udp_is_blocked(net, zone, tpx, tmp_path, address):
    """At once or later; what says no name at all is none."""
    instance = tpx(f"{DNS}\n{LIES}\nrelay to any idle 1s")
    first, = hello_datagrams(net, tmp_path, 1)
    with UdpServer(net.server, PORT):
        with flow(net.client, address) as sock:
            assert says(sock, b"word", b"word")
            assert says(sock, first)
        learn(net, net.client, address)
        with flow(net.client, address) as sock:
            assert not says(sock, first, answered=False)
        with flow(net.client, address) as sock:
            assert says(sock, b"word")
            assert not says(sock, first, answered=False)
    rows = verdicts(instance, 3)
    assert rows[0][:2] == (QUIC_NAME, None)
    assert rows[1:] == [(QUIC_NAME, 0, LIES, "policy")] * 2


def test_plan_says_who_decides(tpx):
    plan = json.loads(tpx(f"{DNS}\n{LIES}").ctl("--json", "plan").stdout)
    rule, = (rule for rule in plan["rules"] if rule["rule"] == LIES)
    assert rule["placement"] == "relay"
    assert "told by DNS" in rule["why"]
