# SPDX-License-Identifier: ISC
"""What other programs change in the rules of tpx is put back at once."""

import os
import signal
import subprocess
import time

import pytest

from conftest import ECHO
from rig import proc, traffic

REPAIR_S = 0.1
FIGHT = 40

FOREIGN = """flush ruleset
table inet filter {
	chain input {
		type filter hook input priority filter; policy accept;
	}
}
"""


@pytest.fixture(params=["closed", "open"])
def mode(request):
    return request.param


def state_of(net):
    """Everything of tpx in the kernel but what changes by itself."""
    guard = net.gateway.run("nft", "-s", "list", "table", "inet", "tpx_guard",
                            check=False).stdout
    return [guard] + [net.gateway.ip(*words) for words in (
        ("rule",), ("-6", "rule"),
        ("route", "show", "table", "all", "proto", "116"),
        ("route", "show", "table", "all", "proto", "117"),
        ("-6", "route", "show", "table", "all", "proto", "116"),
        ("-6", "route", "show", "table", "all", "proto", "117"))]


def drifts(instance, kind="drift"):
    return [row["severity"] for row in instance.sql(
        "SELECT severity FROM events WHERE kind = ? ORDER BY id", kind)]


def repaired_us(instance):
    """When the last repair was done, as netctl says."""
    return instance.sql("SELECT max(time_us) AS last FROM events"
                        " WHERE kind = 'drift'")[0]["last"]


def served(net):
    return all(traffic.outcome(net.client, address, ECHO) == "served"
               for address in (net.SERVER4, net.SERVER6))


def flush_ruleset(net):
    net.gateway.nft("flush ruleset")


def delete_guard(net):
    net.gateway.nft("delete table inet tpx_guard")


def flush_guard(net):
    net.gateway.nft("flush chain inet tpx_guard forward")


def let_through_guard(net):
    net.gateway.nft("insert rule inet tpx_guard forward accept")


def foreign_reload(net):
    net.gateway.nft(FOREIGN)


def delete_rules(family, priorities):
    def change(net):
        for priority in priorities:
            net.gateway.ip(family, "rule", "del", "priority", priority)
    change.__name__ = f"delete_rules{family}_{priorities[0]}"
    return change


def flush_routes(family, table):
    def change(net):
        net.gateway.ip(family, "route", "flush", "table", table)
    change.__name__ = f"flush_routes{family}_{table}"
    return change


def replace_route(family):
    def change(net):
        net.gateway.ip(family, "route", "replace", "unreachable", "default",
                       "table", 7479)
    change.__name__ = f"replace_route{family}"
    return change


def lo_down_and_up(net):
    net.gateway.ip("link", "set", "lo", "down")
    net.gateway.ip("link", "set", "lo", "up")


BOTH = [delete_rules("-4", [74]), delete_rules("-6", [74]),
        flush_routes("-4", 7478), flush_routes("-6", 7478), lo_down_and_up]
CLOSED = [flush_ruleset, delete_guard, flush_guard, let_through_guard,
          foreign_reload, delete_rules("-4", [75, 76, 77]),
          delete_rules("-6", [77]), flush_routes("-4", 7479),
          flush_routes("-6", 7479), replace_route("-4")]
CASES = [(mode, change) for change in BOTH for mode in ("closed", "open")] + [
    ("closed", change) for change in CLOSED]


@pytest.mark.parametrize(
    "mode, change", CASES,
    ids=[f"{mode}-{change.__name__}" for mode, change in CASES])
def test_a_change_is_put_back(net, server, tpx, sniffer, mode, change):
    instance = tpx("default relay", mode=mode)
    wanted = state_of(net)
    with traffic.Hammer(net.client, [net.SERVER4, net.SERVER6], ECHO):
        change(net)
        changed_us = time.time() * 1e6
        proc.wait_until(lambda: state_of(net) == wanted, 2, "the repair")
        assert served(net)
    if mode == "closed":
        assert sniffer.direct() == []
    proc.wait_until(lambda: drifts(instance), what="its row")
    assert repaired_us(instance) - changed_us < REPAIR_S * 1e6
    assert instance.status()["state"] == "armed"


def test_nothing_changes_nothing(net, server, tpx, mode):
    """Renewals, reloads and others' own rules are no drift."""
    instance = tpx("default relay", mode=mode, lease="1s")
    net.gateway.nft("add table inet other")
    net.gateway.ip("rule", "add", "priority", 500, "lookup", "main")
    instance.ctl("reload")
    instance.ctl("pause")
    instance.ctl("resume")
    assert served(net)
    proc.stays(lambda: drifts(instance) == [], 1.5, "no drift")
    assert "other" in net.gateway.run("nft", "list", "tables").stdout


