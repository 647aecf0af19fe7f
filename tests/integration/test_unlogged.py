# SPDX-License-Identifier: ISC
"""Rules with `log no': their flows have no row, and are counted."""

import json
import socket

import pytest

from conftest import DIGEST, ECHO, EXCHANGE, LOCAL, configuration
from rig import proc, traffic
from rig.servers import UdpServer
from test_ctl import objects
from test_domain import served, sni

UDP_PORT = 5411


def unlogged(instance, count):
    """Wait until so many are counted, and nothing is missing."""
    proc.wait_until(lambda: instance.status()["flows"]["unlogged"] == count,
                    10, f"{count} unlogged")
    proc.wait_until(lambda: instance.unaccounted() == 0, 5, "the accounts")


def live(instance):
    return objects(instance.ctl("--json", "flows", "--live").stdout)


@pytest.mark.smoke
def test_relayed_flows_are_live_while_open_and_then_counted(
        net, server, tpx, address):
    instance = tpx(f"relay to any port {ECHO} log no")
    assert traffic.outcome(net.client, address, DIGEST) is not None
    instance.rows(1)
    with traffic.connect(net.client, address, ECHO) as sock:
        assert traffic.echoes(sock)
        flow, = live(instance)
        assert (flow["dport"], flow["action"]) == (ECHO, "relay")
        assert "1 unlogged" not in instance.ctl("status").stdout
    unlogged(instance, 1)
    with traffic.connect(net.client, address, ECHO) as sock:
        assert traffic.echoes(sock)
        flow, = live(instance)
        instance.ctl("kill", str(flow["id"]))
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    unlogged(instance, 2)
    assert "2 unlogged" in instance.ctl("status").stdout
    row, = instance.rows(1)
    assert row["dport"] == DIGEST


def test_relayed_udp_is_counted(net, tpx, address):
    instance = tpx(f"relay proto udp to any port {UDP_PORT} idle 200ms log no")
    with UdpServer(net.server, UDP_PORT), net.client.socket(
            socket.AF_INET6 if ":" in address else socket.AF_INET,
            socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((address, UDP_PORT))
        sock.send(b"hello")
        assert sock.recv(100)
        unlogged(instance, 1)
    assert not instance.sql("SELECT id FROM flows")


def test_the_name_decides_whether_there_is_a_row(net, server, tpx):
    """As long as it is not known, no rule that may not match hides a flow."""
    instance = tpx('relay domain { "quiet.example" } log no\n'
                   'block domain { "ads.example" } log no\n'
                   'relay domain { "loud.example" }\n'
                   'default relay')
    assert served(net, sni("quiet.example"))
    assert not served(net, sni("ads.example"))
    assert served(net, sni("loud.example"))
    assert served(net, sni("other.example"))
    unlogged(instance, 2)
    assert {row["host"] for row in instance.rows(2)} == {
        "loud.example", "other.example"}
    assert instance.status()["flows"]["blocked"] == 1


def test_a_reload_decides_for_flows_that_begin_after_it(net, server, tpx):
    instance = tpx("default relay")
    with traffic.connect(net.client, net.SERVER4, ECHO) as old:
        assert traffic.echoes(old)
        instance.configure(configuration(f"relay to any port {ECHO} log no"))
        instance.ctl("reload")
        with traffic.connect(net.client, net.SERVER4, ECHO) as new:
            assert traffic.echoes(new)
        unlogged(instance, 1)
    row, = instance.rows(1)
    assert row["rule"] == "default relay"
    unlogged(instance, 1)


def test_blocked_flows_leave_nothing(net, server, tpx, address):
    instance = tpx(f"block proto tcp to any port {ECHO} log no\n"
                   f"block proto tcp to any port {DIGEST}")
    for _ in range(3):
        assert traffic.outcome(net.client, address, ECHO) == "reset"
    assert traffic.outcome(net.client, address, DIGEST) == "reset"
    row, = instance.rows(1)
    assert row["dport"] == DIGEST
    assert not server[ECHO].visits and not server[DIGEST].visits


@pytest.mark.parametrize("capture", [None, LOCAL], ids=["forwarded", "local"])
def test_passed_flows_are_counted(net, server, tpx, address, capture):
    settings = {} if capture is None else {"capture": capture}
    source = net.client if capture is None else net.gateway
    instance = tpx(f"pass to any port {EXCHANGE} log no\n"
                   f"pass to any port {ECHO}\ndefault block", **settings)
    assert traffic.exchange(source, address, EXCHANGE, 10, 20) == 20
    assert traffic.outcome(source, address, ECHO) == "served"
    assert instance.passed_row()["dport"] == ECHO

    def counted():
        instance.namespace.run("cat", "/proc/net/nf_conntrack")
        flows = instance.status()["flows"]
        return (flows["passed"], flows["unlogged"]) == (2, 1)
    proc.wait_until(counted, 60, "the end of the other one")
    assert instance.accounts(unlogged="pass")["pass"] == 0
    instance.rows(1)


def test_where_no_passed_flow_has_a_row_connection_tracking_tells_nothing(
        net, server, tpx):
    acct = "net.netfilter.nf_conntrack_acct"
    net.gateway.run("sysctl", "-w", f"{acct}=0")
    tpx(f"pass to any port {EXCHANGE} log no")
    assert traffic.exchange(net.client, net.SERVER4, EXCHANGE, 10, 20) == 20
    assert net.gateway.run("sysctl", "-n", acct).stdout.strip() == "0"


def test_flows_beyond_a_limit_have_no_row_either(net, server, tpx):
    instance = tpx(f"relay to any port {ECHO} max-flows 1 log no")
    with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
        assert traffic.echoes(sock)
        assert traffic.outcome(net.client, net.SERVER4, ECHO) == "reset"
        unlogged(instance, 1)
        assert instance.status()["flows"]["blocked"] == 1
    unlogged(instance, 2)
    assert not instance.sql("SELECT id FROM flows")


def test_plan_says_so(net, server, tpx):
    instance = tpx("relay to ::1 log no\nblock to ::2 log no\npass to ::3")
    rules = json.loads(instance.ctl("--json", "plan").stdout)["rules"]
    assert ["its flows get no row" in rule["why"] for rule in rules] == [
        True, True, False, False]
    assert ["logged by" in rule["why"] for rule in rules][1] is False
