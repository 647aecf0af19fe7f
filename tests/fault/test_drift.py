# SPDX-License-Identifier: ISC
"""What other programs change in the rules of tpx is put back at once."""

import contextlib
import os
import pathlib
import re
import signal
import time

import pytest

from conftest import ECHO, FORWARDED, LOCAL, configuration
from rig import proc, traffic
from rig.sniffer import Sniffer
from rig.tpx import Tpx

pytestmark = pytest.mark.alone

REPAIR_S = 0.1
MANY = 200_000  # addresses of a big table
# of conntrack entries, see policy/mark.h
LOCAL_MARK, KEPT_MARK = 2 << 24, 3 << 24

FOREIGN = """flush ruleset
table inet filter {
	chain input {
		type filter hook input priority filter; policy accept;
	}
}
"""


CAPTURES = {"forwarded": FORWARDED, "local": LOCAL}


@pytest.fixture(params=["closed", "open"])
def mode(request):
    return request.param


@pytest.fixture(params=CAPTURES)
def capture(request):
    return request.param


@contextlib.contextmanager
def hammered(net, capture):
    """Knocks to capture; what of them is seen at the server.

    This host's own sockets have an address that relays do not take.
    """
    there = [net.SERVER4, net.SERVER6]
    if capture == "forwarded":
        here, sources = [net.CLIENT4, net.CLIENT6], None
        namespace = net.client
    else:
        here = sources = [net.GATEWAY4, net.GATEWAY6]
        namespace = net.gateway
    with Sniffer(net.server, *here) as sniffing, \
            traffic.Hammer(namespace, there, ECHO, sources=sources):
        yield sniffing


def own(words):
    return any(table in words for table in ("table 7478", "table 7479"))


def state_of(net):
    """Everything of tpx in the kernel but what changes by itself."""
    guard = net.gateway.run("nft", "-s", "list", "table", "inet", "tpx_guard",
                            check=False).stdout
    state = [guard]
    for family in ("-4", "-6"):
        state.append(sorted(net.gateway.ip(family, "rule").splitlines()))
        routes = net.gateway.ip(family, "-d", "route", "show", "table", "all")
        state.append(sorted(filter(own, routes.splitlines())))
    return state


def drifts(instance, kind="drift"):
    return [row["severity"] for row in instance.sql(
        "SELECT severity FROM events WHERE kind = ? ORDER BY id", kind)]


def messages(instance, kind="interface"):
    return [row["message"] for row in instance.sql(
        "SELECT message FROM events WHERE kind = ? ORDER BY id", kind)]


def repaired_us(instance):
    """When the last repair was done, as netctl says."""
    return instance.sql("SELECT max(time_us) AS last FROM events"
                        " WHERE kind = 'drift'")[0]["last"]


def served(net, capture="forwarded"):
    namespace = net.client if capture == "forwarded" else net.gateway
    return all(traffic.outcome(namespace, address, ECHO) == "served"
               for address in (net.SERVER4, net.SERVER6))


def flush_ruleset(net):
    net.gateway.nft("flush ruleset")


def delete_guard(net):
    net.gateway.nft("delete table inet tpx_guard")


def hooked(net):
    """The chain of the guard that drops."""
    listed = net.gateway.run("nft", "list", "table", "inet", "tpx_guard")
    return "forward" if "chain forward" in listed.stdout else "output"


def flush_guard(net):
    net.gateway.nft(f"flush chain inet tpx_guard {hooked(net)}")


def let_through_guard(net):
    net.gateway.nft(f"insert rule inet tpx_guard {hooked(net)} accept")


def guard_asleep(net):
    net.gateway.nft("add table inet tpx_guard { flags dormant; }")


def foreign_reload(net):
    net.gateway.nft(FOREIGN)


def flush_rules(net):
    """As scripts do, with the kernel's own rules put back."""
    for family in ("-4", "-6"):
        net.gateway.ip(family, "rule", "flush")
        net.gateway.ip(family, "rule", "add", "priority", 32766, "protocol",
                       "kernel", "lookup", "main")
    net.gateway.ip("-4", "rule", "add", "priority", 32767, "protocol",
                   "kernel", "lookup", "default")


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


def surplus(name, *commands):
    """Rules and routes beside ours, as `ip` words."""
    def change(net):
        for command in commands:
            net.gateway.ip(*command.format(net=net).split())
    change.__name__ = name
    return change


def opposite_rule(net):
    """In the place of ours, which the kernel takes for the same."""
    net.gateway.run("ip", "-batch", "-", input=(
        "rule del priority 76\n"
        "rule add not iif client0 lookup 7479 priority 76 protocol 117\n"))


