# SPDX-License-Identifier: ISC
"""What runs out is named and counted, and costs neither a process nor a spin.

Descriptors have a file of their own, test_limits.py.
"""

import os
import re

import pytest

from conftest import ECHO, EXCHANGE
from rig import conntrack, pipes, proc, servers, traffic

pytestmark = pytest.mark.alone

# most of a core that may go while nothing can be had
CPU = 0.1
MIB = 1 << 20


def alarms(instance, word):
    return [alarm for alarm in instance.status()["alarms"] if word in alarm]


def events(instance, kind):
    return [row["message"] for row in instance.sql(
        "SELECT message FROM events WHERE kind = ? ORDER BY id", kind)]


class Spent:
    """What processes use of the processor while it is open."""

    def __init__(self, pids):
        self._pids = pids

    def _used(self):
        return sum(map(proc.cpu_s, self._pids))

    def __enter__(self):
        self._before = self._used()
        return self

    def __exit__(self, *exception):
        self.seconds = self._used() - self._before


def test_flows_without_a_local_port_are_rows_that_say_so(
        net, server, tpx, address):
    ports, more = 4, 40
    instance = tpx(workers=1)
    before = instance.by_role()
    net.gateway.sysctl("net.ipv4.ip_local_port_range", "40000 40003")
    flows = [traffic.connect(net.client, address, ECHO) for _ in range(ports)]
    assert all(map(traffic.echoes, flows))
    with Spent(before["relay"]) as spent:
        for _ in range(more):
            assert traffic.outcome(net.client, address, ECHO) == "reset"
    assert spent.seconds < 0.2
    assert all(map(traffic.echoes, flows))
    rows = instance.rows(more)
    assert {(row["close"], row["error"]) for row in rows} == {
        ("overload", "EADDRNOTAVAIL")}
    # who has none to one server may have all to another
    assert alarms(instance, "") == []
    net.gateway.sysctl("net.ipv4.ip_local_port_range", "32768 60999")
    assert traffic.outcome(net.client, address, ECHO) == "served"
    for sock in flows:
        sock.close()
    instance.rows(more + ports + 1)
    assert instance.unaccounted() == 0
    assert instance.by_role() == before


def test_full_conntrack_table_becomes_an_alarm_that_names_it(
        net, server, tpx):
    """The kernel drops new flows, and nobody but it sees their packets."""
    instance = tpx(workers=1, lease="1s")
    before = instance.by_role()
    with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
        assert traffic.echoes(sock)
        conntrack.fill(net.gateway, conntrack.most() + 1000)
        assert conntrack.count(net.gateway) >= conntrack.most()
        assert traffic.outcome(net.client, net.SERVER4, ECHO, 1) == "timeout"
        proc.wait_until(lambda: alarms(instance, "nf_conntrack_max"), 3,
                        "the alarm")
        with Spent(before["netctl"] + before["relay"]) as spent:
            proc.stays(lambda: traffic.echoes(sock), 2, "the open flow")
        assert spent.seconds < 2 * CPU
    conntrack.flush(net.gateway)
    proc.wait_until(lambda: traffic.outcome(
        net.client, net.SERVER4, ECHO, 1) == "served", 5, "service again")
    full, room = proc.wait_until(
        lambda: len(events(instance, "conntrack")) == 2
        and events(instance, "conntrack"), what="both rows")
    assert re.fullmatch(r"conntrack table holds \d+ of \d+ \(nf_conntrack_max"
                        r"\): the kernel drops new flows", full)
    assert re.fullmatch(r"conntrack table holds \d+ of \d+"
                        r" \(nf_conntrack_max\)", room)
    assert instance.status()["state"] == "armed"
    assert instance.by_role() == before
    proc.wait_until(lambda: instance.unaccounted() == 0, what="every row")


def size_bytes(pid):
    with open(f"/proc/{pid}/statm") as sizes:
        return int(sizes.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def test_relay_without_memory_ends_what_needs_more_and_accepts_nobody(
        net, server, tpx):
    """Clients that do not read cost it a buffer each."""
    instance = tpx(workers=1, lease="1s")
    before = instance.by_role()
    relay, = before["relay"]
    net.gateway.sysctl("net.ipv4.tcp_wmem", "4096 16384 32768")
    stays = traffic.connect(net.client, net.SERVER6, ECHO)
    assert traffic.echoes(stays)
    proc.limit(relay, f"--as={size_bytes(relay)}:")
    stalled = []

    def lacks():
        sock = traffic.connect(net.client, net.SERVER6, EXCHANGE,
                               buffer_bytes=4096)
        sock.sendall(servers.EXCHANGE.pack(0, 4 * MIB))
        stalled.append(sock)
        return alarms(instance, "no memory")
    proc.wait_until(lacks, 20, "the alarm")
    with Spent([relay]) as spent:
        proc.stays(lambda: traffic.echoes(stays), 2, "another flow")
    assert spent.seconds < 2 * CPU
    for sock in stalled:
        sock.close()
    proc.limit(relay, "--as=unlimited:")
    assert traffic.outcome(net.client, net.SERVER6, ECHO) == "served"
    stays.close()
    rows = instance.rows(len(stalled) + 2)
    lost = [row["error"] for row in rows if row["close"] == "overload"]
    assert set(lost) == {"ENOMEM"}
    proc.wait_until(lambda: events(instance, "overload") == [
        "has no memory for more flows", "has room again"], what="both rows")
    assert instance.unaccounted() == 0
    assert instance.by_role() == before


def test_big_flows_are_copied_while_there_is_no_pipe(
        net, server, tpx):
    instance = tpx(workers=1, lease="1s")
    before = instance.by_role()
    flows = []

    def lacks():
        flows.append(traffic.exchange(
            net.client, net.SERVER4, EXCHANGE, 8 * MIB, 8 * MIB))
        return alarms(instance, "no pipes")
    with pipes.held():
        proc.wait_until(lacks, 10, "the alarm")
        assert instance.status()["state"] == "armed"
    proc.wait_until(lambda: events(instance, "overload") == [
        "has no pipes: big flows are copied", "has room again"], 10,
        "both rows")
    assert set(flows) == {8 * MIB}
    assert {(row["close"], row["error"]) for row in instance.rows(
        len(flows))} == {("server-fin", None)}
    assert instance.by_role() == before
