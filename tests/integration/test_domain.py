# SPDX-License-Identifier: ISC
"""Rules that decide by the name of the server."""

import resource
import socket

import pytest

from conftest import ECHO, configuration
from rig import proc, proxies, traffic
from rig.hosts import Hosts
from rig.servers import UdpServer, read_exactly
from test_quic import NAME as QUIC_NAME, PORT as QUIC_PORT, fetch
from test_quic import quic  # pylint: disable=unused-import
from test_sniff import hello, records

PORT = 1080
OTHER = 4434
ADS = 'domains <ads> { "*.ads.example" "tracker.example" }'
BLOCK = "block domain <ads>"
MANY = 1_000_000
LOAD_S = 2.0  # of a processor


def sni(name):
    return records(hello(name))


def http(name):
    return f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()


def served(net, sent, address=None):
    """Does it come back from the server?  If not, the client is reset."""
    with traffic.connect(net.client, address or net.SERVER4, ECHO) as sock:
        sock.settimeout(10)
        try:
            sock.sendall(sent)
            return read_exactly(sock, len(sent)) == sent
        except ConnectionResetError:
            return False


@pytest.mark.smoke
@pytest.mark.parametrize("say, source", [(sni, "sni"), (http, "http")],
                         ids=["sni", "http"])
def test_flows_to_names_in_a_list_are_blocked(
        net, server, tpx, address, say, source):
    instance = tpx(f"{ADS}\n{BLOCK}\ndefault relay")
    expected = {"x.ads.example": False, "Tracker.example": False,
                "ads.example": True, "www.example.org": True}
    for name, passes in expected.items():
        assert served(net, say(name), address) == passes, name
    rows = {row["host"]: row for row in instance.rows(len(expected))}
    for name, passes in expected.items():
        row = rows[name.lower()]
        assert (row["action"], row["rule"], row["host_source"]) == (
            ("relay", "default relay", source) if passes
            else ("block", BLOCK, source))
        assert (row["close"] == "policy") != passes
        assert (row["down_bytes"] == 0) != passes


@pytest.mark.smoke
def test_a_flow_without_a_name_is_in_no_list(net, server, tpx):
    """It is decided by the first rule behind that is not about names."""
    last = f"relay proto tcp to any port {ECHO}"
    instance = tpx(f"{ADS}\n{BLOCK}\n{last}\ndefault block")
    assert served(net, b"no hello\r\n")
    assert served(net, sni(""))
    assert {row["rule"] for row in instance.rows(2)} == {last}


def test_a_name_that_comes_late_does_not_get_past_a_rule(net, server, tpx):
    """It is relayed for want of a name; the name is the end of it."""
    instance = tpx(f"{ADS}\n{BLOCK}\ndefault relay")
    for name, passes in (("x.ads.example", False), ("www.example.org", True)):
        relayed = instance.status()["flows"]["relayed"]
        with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
            sock.settimeout(10)
            proc.wait_until(
                lambda: instance.status()["flows"]["relayed"] > relayed)
            sock.sendall(sni(name))
            try:
                assert (sock.recv(65536) == sni(name)) == passes
            except ConnectionResetError:
                assert not passes
    rows = {row["host"]: row for row in instance.rows(2)}
    row = rows["x.ads.example"]
    assert (row["close"], row["rule"], row["up_bytes"]) == ("policy", BLOCK, 0)
    assert rows["www.example.org"]["rule"] == "default relay"


def test_a_name_leads_to_an_upstream(net, server, tpx):
    rule = 'relay proto tcp domain { "*.corp.example" } via corp'
    instance = tpx(f"upstream corp socks5 {net.SERVER4}:{PORT}\n{rule}")
    with proxies.microsocks(net.server, net.SERVER4, PORT):
        for name in ("a.corp.example", "b.example"):
            assert served(net, sni(name))
    rows = {row["host"]: (row["upstream"], row["rule"])
            for row in instance.rows(2)}
    assert rows == {"a.corp.example": ("corp", rule),
                    "b.example": (None, "default relay")}