NEIGHBOUR4, NEIGHBOUR6 = "via {net.SERVER4}", "via {net.SERVER6}"
SURPLUS = [
    surplus("rule_before_ours",
            "-4 rule add iif client0 lookup main priority 70 protocol 117",
            "-6 rule add iif client0 lookup main priority 70 protocol 117"),
    surplus("rule_of_delivery", "rule add lookup main priority 9 protocol 116"),
    surplus("rule_that_says_less",
            "rule add lookup 7479 priority 76 protocol 117"),
    surplus("rule_that_leads_past",
            "rule add priority 75 goto 32766 protocol 117"),
    surplus("narrower_route", f"route add 10.0.0.0/8 {NEIGHBOUR4} table 7479",
            f"-6 route add fd00::/8 {NEIGHBOUR6} table 7479"),
    surplus("route_of_delivery", "route add throw 10.74.2.0/24 table 7478",
            "-6 route add unreachable fd00::/8 table 7478"),
    surplus("route_in_front",
            f"route prepend default {NEIGHBOUR4} table 7479",
            f"-6 route add default {NEIGHBOUR6} table 7479 metric 1"),
    surplus("route_by_object", f"nexthop add id 5 {NEIGHBOUR4} dev server0",
            "route add 10.0.0.0/8 nhid 5 table 7479"),
    surplus("route_of_two_ways",
            f"route add 10.0.0.0/8 table 7479 nexthop {NEIGHBOUR4} "
            "nexthop via {net.CLIENT4}",
            f"-6 route add fd00::/8 table 7479 nexthop {NEIGHBOUR6} "
            "nexthop via {net.CLIENT6}"),
]
BOTH = [delete_rules("-4", [74]), delete_rules("-6", [74]),
        flush_routes("-4", 7478), flush_routes("-6", 7478), flush_rules,
        lo_down_and_up]
CLOSED = [flush_ruleset, delete_guard, flush_guard, let_through_guard,
          guard_asleep, foreign_reload]
SECOND_LINE = [delete_rules("-4", [75, 76, 77]), delete_rules("-6", [77]),
               flush_routes("-4", 7479), flush_routes("-6", 7479),
               replace_route("-4"), opposite_rule, *SURPLUS]
CASES = [(mode, capture, change) for change in BOTH
         for mode in ("closed", "open") for capture in CAPTURES] + [
    ("closed", capture, change) for change in CLOSED
    for capture in CAPTURES] + [
    ("closed", "forwarded", change) for change in SECOND_LINE]


@pytest.mark.parametrize(
    "mode, capture, change", CASES,
    ids=[f"{mode}-{capture}-{change.__name__}"
         for mode, capture, change in CASES])
def test_a_change_is_put_back(net, server, tpx, mode, capture, change):
    instance = tpx("default relay", mode=mode, capture=CAPTURES[capture])
    wanted = state_of(net)
    with hammered(net, capture) as seen:
        change(net)
        changed_us = time.time() * 1e6
        proc.wait_until(lambda: state_of(net) == wanted, 2, "the repair")
        assert served(net, capture)
        if mode == "closed":
            assert seen.direct() == []
    proc.wait_until(lambda: drifts(instance), what="its row")
    assert repaired_us(instance) - changed_us < REPAIR_S * 1e6
    assert instance.status()["state"] == "armed"


@pytest.fixture
def with_table(net, build):
    """Starts tpxd with a big table <many>, the server's IPv4 address in it."""
    instances = []

    def start(statements):
        instance = Tpx(net.gateway, build, configuration(
            f'table <many> file "many"\n{statements}', lease="1s"))
        instances.append(instance)
        (instance.home / "many").write_text(f"{net.SERVER4}\n" + "".join(
            f"11.{i >> 15}.{i >> 7 & 255}.{(i & 127) * 2}\n"
            for i in range(MANY)))
        instance.start()
        instance.wait_state("armed", timeout_s=30)
        instance.rows(1, "kind = 'state'", view="events")
        return instance
    yield start
    for instance in instances:
        instance.close()
        print(instance.tpxd.output())


def repair_us(net, instance, words="flush ruleset"):
    """How long the guard took to be back, as netctl says, from then on."""
    known = len(drifts(instance))
    changed_us = time.time() * 1e6
    net.gateway.nft(words)
    proc.wait_until(lambda: len(drifts(instance)) > known, 30, "its row")
    return repaired_us(instance) - changed_us


