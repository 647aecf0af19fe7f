# SPDX-License-Identifier: ISC
"""Another configuration without a restart: all of it or nothing."""

import contextlib
import itertools
import os
import pathlib
import re
import signal
import socket
import threading
import time

import pytest

from conftest import ECHO, FORWARDED, LOCAL, client_of, configuration
from rig import burden, killpoint, packets, proc, traffic
from rig.servers import UdpServer

RELOADS = 30
GROWTH_KIB = 6 * 1024  # of a process, however often
KEEPER_SHORT_LIFE_S = 1.0  # as netctl/keeper.c has it
BLOCK = f"block proto tcp to any port {ECHO}"


def served(net, address):
    return traffic.outcome(net.client, address, ECHO) == "served"


def generation(instance):
    return instance.status()["config"]["generation"]


def messages(instance, kind="config"):
    return [row["message"] for row in instance.sql(
        "SELECT message FROM events WHERE kind = ? ORDER BY id", kind)]


def guarded(net):
    listed = net.gateway.run("nft", "list", "tables").stdout
    rules = net.gateway.ip("rule") + net.gateway.ip("-6", "rule")
    assert ("tpx_guard" in listed) == ("7479" in rules)
    return "tpx_guard" in listed


def table(net):
    """The capture table without which side decides, and that it is one."""
    listed = net.gateway.run("nft", "-s", "-t", "list", "table", "inet",
                             "tpx").stdout
    listed = re.sub(r"set (lease|blocked.) \{.*?\n\t\}\n", "", listed,
                    flags=re.S)
    sides = re.findall(r"(?:chain|set) \S+_([ab]) \{", listed)
    assert len(set(sides)) == 1 and f"chain live_{sides[0]} {{" in listed, \
        f"not one side: {listed}"
    return re.sub(rf"_{sides[0]}\b", "", listed)


def is_one_side(net):
    with contextlib.suppress(AssertionError):
        return table(net)
    return None


def sources(net, server, address):
    """Who the server says connected to it."""
    began = time.monotonic()
    traffic.connect(net.client, address, ECHO).close()
    return proc.wait_until(lambda: server[ECHO].addresses(since=began),
                           what="the server to see somebody")


def test_the_next_flow_is_decided_by_the_new_rules(
        net, server, tpx, address):
    instance = tpx("default relay")
    flow = traffic.connect(net.client, address, ECHO)
    instance.configure(configuration(f"{BLOCK}\ndefault relay"))
    instance.ctl("reload")
    assert generation(instance) == 2
    assert not served(net, address)
    assert traffic.echoes(flow), "a relayed flow was cut"
    flow.close()
    instance.rows(1, f"action = 'block' AND rule = '{BLOCK}'")
    instance.rows(1, "action = 'relay' AND rule = 'default relay'")
    assert instance.status()["state"] == "armed"


def test_a_relay_matches_with_the_new_rules(net, server, tpx, address):
    instance = tpx("relay proto tcp to any\ndefault block")
    instance.configure(configuration(
        f"relay proto tcp to any port {ECHO}\ndefault block"))
    instance.ctl("reload")
    assert served(net, address)
    row, = instance.rows(1)
    assert row["rule"] == f"relay proto tcp to any port {ECHO}"


def test_passed_flows_get_rows_when_passing_is_new(net, server, tpx, address):
    instance = tpx("default relay")
    instance.configure(configuration(
        f"pass proto tcp to any port {ECHO}\ndefault relay"))
    instance.ctl("reload")
    assert sources(net, server, address) == {client_of(net, address)}
    row = instance.passed_row()
    assert row["action"] == "pass"
    assert row["rule"] == f"pass proto tcp to any port {ECHO}"


@pytest.mark.parametrize("text, said", [
    ("dfault block", "default"),
    ("default relay\nlease 0s", "lease"),
])
def test_a_wrong_file_changes_nothing(net, server, tpx, text, said):
    instance = tpx("default relay")
    instance.configure(configuration(text))
    result = instance.ctl("reload", check=False)
    assert result.returncode == 1
    assert said in result.stderr and "^" in result.stderr
    assert generation(instance) == 1
    assert served(net, net.SERVER4)


