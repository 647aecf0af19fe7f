# SPDX-License-Identifier: ISC
"""What other programs change in the rules of tpx is put back at once."""

import subprocess
import time

import pytest

from conftest import ECHO
from faults import drifts
from rig import proc, traffic


@pytest.fixture(params=["closed", "open"])
def mode(request):
    return request.param


def served(net):
    return all(traffic.outcome(net.client, address, ECHO) == "served"
               for address in (net.SERVER4, net.SERVER6))


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


def addresses_again(net):
    """IPv6 addresses go with a link that goes down."""
    net.gateway.ip("addr", "replace", f"{net.GATEWAY6}/64", "dev",
                   net.CLIENT_IF, "nodad")


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