def test_a_table_that_is_not_excluded_delays_no_repair(
        net, server, with_table):
    instance = with_table("exclude to 192.0.2.1\nblock to <many>")
    wanted = state_of(net)
    took_us = repair_us(net, instance)
    print(f"{MANY} addresses, repaired in {took_us / 1000:.0f} ms")
    assert state_of(net) == wanted
    assert took_us < REPAIR_S * 1e6
    proc.stays(lambda: len(messages(instance, "state")) == 1, 1, "the lease")


def test_a_repair_that_takes_long_costs_no_lease(net, server, with_table):
    """What is excluded is let through meanwhile, and by the guard alone."""
    instance = with_table("exclude to <many>\ndefault relay")
    with contextlib.closing(traffic.EchoFlow(
            net.client, net.SERVER4, ECHO)) as flow:
        for words in ("flush ruleset",
                      "insert rule inet tpx_guard forward accept"):
            took_us = repair_us(net, instance, words)
            print(f"{MANY} excluded, repaired in {took_us / 1000:.0f} ms")
        proc.stays(lambda: len(messages(instance, "state")) == 1, 1,
                   "the lease")
        os.kill(instance.tpxd.pid, signal.SIGKILL)
        proc.wait_until(lambda: not traffic.outcome(
            net.client, net.SERVER6, ECHO, 1) == "served", 5, "closed")
        assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"
        assert flow.ended is None


def test_a_repair_never_opens_the_second_line(net, tpx):
    """Told by the kernel: at no time is there none of these rules."""
    tpx("default relay")
    wanted = state_of(net)
    ours = "from all iif client0 lookup 7479"
    with net.gateway.spawn("ip", "-4", "monitor", "rule") as monitor:
        def listens():
            for verb in ("add", "del"):
                net.gateway.ip("rule", verb, "priority", 500, "lookup", "main")
            return "500:" in monitor.output()
        proc.wait_until(listens, what="the monitor")
        net.gateway.ip("rule", "add", "lookup", 7479, "priority", 76,
                       "protocol", 117)
        proc.wait_until(lambda: state_of(net) == wanted, 2, "the repair")
        monitor.wait_output("^Deleted 76:.*from all lookup 7479")
        events = monitor.output().splitlines()
    count = lowest = 1
    for event in events:
        if ours in event:
            count += -1 if event.startswith("Deleted") else 1
            lowest = min(lowest, count)
    assert (lowest, count) == (1, 1)


def test_what_differs_in_nothing_is_no_drift(net, server, tpx, mode):
    """Renewals, reloads, others' own rules, and what they undo themselves."""
    instance = tpx("default relay", mode=mode, lease="1s")
    net.gateway.nft("add table inet other")
    net.gateway.nft("add table ip tpx_guard")
    net.gateway.nft("add table bridge tpx_guard; add chain bridge tpx_guard x")
    net.gateway.ip("rule", "add", "priority", 500, "lookup", "main")
    if mode == "closed":
        net.gateway.nft("add chain inet tpx_guard x\n"
                        "delete chain inet tpx_guard x")
        net.gateway.ip("-6", "route", "replace", "blackhole", "default",
                       "table", 7479, "protocol", 117)
    with proc.stopped(instance.by_role()["netctl"]):
        # or it might look between a command and the one that undoes it
        net.gateway.run("ip", "-batch", "-", input="".join(
            f"route {verb} blackhole 10.0.0.0/8 table 7478\n"
            f"rule {verb} priority 500 lookup main protocol 116\n"
            for verb in ("add", "del")))
    instance.ctl("reload")
    instance.ctl("pause")
    instance.ctl("resume")
    assert served(net)
    proc.stays(lambda: drifts(instance) == [], 1.5, "no drift")
    assert {"other", "ip tpx_guard", "bridge tpx_guard"} <= {
        word for line in net.gateway.run("nft", "list", "tables").stdout
        .splitlines() for word in (line.split()[-1], line[len("table "):])}


FIGHTS = {
    "rule": ["ip", "rule", "del", "priority", "77"],
    "ruleset": ["nft", "flush", "ruleset"],
}


@pytest.mark.parametrize("command", FIGHTS.values(), ids=FIGHTS)
def test_a_fight_becomes_an_alarm_and_a_slow_one(
        net, server, tpx, command, capture):
    both = f"{FORWARDED}\n{LOCAL}" if capture == "local" else FORWARDED
    instance = tpx("default relay", capture=both)
    wanted = state_of(net)
    netctl, = instance.by_role()["netctl"]
    before = proc.cpu_s(netctl)
    until = time.monotonic() + 4
    with hammered(net, capture) as seen:
        while time.monotonic() < until:
            net.gateway.run(*command, check=False)
        assert seen.direct() == []
    assert proc.cpu_s(netctl) - before < 1
    severities = proc.wait_until(
        lambda: "alarm" in drifts(instance) and drifts(instance),
        what="the alarm")
    assert severities.count("alarm") == 1
    assert severities.count("warning") <= 5 + 1 + 4
    assert any("keeps changing" in alarm
               for alarm in instance.status()["alarms"])
    proc.wait_until(lambda: state_of(net) == wanted, 2, "the last repair")
    assert served(net, capture)