@pytest.mark.parametrize("change, named", [
    ({"workers": 1}, "workers"),
    ({"statements": "mark mask 0x00700000"}, "mark mask"),
])
def test_what_needs_a_restart_is_named(net, server, tpx, change, named):
    instance = tpx()
    instance.configure(configuration(**change))
    result = instance.ctl("reload", check=False)
    assert result.returncode == 1
    assert named in result.stderr and "restart" in result.stderr
    assert generation(instance) == 1
    assert served(net, net.SERVER4)


def test_on_failure_changes_both_ways(net, server, tpx, address):
    instance = tpx("default relay", mode="closed")
    assert guarded(net)
    for mode in "open", "closed":
        instance.configure(configuration("default relay", mode=mode))
        instance.ctl("reload")
        assert guarded(net) == (mode == "closed")
        assert instance.status()["on_failure"] == mode
        assert served(net, address)


def test_the_lease_changes(net, server, tpx):
    instance = tpx("default relay", lease="2s")
    for lease, ms in ("1s", 1000), ("5s", 5000):
        instance.configure(configuration("default relay", lease=lease))
        instance.ctl("reload")
        assert instance.status()["lease_ms"] == ms
        proc.stays(lambda: instance.status()["state"] == "armed",
                   1.5 * ms / 1000, "armed")
    assert served(net, net.SERVER4)


def test_without_confirmation_the_old_one_comes_back(
        net, server, tpx, address):
    instance = tpx("default relay")
    other = instance.home / "other.conf"
    instance.configure(configuration("default block"), path=other)
    applied = instance.ctl("apply", "-f", other, "--confirm", 2)
    assert "confirm" in applied.stdout
    assert not served(net, address)
    assert any("confirm" in alarm for alarm in instance.status()["alarms"])
    proc.wait_until(lambda: generation(instance) == 3, timeout_s=3.0,
                    what="the one before")
    assert served(net, address)
    proc.wait_until(
        lambda: messages(instance) == [
            "generation 2 is in force",
            "generation 2 was not confirmed in time",
            "generation 3 is in force"], what="the events")
    assert not instance.status()["alarms"]


def test_a_confirmed_one_stays(net, server, tpx, address):
    instance = tpx("default relay")
    instance.configure(configuration("default block"))
    instance.ctl("apply", "--confirm", 2)
    instance.ctl("confirm")
    proc.stays(lambda: generation(instance) == 2, 2.5, "what was confirmed")
    assert not served(net, address)


def test_nothing_to_confirm(tpx):
    result = tpx().ctl("confirm", check=False)
    assert result.returncode == 1 and "nothing" in result.stderr


@pytest.mark.parametrize("seconds", ["0", "-1", "x", "86401", ""])
def test_a_wrong_time_is_refused(tpx, seconds):
    result = tpx().ctl("apply", "--confirm", seconds, check=False)
    assert result.returncode == 2 and "seconds" in result.stderr


@pytest.mark.parametrize("words", [["reload"], ["apply"], ["confirm"]])
def test_only_root_may(net, tpx, words):
    instance = tpx("default relay")
    result = net.gateway.run(
        "setpriv", "--reuid", "tpx", "--regid", "tpx", "--clear-groups",
        instance.build / "tpxctl", "-s", instance.socket, *words, check=False)
    assert result.returncode == 4 and "root" in result.stderr
    assert generation(instance) == 1


def test_a_file_that_only_root_can_read_is_not_read(tpx):
    instance = tpx("default relay")
    os.chown(instance.config, 0, 0)
    os.chmod(instance.config, 0o600)
    result = instance.ctl("reload", check=False)
    assert result.returncode == 1 and "denied" in result.stderr
    assert generation(instance) == 1


def test_a_pause_outlives_a_reload(net, server, tpx, address):
    instance = tpx("default relay")
    instance.ctl("pause")
    instance.configure(configuration("default block"))
    instance.ctl("reload")
    assert instance.status()["state"] == "paused"
    assert sources(net, server, address) == {client_of(net, address)}
    instance.ctl("resume")
    assert not served(net, address)


class Clients(proc.Background):
    """Connects all the time and counts who was not served."""

    def __init__(self, net):
        self.served = 0
        self.failed = []
        self._net = net
        self._begin()

    def _run(self):
        while not self._closing.is_set():
            for address in self._net.SERVER4, self._net.SERVER6:
                result = traffic.outcome(self._net.client, address, ECHO)
                if result == "served":
                    self.served += 1
                else:
                    self.failed.append(result)