def test_a_reload_changes_the_list(net, server, tpx):
    """Flows that are there go on; a bad list changes nothing."""
    listed = "ads.domains"
    text = f'domains <ads> file "{listed}"\n{BLOCK}\ndefault relay'
    instance = tpx("default relay")
    (instance.home / listed).write_text("www.a.example\n")
    with traffic.connect(net.client, net.SERVER4, ECHO) as old:
        old.sendall(sni("www.a.example"))
        read_exactly(old, len(sni("www.a.example")))
        instance.configure(configuration(text))
        instance.ctl("reload")
        assert not served(net, sni("www.a.example"))
        assert served(net, sni("www.b.example"))
        (instance.home / listed).write_text("www.b.example\n")
        instance.ctl("reload")
        assert served(net, sni("www.a.example"))
        assert not served(net, sni("www.b.example"))
        (instance.home / listed).write_text("www.c.example\n*.*.example\n")
        done = instance.ctl("reload", check=False)
        assert done.returncode == 1 and f"{listed}:2:" in done.stderr
        assert not served(net, sni("www.b.example"))
        assert traffic.echoes(old)


def test_the_list_before_comes_back(net, server, tpx):
    """With what was not confirmed; and relays that begin later have it."""
    instance = tpx(f"{ADS}\n{BLOCK}")
    instance.configure(configuration('block domain "www.a.example"'))
    instance.ctl("apply", "--confirm", "1")
    assert not served(net, sni("www.a.example"))
    assert served(net, sni("x.ads.example"))
    proc.wait_until(lambda: not served(net, sni("x.ads.example")), 10,
                    "the list before")
    assert served(net, sni("www.a.example"))
    old = instance.by_role()["relay"]
    proc.kill(old)
    instance.wait_replaced("relay", old, 5)
    instance.wait_state("armed")
    assert not served(net, sni("x.ads.example"))


def test_udp_without_a_name_does_not_get_past_a_rule(net, tpx):
    """It might be for one of those names; what the rule is not about goes."""
    tpx(f"{ADS}\nblock domain <ads> to any port {OTHER}\ndefault relay")
    with UdpServer(net.server, OTHER), UdpServer(net.server, OTHER + 1), \
            net.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for port, answer in ((OTHER, False), (OTHER + 1, True)):
            sock.settimeout(5 if answer else 0.5)
            sock.connect((net.SERVER4, port))
            try:
                sock.send(b"word")
                assert (sock.recv(100) == b"word") == answer
            except TimeoutError:
                assert not answer


@pytest.mark.parametrize("address", [4], indirect=True)
def test_quic_is_decided_by_its_name(net, tpx, quic, address):
    instance = tpx(f'relay proto udp domain "{QUIC_NAME}" idle 1s\n'
                   "default block")
    assert fetch(net, quic, address)
    row, = instance.rows(1, "proto = 'udp' AND action = 'relay'")
    assert row["host"] == QUIC_NAME and "domain" in row["rule"]
    instance.configure(configuration(
        f'block domain "{QUIC_NAME}"\ndefault relay'))
    instance.ctl("reload")
    client = Hosts(net.client, quic / "hosts", {QUIC_NAME: address})
    done = client.run("timeout", "2", "gtlsclient", "-q", QUIC_NAME,
                      QUIC_PORT, f"https://{QUIC_NAME}:{QUIC_PORT}/file",
                      "--exit-on-all-streams-close", check=False)
    assert done.returncode != 0
    assert instance.rows(1, "proto = 'udp' AND action = 'relay'") == [row]


def spent_s(instance):
    """By tpxd, and by whatever has run here and ended: tpxctl reads lists."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return proc.cpu_s(instance.tpxd.pid) + ended.ru_utime + ended.ru_stime


@pytest.mark.long
def test_a_million_names_in_a_file(net, server, tpx):
    instance = tpx("default relay")
    listed = instance.home / "big.domains"
    for which in "ab":
        with listed.open("w") as file:
            file.writelines(f"n{number}.{which}.example\n"
                            for number in range(MANY))
        instance.configure(configuration(
            f'domains <big> file "{listed.name}"\nblock domain <big>'))
        before_s = spent_s(instance)
        instance.ctl("reload")
        assert spent_s(instance) - before_s <= LOAD_S
        for number in (0, 123456, MANY - 1):
            assert not served(net, sni(f"n{number}.{which}.example"))
        assert served(net, sni(f"n{MANY}.{which}.example"))
        instance.wait_state("armed")
    restarts = [process["restarts"]
                for process in instance.status()["processes"]]
    assert set(restarts) == {0}
