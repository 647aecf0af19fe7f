# SPDX-License-Identifier: ISC
"""tpxctl pause and resume: past tpx and back, as root, and never for ever."""

import os
import signal
import time

import pytest

from conftest import ECHO, client_of, outside_of
from rig import proc, traffic

LEASE_S = 2.0
GRACE_S = 0.5


@pytest.fixture(params=["closed", "open"])
def mode(request):
    return request.param


def sources(net, server, address):
    """Who the server says connected to it."""
    began = time.monotonic()
    traffic.connect(net.client, address, ECHO).close()
    proc.wait_until(lambda: server[ECHO].addresses(since=began),
                    what="the server to see somebody")
    return set(server[ECHO].addresses(since=began))


def kinds(instance):
    return [row["kind"] for row in instance.sql(
        "SELECT kind FROM events WHERE kind IN ('pause', 'resume')"
        " ORDER BY id")]


def test_paused_flows_go_past_tpx_and_resumed_ones_through_it(
        net, server, tpx, address, mode):
    instance = tpx("default relay", mode=mode)
    assert sources(net, server, address) == {outside_of(net, address)}
    instance.ctl("pause")
    assert instance.status()["state"] == "paused"
    assert sources(net, server, address) == {client_of(net, address)}
    instance.ctl("resume")
    assert instance.status()["state"] == "armed"
    assert sources(net, server, address) == {outside_of(net, address)}
    proc.wait_until(lambda: kinds(instance) == ["pause", "resume"],
                    what="the rows of both")


def test_a_rule_that_blocks_does_not_while_paused(net, server, tpx, address):
    instance = tpx("default block")
    assert traffic.outcome(net.client, address, ECHO) == "reset"
    instance.ctl("pause")
    assert sources(net, server, address) == {client_of(net, address)}


def test_no_flow_is_cut_by_a_pause_or_its_end(net, server, tpx, address, mode):
    instance = tpx("default relay", mode=mode)
    relayed = traffic.connect(net.client, address, ECHO)
    instance.ctl("pause")
    direct = traffic.connect(net.client, address, ECHO)
    assert traffic.echoes(relayed) and traffic.echoes(direct)
    instance.ctl("resume")
    assert traffic.echoes(relayed) and traffic.echoes(direct)


def test_a_pause_ends_with_tpxd(net, server, tpx, sniffer):
    instance = tpx("default relay")
    instance.ctl("pause")
    with traffic.Hammer(net.client, [net.SERVER4, net.SERVER6], ECHO) as hammer:
        proc.wait_until(sniffer.direct, what="direct packets")
        os.kill(instance.tpxd.pid, signal.SIGKILL)
        since = time.monotonic() + LEASE_S + GRACE_S
        proc.wait_until(lambda: time.monotonic() > since, what="the lease")
        rounds = hammer.rounds
        proc.wait_until(lambda: hammer.rounds > rounds + 50, what="knocks")
    assert sniffer.direct(since) == []


def test_a_pause_survives_a_killed_netctl(net, server, tpx, address):
    instance = tpx("default relay")
    instance.ctl("pause")
    worker, = instance.by_role()["netctl"]
    os.kill(worker, signal.SIGKILL)
    instance.wait_replaced("netctl", [worker], timeout_s=2.0)
    assert sources(net, server, address) == {client_of(net, address)}
    assert instance.status()["state"] == "paused"


def test_a_pause_needs_no_relay_that_works(net, server, tpx, address):
    instance = tpx("default relay")
    for pid in instance.by_role()["relay"]:
        os.kill(pid, signal.SIGSTOP)
    instance.ctl("pause")
    assert sources(net, server, address) == {client_of(net, address)}


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_only_root_may(net, tpx, command):
    instance = tpx("default relay")
    result = net.gateway.run(
        "setpriv", "--reuid", "tpx", "--regid", "tpx", "--clear-groups",
        instance.build / "tpxctl", "-s", instance.socket, command, check=False)
    assert result.returncode == 4
    assert "root" in result.stderr
    assert instance.status()["state"] == "armed"


def test_both_can_be_asked_for_twice(tpx):
    instance = tpx("default relay")
    for command, state in ("pause", "paused"), ("resume", "armed"):
        instance.ctl(command)
        instance.ctl(command)
        assert instance.status()["state"] == state
    proc.wait_until(lambda: kinds(instance) == ["pause", "resume"],
                    what="one row each")