def shape(net):
    """The capture table, but for the generation in its log lines."""
    return re.sub(r'prefix "\d+\.', 'prefix "', table(net))


def reload_often(net, instance, count):
    def descriptors():
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in instance.pids()]

    instance.ctl("reload")
    before, memory = descriptors(), burden.memory(instance)
    rules = shape(net)
    with Clients(net) as clients:
        for _ in range(count):
            instance.ctl("reload")
    assert clients.served and not clients.failed
    proc.wait_until(lambda: instance.status()["flows"]["open"] == 0,
                    what="the end of every flow")
    assert max(now - then for now, then in zip(descriptors(), before)) <= 2
    burden.assert_flat(memory, burden.memory(instance), GROWTH_KIB)
    assert generation(instance) == count + 2
    assert shape(net) == rules


def test_no_connection_fails_while_reloading(net, server, tpx):
    reload_often(net, tpx("default relay"), RELOADS)


@pytest.mark.long
def test_no_connection_fails_in_a_thousand_reloads(net, server, tpx):
    reload_often(net, tpx("default relay"), 1000)


def killable(instance, number):
    """netctl's worker; the keeper gives up after ten that die young."""
    worker, = instance.by_role()["netctl"]
    if number % 5 == 4:
        proc.wait_until(lambda: proc.age_s(worker) > KEEPER_SHORT_LIFE_S,
                        what="a worker that is not young")
    return worker


def test_a_killed_netctl_loses_no_configuration(net, server, tpx):
    """Whenever it dies, the rules are those of the generation in force."""
    instance = tpx("default relay")
    for number in range(10):
        statement = ("default relay", "default block")[number % 2]
        instance.configure(configuration(statement))
        worker = killable(instance, number)
        killer = threading.Timer(
            0.004 * number, os.kill, (worker, signal.SIGKILL))
        killer.start()
        instance.ctl("reload")
        killer.join()
        instance.wait_replaced("netctl", [worker], timeout_s=2.0)
        instance.wait_state("armed")
        assert served(net, net.SERVER4) == (statement == "default relay")


def killed_at(net, instance, told, point):
    """False once a reload needs fewer messages than that."""
    statement = ("default relay", "default block")[point % 2]
    instance.configure(configuration(statement))
    worker = killable(instance, point)
    killpoint.attach(worker, point, "worker", told)
    instance.ctl("reload")
    if not told.exists():
        return False
    told.unlink()
    instance.wait_replaced("netctl", [worker], timeout_s=10.0)
    proc.wait_until(lambda: served(net, net.SERVER4) ==
                    (statement == "default relay"), what=statement)
    proc.wait_until(lambda: is_one_side(net), what="one side alone")
    assert guarded(net)
    assert "beside" not in net.gateway.run("nft", "list", "tables").stdout
    return True


def killed_everywhere(net, instance, stride):
    points = range(1, 400, stride)
    told = instance.home / "killed"
    count = sum(1 for _ in itertools.takewhile(
        lambda point: killed_at(net, instance, told, point), points))
    # what is made, what leads to it, what goes, and the lists between
    assert count > 12 / stride


@pytest.mark.skipif(not killpoint.SUPPORTED, reason="numbers of system calls")
def test_a_netctl_killed_between_steps_of_a_reload_leaves_one_side(
        net, server, tpx):
    killed_everywhere(net, tpx("default relay", mode="closed"), 9)


@pytest.mark.long
@pytest.mark.skipif(not killpoint.SUPPORTED, reason="numbers of system calls")
def test_a_netctl_killed_at_every_step_of_a_reload_leaves_one_side(
        net, server, tpx):
    killed_everywhere(net, tpx("default relay", mode="closed"), 1)


def udp_life_s(net, sport):
    """How long conntrack will know the flow of that source port."""
    with net.gateway.inside():
        known = pathlib.Path("/proc/thread-self/net/nf_conntrack").read_text()
    return int(re.search(rf"udp +17 (\d+) src=\S+ dst=\S+ sport={sport} ",
                         known).group(1))


