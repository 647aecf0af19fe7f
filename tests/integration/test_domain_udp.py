# SPDX-License-Identifier: ISC
"""Rules about names for flows that send none, or send it in pieces."""

import contextlib
import socket
import time

import pytest

from conftest import ECHO, FORWARDED, LOCAL
from rig import proc, traffic
from rig.hosts import Hosts
from rig.servers import UdpServer, read_exactly
from test_names_dns import ALIASED, DNS, NAME, OTHER, learn
from test_names_dns import zone  # pylint: disable=unused-import
from test_quic import LONG_HELLO, NAME as QUIC_NAME
from test_sniff import hello, records

PORT = 5420
BOTH = f"{FORWARDED}\n{LOCAL}"
ANSWER_S, SILENCE_S = 5.0, 0.6  # longer than a name is waited for
FLOWS = 300


def hello_datagrams(net, folder, count, name=QUIC_NAME):
    """What a client of QUIC sends first, which says that name."""
    with net.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)
        port = sock.getsockname()[1]
        namespace = Hosts(net.client, folder / "hosts", {name: "127.0.0.1"})
        with namespace.spawn(
                "gtlsclient", "-q", *([LONG_HELLO] if count > 1 else []),
                name, port, f"https://{name}:{port}/"):
            return [sock.recv(65535) for _ in range(count)]