def test_a_fight_becomes_an_alarm_and_a_slow_one(net, server, tpx):
    instance = tpx("default relay")
    netctl, = instance.by_role()["netctl"]
    before = proc.cpu_s(netctl)
    until = time.monotonic() + 4
    while time.monotonic() < until:
        subprocess.run(["ip", "-n", net.gateway.name, "rule", "del",
                        "priority", "77"], capture_output=True, check=False)
    assert proc.cpu_s(netctl) - before < 1
    severities = proc.wait_until(
        lambda: "alarm" in drifts(instance) and drifts(instance),
        what="the alarm")
    assert severities.count("alarm") == 1
    assert severities.count("warning") <= 5 + 1 + 4
    assert any("keeps changing" in alarm
               for alarm in instance.status()["alarms"])
    wanted = 77
    proc.wait_until(
        lambda: f"{wanted}:" in net.gateway.ip("rule"), 2, "the last repair")
    assert served(net)


def test_lost_events_lead_to_a_comparison(net, server, tpx):
    """netctl is stopped while more happens than its socket can hold."""
    instance = tpx("default relay", lease="5s")
    wanted = state_of(net)
    netctl, = instance.by_role()["netctl"]
    storm = "".join(
        f"rule add priority {1000 + i} lookup main\n" for i in range(4000))
    os.kill(netctl, signal.SIGSTOP)
    try:
        net.gateway.run("ip", "-batch", "-", input=storm)
        net.gateway.run("ip", "-batch", "-",
                        input=storm.replace("rule add", "rule del"))
        flush_ruleset(net)
        delete_rules("-4", [74])(net)
    finally:
        os.kill(netctl, signal.SIGCONT)
    proc.wait_until(lambda: state_of(net) == wanted, 2, "the repair")
    proc.wait_until(lambda: drifts(instance, "resync"), what="its row")
    instance.wait_state("armed")
    assert served(net)


def test_changes_while_netctl_was_dead_are_put_back(net, server, tpx):
    instance = tpx("default relay")
    wanted = state_of(net)
    netctl, = instance.by_role()["netctl"]
    os.kill(netctl, signal.SIGSTOP)
    flush_ruleset(net)
    delete_rules("-6", [74])(net)
    os.kill(netctl, signal.SIGKILL)
    proc.wait_until(lambda: state_of(net) == wanted, 2, "the repair")
    assert served(net)


def link_flap(net):
    net.gateway.ip("link", "set", net.CLIENT_IF, "down")
    net.gateway.ip("link", "set", net.CLIENT_IF, "up")


def link_rename(net):
    net.gateway.ip("link", "set", net.CLIENT_IF, "down")
    net.gateway.ip("link", "set", net.CLIENT_IF, "name", "other0")
    net.gateway.ip("link", "set", "other0", "name", net.CLIENT_IF)
    net.gateway.ip("link", "set", net.CLIENT_IF, "up")


def addresses_again(net):
    """IPv6 addresses go with a link that goes down."""
    net.gateway.ip("addr", "replace", f"{net.GATEWAY6}/64", "dev",
                   net.CLIENT_IF, "nodad")


@pytest.mark.parametrize("change", [link_flap, link_rename])
def test_capture_follows_the_name(net, server, tpx, sniffer, change):
    instance = tpx("default relay")
    with traffic.Hammer(net.client, [net.SERVER4, net.SERVER6], ECHO):
        change(net)
        addresses_again(net)
        proc.wait_until(lambda: served(net), what="service again")
    assert sniffer.direct() == []
    if change is link_rename:
        proc.wait_until(lambda: len(drifts(instance, "interface")) == 2,
                        what="the rows of gone and back")
    assert instance.status()["state"] == "armed"


def test_an_interface_that_comes_later_is_captured(net, server, tpx, sniffer):
    """Gone when tpxd starts; the name then belongs to another link."""
    net.gateway.ip("link", "set", net.CLIENT_IF, "down")
    net.gateway.ip("link", "set", net.CLIENT_IF, "name", "other0")
    instance = tpx("default relay")
    proc.wait_until(lambda: drifts(instance, "interface") == ["warning"],
                    what="the row of its absence")
    net.gateway.ip("link", "set", "other0", "name", net.CLIENT_IF)
    net.gateway.ip("link", "set", net.CLIENT_IF, "up")
    addresses_again(net)
    proc.wait_until(lambda: served(net), what="service")
    assert sniffer.direct() == []