def test_conntrack_keeps_relayed_udp_as_long_as_before(net, tpx, address):
    """An entry has its time from an object that must outlive the rules."""
    instance = tpx("default relay")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with UdpServer(net.server, ECHO), net.client.socket(
            family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((address, ECHO))
        for number in range(3):
            sock.send(b"datagram")
            assert sock.recv(100) == b"datagram"
            assert udp_life_s(net, sock.getsockname()[1]) > 300
            instance.configure(configuration(
                f"relay proto udp to any port {ECHO + 1} "
                f"idle {number + 6}m\ndefault relay"))
            instance.ctl("reload")


def test_a_killed_relay_loses_no_configuration(net, server, tpx):
    instance = tpx("default relay")
    for number in range(4):
        statement = ("default relay", "default block")[number % 2]
        instance.configure(configuration(statement))
        relays = proc.wait_until(lambda: instance.by_role()["relay"],
                                 what="a relay")
        os.kill(relays[0], signal.SIGKILL)
        instance.ctl("reload")
        instance.wait_state("armed")
        assert served(net, net.SERVER4) == (statement == "default relay")


def test_a_kernel_that_refuses_leaves_the_old_one(net, server, tpx):
    instance = tpx("default relay", mode="open")
    # the name of the guard is somebody else's
    with net.gateway.spawn("sh", "-c", "(echo 'add table inet tpx_guard"
                           " { flags owner; }'; sleep 60) | nft -i"):
        proc.wait_until(lambda: "tpx_guard" in net.gateway.run(
            "nft", "list", "tables").stdout, what="the foreign table")
        instance.configure(configuration("default block", mode="closed"))
        result = instance.ctl("reload", check=False)
        assert result.returncode == 1 and "kernel" in result.stderr
        assert instance.status()["on_failure"] == "open"
        assert sources(net, server, net.SERVER4) == {net.OUTSIDE4}
        assert any("refused" in message for message in messages(instance))


FLOOD = """\
import itertools, socket, sys
form = sys.argv[1]
family = socket.AF_INET6 if ":" in form else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as sock:
    for host in itertools.cycle(range(1, 255)):
        sock.sendto(b"flood", (form.format(host), 5400))
"""
# what is blocked: its addresses and its network
BAD = {4: ("10.99.0.{}", "10.99.0.0/24"),
       6: ("fd00:74:99::{:x}", "fd00:74:99::/64")}


# a big set takes the kernel longer to replace
MANY = " ".join(f"10.98.{high}.{low}" for high in range(4)
                for low in range(0, 256, 2))


def slips(net, tpx, mode, place, address, count):
    """How much of what is blocked arrives while the rules are replaced."""
    version = 6 if ":" in address else 4
    form, network = BAD[version]
    net.gateway.ip(f"-{version}", "route", "add", network, "via", address)
    namespace = net.client if place == "forwarded" else net.gateway
    instance = tpx(f"table <bad> {{ {MANY} 10.99.0.0/24 fd00:74:98::/64 "
                   "fd00:74:99::/64 }\nblock to <bad>\ndefault pass",
                   capture=f"{FORWARDED}\n{LOCAL}", mode=mode,
                   # with on-failure open a lease that lapses lets all pass
                   lease="60s")
    with contextlib.ExitStack() as stack:
        tap = stack.enter_context(packets.Tap(net.server))
        for _ in range(3):
            stack.enter_context(proc.Process(
                "/usr/bin/python3", "-c", FLOOD, form, netns=namespace.name))
        for _ in range(count):
            instance.ctl("reload")
        return tap.having(b"flood")


PLACES = pytest.mark.parametrize("place", ["forwarded", "local"])
MODES = pytest.mark.parametrize("mode", ["open", "closed"])


@pytest.mark.parametrize("mode, place", [("closed", "forwarded"),
                                         ("open", "local")])
def test_no_packet_slips_through_while_rules_are_replaced(
        net, tpx, mode, place, address):
    """A packet meets the rules of before or those of afterwards, whole."""
    assert slips(net, tpx, mode, place, address, RELOADS) == []


@pytest.mark.long
@PLACES
@MODES
def test_no_packet_slips_through_in_a_thousand_reloads(
        net, tpx, mode, place, address):
    assert slips(net, tpx, mode, place, address, 1000) == []