@contextlib.contextmanager
def flow(namespace, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with namespace.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((address, PORT))
        yield sock


def says(sock, *sent, answered=True, apart_s=0.0):
    """Sends datagrams; do all of them come back, or none?"""
    for data in sent:
        sock.send(data)
        time.sleep(0.0 + apart_s)
    sock.settimeout(ANSWER_S if answered else SILENCE_S)
    try:
        return [sock.recv(65535) for _ in sent] == list(sent)
    except TimeoutError:
        return False


@pytest.fixture
def echo(net):
    with UdpServer(net.server, PORT) as server:
        yield server


def test_udp_is_decided_by_the_name_that_was_asked_for(
        net, zone, tpx, echo, address):
    """By its own client; without one it might be for any name."""
    rule = f'relay proto udp domain "{NAME}" idle 1s'
    instance = tpx(f"{DNS}\n{rule}\ndefault block", capture=BOTH)
    with flow(net.client, address) as sock:
        for _ in range(3):
            assert not says(sock, b"one", answered=False)
    row, = instance.rows(1)
    assert (row["action"], row["rule"], row["close"], row["host"]) == (
        "block", rule, "policy", None)
    learn(net, net.client, address)
    with flow(net.client, address) as sock, \
            flow(net.gateway, address) as other:
        assert says(sock, b"two", b"three")
        assert not says(other, b"four", answered=False)
    row, = instance.rows(1, "action = 'relay'")
    assert (row["rule"], row["host"], row["host_source"]) == (
        rule, NAME, "dns")
    assert (row["up_packets"], row["down_packets"]) == (2, 2)
    instance.rows(2, "action = 'block'")
    proc.wait_until(lambda: instance.unaccounted() == 0, what="accounts")


def test_udp_to_a_name_in_a_list_has_a_row(net, zone, tpx, echo):
    rule = f'block domain "{NAME}"'
    instance = tpx(f"{DNS}\n{rule}\ndefault relay")
    learn(net, net.client, net.SERVER4)
    with flow(net.client, net.SERVER4) as sock:
        assert not says(sock, b"one", answered=False)
        assert not says(sock, b"two", answered=False)
    row, = instance.rows(1)
    assert (row["action"], row["rule"], row["close"]) == (
        "block", rule, "policy")
    assert (row["host"], row["host_source"], row["proto"]) == (
        NAME, "dns", "udp")
    assert instance.status()["flows"]["blocked"] == 1


@pytest.mark.parametrize("mode, told", [("", False), (" with reset", True)],
                         ids=["silent", "reset"])
def test_a_client_of_udp_is_told_where_its_rule_says_so(
        net, zone, tpx, echo, address, mode, told):
    tpx(f'{DNS}\nblock domain "{NAME}"{mode}\ndefault relay')
    learn(net, net.client, address)
    with flow(net.client, address) as sock:
        if not told:
            assert not says(sock, b"word", answered=False)
            return
        with pytest.raises(ConnectionRefusedError):
            says(sock, b"word")


def begun(net, address, first):
    """Does a connection to the echo server live?"""
    with traffic.connect(net.client, address, ECHO) as sock:
        sock.settimeout(10)
        try:
            sock.sendall(first)
            return read_exactly(sock, len(first)) == first
        except ConnectionResetError:
            return False


def test_tcp_without_a_name_is_decided_by_what_was_asked_for(
        net, server, zone, tpx, address):
    """What it sends counts before that."""
    rule = f'block proto tcp domain "{NAME}"'
    instance = tpx(f"{DNS}\n{rule}\ndefault relay")
    assert begun(net, address, b"plain")
    learn(net, net.client, address)
    assert not begun(net, address, b"plain")
    assert begun(net, address, records(hello(OTHER)))
    assert not begun(net, address, records(hello(NAME)))
    rows = sorted(instance.rows(4), key=lambda row: row["start_us"])
    assert [(row["host"], row["host_source"], row["action"])
            for row in rows] == [
        (None, None, "relay"), (NAME, "dns", "block"),
        (OTHER, "sni", "relay"), (NAME, "sni", "block")]
    assert {row["rule"] for row in rows[1::2]} == {rule}


def test_a_rule_about_a_name_is_about_what_leads_to_it(
        net, server, zone, tpx, echo, address):
    """By aliases that the client was told, of the name that it goes by."""
    rule = f'block domain "{NAME}"'
    instance = tpx(f"{DNS}\n{rule}\ndefault relay")
    assert begun(net, address, records(hello(ALIASED)))
    learn(net, net.client, address, ALIASED)
    assert not begun(net, address, records(hello(ALIASED)))
    assert not begun(net, address, b"plain")
    assert begun(net, address, records(hello(OTHER)))
    with flow(net.client, address) as sock:
        assert not says(sock, b"word", answered=False)
    rows = sorted(instance.rows(5), key=lambda row: row["start_us"])
    assert [(row["host"], row["host_source"], row["action"])
            for row in rows] == [
        (ALIASED, "sni", "relay"), (ALIASED, "sni", "block"),
        (ALIASED, "dns", "block"), (OTHER, "sni", "relay"),
        (ALIASED, "dns", "block")]


def test_a_name_in_quic_counts_before_the_one_asked_for(
        net, zone, tpx, echo, tmp_path, address):
    block = f'block domain "{QUIC_NAME}"'
    instance = tpx(f'{DNS}\n{block}\nrelay domain "{NAME}" idle 1s\n'
                   "default block")
    learn(net, net.client, address)
    first, = hello_datagrams(net, tmp_path, 1)
    with flow(net.client, address) as sock:
        assert not says(sock, first, answered=False)
    row, = instance.rows(1)
    assert (row["action"], row["rule"]) == ("block", block)
    assert (row["host"], row["host_source"], row["dns_agrees"]) == (
        QUIC_NAME, "quic", 0)


@pytest.mark.parametrize("order", [1, -1], ids=["in-order", "reordered"])
def test_a_hello_in_pieces_waits_for_its_rest(
        net, tpx, echo, tmp_path, address, order):
    rule = f'relay proto udp domain "{QUIC_NAME}" idle 1s'
    instance = tpx(f"{rule}\ndefault block")
    pieces = hello_datagrams(net, tmp_path, 2)[::order]
    with flow(net.client, address) as sock:
        assert says(sock, *pieces, apart_s=0.02)
        assert says(sock, b"more")
    row, = instance.rows(1)
    assert (row["action"], row["rule"], row["host"], row["host_source"]) == (
        "relay", rule, QUIC_NAME, "quic")
    assert (row["up_packets"], row["down_packets"]) == (3, 3)


def test_a_hello_without_its_rest_is_decided_without(
        net, zone, tpx, echo, tmp_path):
    """Its rest may still come, and is then the end of what it forbids."""
    block = f'block domain "{QUIC_NAME}"'
    named = f'relay domain "{NAME}" idle 1s'
    instance = tpx(f"{DNS}\n{block}\n{named}\ndefault relay")
    pieces = hello_datagrams(net, tmp_path, 2)
    with flow(net.client, net.SERVER4) as sock:
        assert not says(sock, pieces[0], answered=False)
    row, = instance.rows(1)
    assert (row["action"], row["rule"], row["host"]) == ("block", block, None)
    learn(net, net.client, net.SERVER4)
    with flow(net.client, net.SERVER4) as sock:
        assert says(sock, pieces[0])
        assert not says(sock, pieces[1], answered=False)
        assert not says(sock, b"more", answered=False)
    row, = instance.rows(1, f"host = '{QUIC_NAME}'")
    assert (row["rule"], row["close"], row["up_packets"]) == (
        block, "policy", 1)


def test_a_hello_that_comes_late_does_not_get_past_a_rule(
        net, zone, tpx, echo, tmp_path):
    block = f'block domain "{QUIC_NAME}"'
    instance = tpx(f"{DNS}\n{block}\ndefault relay")
    learn(net, net.client, net.SERVER4)
    first, = hello_datagrams(net, tmp_path, 1)
    with flow(net.client, net.SERVER4) as sock:
        assert says(sock, b"word", b"word")
        assert not says(sock, first, answered=False)
    row, = instance.rows(1)
    assert (row["rule"], row["close"], row["host"], row["up_packets"]) == (
        block, "policy", QUIC_NAME, 2)


@pytest.mark.parametrize("count", [1, 2], ids=["whole", "in-pieces"])
def test_each_connection_of_quic_in_a_flow_has_its_name_looked_at(
        net, tpx, echo, tmp_path, count):
    """Their clients took one port for them."""
    rule, block = (f'relay domain "{QUIC_NAME}" idle 1s',
                   f'block domain "{OTHER}"')
    instance = tpx(f"{rule}\n{block}\ndefault relay")
    good, again = (hello_datagrams(net, tmp_path, count) for _ in range(2))
    bad = hello_datagrams(net, tmp_path, count, OTHER)
    with flow(net.client, net.SERVER4) as sock:
        assert says(sock, *good, apart_s=0.02)
        assert says(sock, *good, b"more", *again, b"more")
        assert not says(sock, *bad, answered=False)
        assert not says(sock, b"more", answered=False)
    row, = instance.rows(1)
    assert (row["action"], row["rule"], row["close"], row["host"]) == (
        "relay", block, "policy", OTHER)
    assert row["up_packets"] == 4 * count + 1


def test_refused_flows_of_udp_have_few_rows(net, tpx, echo):
    """The rest of them is counted, and what goes on sending has one."""
    instance = tpx('block domain "x.example"\ndefault relay', workers=1)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(flow(net.client, net.SERVER4))
                 for _ in range(FLOWS)]

        def refused():
            for sock in socks:
                sock.send(b"word")
            return instance.status()["flows"]["blocked"] >= FLOWS
        proc.wait_until(refused, what="refusals")
        assert refused()  # once more
        proc.wait_until(lambda: instance.unaccounted() == 0, what="accounts")
    status = instance.status()
    assert status["flows"]["blocked"] == FLOWS
    assert status["log"]["dropped"] > 0
    assert 0 < len(instance.sql("SELECT id FROM flows")) < FLOWS