def routing_storm(net):
    storm = "".join(
        f"rule add priority {1000 + i} lookup main\n" for i in range(2000))
    net.gateway.run("ip", "-batch", "-", input=storm)
    net.gateway.run("ip", "-batch", "-",
                    input=storm.replace("rule add", "rule del"))


def nftables_storm(net):
    """An event for each element, and none of routing."""
    elements = ", ".join(f"10.0.{i >> 8}.{i & 255}" for i in range(10_000))
    net.gateway.nft("table inet other {\n\tset s {\n\t\ttype ipv4_addr\n"
                    f"\t\telements = {{ {elements} }}\n\t}}\n}}\n")
    net.gateway.nft("delete table inet other")


@pytest.fixture(params=[routing_storm, nftables_storm])
def storm(request):
    return request.param


def unwatched(net, instance, change, storm=routing_storm):
    """While netctl is stopped, more happens than its socket can hold."""
    netctl, = instance.by_role()["netctl"]
    with proc.stopped([netctl]):
        storm(net)
        change(net)


def test_lost_events_lead_to_a_comparison(net, server, tpx, storm):
    instance = tpx("default relay", lease="5s")
    wanted = state_of(net)

    def change(net):
        flush_ruleset(net)
        delete_rules("-4", [74])(net)
    unwatched(net, instance, change, storm)
    proc.wait_until(lambda: state_of(net) == wanted, 2, "the repair")
    proc.wait_until(lambda: drifts(instance, "resync"), what="its row")
    instance.wait_state("armed")
    assert served(net)


def test_lost_events_alone_are_no_drift(net, tpx, storm):
    instance = tpx("default relay", lease="5s")
    unwatched(net, instance, lambda net: None, storm)
    proc.wait_until(lambda: drifts(instance, "resync"), what="its row")
    assert drifts(instance) == []


def interface_is(net, *states):
    return [f"{net.CLIENT_IF} is {state}" for state in states]


GONE, THERE = "gone", "there, and captured"


def test_interfaces_that_change_unwatched_are_told_of(net, tpx):
    instance = tpx("default relay", lease="5s")

    def change(net):
        net.gateway.ip("link", "del", net.CLIENT_IF)
        net.gateway.ip("addr", "del", "::1", "dev", "lo")
    unwatched(net, instance, change)
    expected = [*interface_is(net, GONE), "lo has lost ::1"]
    proc.wait_until(lambda: sorted(messages(instance)) == expected,
                    what="rows")
    net.wire_client()
    proc.wait_until(lambda: messages(instance)[2:] == interface_is(
        net, THERE), what="the row of its return")


def test_what_was_changed_unwatched_counts_towards_a_fight(net, tpx):
    instance = tpx("default relay", lease="5s")
    wanted = state_of(net)
    for _ in range(6):
        unwatched(net, instance, delete_rules("-4", [77]))
        proc.wait_until(lambda: state_of(net) == wanted, 3, "the repair")
    proc.wait_until(lambda: "alarm" in drifts(instance), what="the alarm")
    assert len(drifts(instance, "resync")) == 6


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


@pytest.mark.parametrize("change", [flush_ruleset, flush_rules])
def test_a_relayed_flow_outlives_a_repair(net, server, tpx, address, change):
    """It stays the relay's: what this host had begun before is another's."""
    instance = tpx("default relay", capture=LOCAL)
    with traffic.connect(net.gateway, address, ECHO) as sock:
        assert traffic.echoes(sock, b"before")
        change(net)
        proc.wait_until(lambda: drifts(instance), what="the repair")
        assert traffic.echoes(sock, b"after")
        with net.gateway.inside():
            marks = re.findall(r" mark=(\d+)", pathlib.Path(
                "/proc/thread-self/net/nf_conntrack").read_text())
        assert str(LOCAL_MARK) in marks
        assert str(KEPT_MARK) not in marks
    row, = instance.rows(1)
    assert (row["action"], row["capture"]) == ("relay", "local")
    assert row["close"] == "client-fin"


