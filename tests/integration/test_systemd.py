# SPDX-License-Identifier: ISC
"""The installed tpx under systemd as the first process: boot, death, stop."""

import pytest

from conftest import BUILD, ECHO, configuration
from rig import proc, traffic
from rig.machine import Machine

# Debian's nftables.service flushes the rule set
WANTS = ["nftables.service", "tpx-guard.service", "tpxd.service"]
UNITS = "etc/systemd/system"
WATCHDOG_S = 2
# an order that is not kept shows when what comes first is slow
SLOW = "[Service]\nExecStartPre=/bin/sleep 1\n"
LINK = """[Unit]
DefaultDependencies=no
After=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip link set {} up
"""
FILES = {
    "etc/tpx/tpx.conf": configuration("default relay"),
    f"{UNITS}/tpxd.service.d/test.conf":
        f"[Service]\nWatchdogSec={WATCHDOG_S}\nRestartSec=0\n",
}


@pytest.fixture
def machine(net, server):
    """A gateway that was started with what its administrator enabled."""
    with Machine(net.gateway, BUILD, FILES, WANTS) as running:
        yield running


def served(net):
    return all(traffic.outcome(net.client, address, ECHO, 1) == "served"
               for address in (net.SERVER4, net.SERVER6))


def status(machine):
    return machine.run("tpxctl", "status").stdout


def knocks(hammer, more=25):
    rounds = hammer.rounds
    proc.wait_until(lambda: hammer.rounds >= rounds + more, what="knocks")


def test_no_packet_leaks_while_a_gateway_boots(net, server, sniffer):
    net.gateway.sysctl(f"net.ipv6.conf.{net.CLIENT_IF}.keep_addr_on_down", 1)
    net.gateway.ip("link", "set", net.CLIENT_IF, "down")
    files = FILES | {
        f"{UNITS}/link.service": LINK.format(net.CLIENT_IF),
        f"{UNITS}/tpx-guard.service.d/test.conf": SLOW,
        f"{UNITS}/nftables.service.d/test.conf": SLOW,
        f"{UNITS}/tpxd.service.d/slow.conf": SLOW,
    }
    with traffic.Hammer(net.client, [net.SERVER4, net.SERVER6], ECHO) as hammer:
        with Machine(net.gateway, BUILD, files, [*WANTS, "link.service"]):
            proc.wait_until(lambda: served(net), what="service by relays")
            knocks(hammer)
    assert sniffer.direct() == []
    assert server[ECHO].addresses() == {net.OUTSIDE4, net.OUTSIDE6}


def test_systemd_starts_tpxd_again(net, server, sniffer, machine):
    def restarted(times):
        return (machine.show("tpxd", "NRestarts") == str(times)
                and machine.is_active("tpxd") and served(net))
    assert served(net)
    assert machine.show("tpxd", "StatusText") == "armed"
    machine.systemctl("reload", "tpxd")
    assert "generation 2" in status(machine)
    machine.systemctl("kill", "--kill-whom=main", "-s", "KILL", "tpxd")
    proc.wait_until(lambda: restarted(1), what="tpxd after its death")
    machine.systemctl("kill", "--kill-whom=main", "-s", "STOP", "tpxd")
    proc.wait_until(lambda: restarted(2), 10 * WATCHDOG_S,
                    "another in the place of a stopped tpxd")
    assert sniffer.direct() == []
    assert "armed" in status(machine)


def test_a_stopped_gateway_is_closed_until_the_guard_is_stopped(
        net, server, sniffer, machine):
    machine.systemctl("stop", "tpxd")
    assert not served(net)
    assert sniffer.direct() == []
    machine.systemctl("stop", "tpx-guard")
    assert served(net)
    machine.systemctl("start", "tpxd")
    assert machine.is_active("tpx-guard")
    assert served(net)
    assert server[ECHO].addresses() == {
        net.CLIENT4, net.CLIENT6, net.OUTSIDE4, net.OUTSIDE6}