def test_loopback_that_is_down_is_told_of_until_it_is_back(
        net, server, tpx, capture):
    instance = tpx("default relay", capture=CAPTURES[capture])
    wanted = state_of(net)
    with hammered(net, capture) as seen:
        net.gateway.ip("link", "set", "lo", "down")
        proc.wait_until(lambda: messages(instance), what="its row")
        assert messages(instance) == ["lo is down: nothing can be relayed"]
        proc.stays(lambda: len(messages(instance)) == 1, 1.5, "one row")
        net.gateway.ip("link", "set", "lo", "up")
        up_us = time.time() * 1e6
        proc.wait_until(lambda: state_of(net) == wanted, 2, "the repair")
        assert served(net, capture)
        assert seen.direct() == []
    proc.wait_until(lambda: messages(instance)[1:] == ["lo is up again"],
                    what="the row of its return")
    proc.wait_until(lambda: repaired_us(instance) > up_us, what="the repair")
    assert repaired_us(instance) - up_us < REPAIR_S * 1e6


@pytest.mark.parametrize("lost", [["127.0.0.1"], ["::1"],
                                  ["127.0.0.1", "::1"]])
def test_addresses_that_loopback_has_lost_are_told_of(
        net, server, tpx, capture, lost):
    instance = tpx("default relay", capture=CAPTURES[capture])
    wanted = state_of(net)
    with hammered(net, capture) as seen:
        for address in lost:
            net.gateway.ip("addr", "del", address, "dev", "lo")
        proc.wait_until(lambda: messages(instance) == [
            f"lo has lost {address}" for address in lost], what="its row")
        proc.wait_until(lambda: state_of(net) == wanted, 2, "the repair")
        assert served(net, capture)
        for address in lost:
            net.gateway.ip("addr", "add", address, "dev", "lo")
        proc.wait_until(lambda: messages(instance)[len(lost):] == [
            f"lo has {address}" for address in lost], what="it is back")
        assert seen.direct() == []


def link_flap(net):
    net.gateway.ip("link", "set", net.CLIENT_IF, "down")
    net.gateway.ip("link", "set", net.CLIENT_IF, "up")


def link_rename(net):
    net.gateway.ip("link", "set", net.CLIENT_IF, "down")
    net.gateway.ip("link", "set", net.CLIENT_IF, "name", "other0")
    net.gateway.ip("link", "set", "other0", "name", net.CLIENT_IF)
    net.gateway.ip("link", "set", net.CLIENT_IF, "up")


def link_again(net):
    net.gateway.ip("link", "del", net.CLIENT_IF)
    net.wire_client()


def address_change(net):
    for old, new, length, family in (
            (net.GATEWAY4, "10.74.1.9", 24, "-4"),
            (net.GATEWAY6, "fd00:74:1::9", 64, "-6")):
        net.gateway.ip("addr", "del", f"{old}/{length}", "dev", net.CLIENT_IF)
        net.gateway.ip("addr", "add", f"{new}/{length}", "dev",
                       net.CLIENT_IF, *["nodad"] * (family == "-6"))
        net.client.ip(family, "route", "replace", "default", "via", new)


def addresses_again(net):
    """IPv6 addresses go with a link that goes down."""
    net.gateway.ip("addr", "replace", f"{net.GATEWAY6}/64", "dev",
                   net.CLIENT_IF, "nodad")


@pytest.mark.parametrize("change", [link_flap, link_rename, link_again,
                                    address_change])
def test_capture_follows_the_name(net, server, tpx, sniffer, change):
    instance = tpx("default relay")
    with traffic.Hammer(net.client, [net.SERVER4, net.SERVER6], ECHO):
        change(net)
        if change is not address_change:
            addresses_again(net)
        proc.wait_until(lambda: served(net), what="service again")
    assert sniffer.direct() == []
    if change in (link_rename, link_again):
        proc.wait_until(lambda: len(drifts(instance, "interface")) == 2,
                        what="the rows of gone and back")
    assert instance.status()["state"] == "armed"


def test_a_reload_knows_which_interfaces_are_there(net, tpx):
    """Of those that are new in it as well."""
    instance = tpx("default relay")
    instance.ctl("reload")
    link_flap(net)
    instance.configure(configuration("default relay", capture=(
        f"capture forwarded on {{ {net.CLIENT_IF} {net.SERVER_IF} later0 }}")))
    instance.ctl("reload")
    instance.ctl("reload")
    net.gateway.ip("link", "set", net.SERVER_IF, "down")
    net.gateway.ip("link", "set", net.SERVER_IF, "name", "other0")
    net.gateway.ip("link", "del", net.CLIENT_IF)
    expected = ["later0 is not there yet", f"{net.SERVER_IF} is gone",
                *interface_is(net, GONE)]
    proc.wait_until(lambda: len(messages(instance)) >= len(expected),
                    what="rows")
    assert messages(instance) == expected


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
