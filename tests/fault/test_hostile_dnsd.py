# SPDX-License-Identifier: ISC
"""A dnsd that is taken over: what it gets into the kernel by `by dns'.

hostile_dnsd.c knows these rules by their numbers.
"""

import os
import re
import signal

import pytest

from conftest import ECHO
from rig import proc, servers, told, traffic
from test_hostile import OTHERS, assert_killed_alone, says, settled
from test_hostile import hostile  # pylint: disable=unused-import

RULES = """\
dns recurse
dns validate no
pass from 10.0.0.0/8 to 10.74.2.0/24 domain "a.example" by dns
pass domain "a.example" by dns
pass domain "b.example"
block to 203.0.113.9"""
# what each of the two dnsds is granted before anything else
GRANTED = {("10.9.9.9", "10.9.9.8"), ("10.74.1.2", "10.74.2.2")}
ROLES = (*OTHERS, "relay", "resolver")
# of netctl (netctl/pairs.h, netctl/passes.c)
ROOM, ROOM_OF_CLIENT, RATE = 65536, 1024, 20000
TOLD_S = 15  # what is not told of at once is after ten
FLOOD_S = 6
REPORT_S = 60

# what it does, and the rule that the event names
BREACHES = {
    "unknown-type": "type",
    "wrong-length": "length",
    "too-many": "length",
    "count-that-lies": "range",
    "no-generation": "range",
    "wrong-direction": "sender",
    "wrong-sender": "sender",
    "beat": "sender",
    "surplus-fd": "descriptors",
    "unread": "not read",
}


@pytest.fixture
def begin(hostile):
    """Starts tpxd with it; the pids before it does what it is to do."""
    def start(breach):
        instance = hostile(breach, RULES, "dnsd")
        before = settled(instance, "dnsd", ROLES)
        # from then on the sets stay
        instance.wait_state("armed")
        for pid in before["dnsd"]:
            os.kill(pid, signal.SIGUSR1)
        says(instance, "another has asked")
        return instance, before
    return start


def reported(instance):
    """(taken, refused), as it was answered; None before that."""
    said = re.search(r"hostile dnsd: taken (\d+) refused (\d+)",
                     instance.tpxd.output())
    return said and tuple(map(int, said.groups()))


def wait_report(instance):
    return proc.wait_until(lambda: reported(instance), REPORT_S, "its report")


def refusals(instance):
    """How many the events tell of."""
    return sum(int(re.search(r"dnsd 0 asked (\d+) times", row["message"])[1])
               for row in instance.sql("SELECT message FROM events"
                                       " WHERE kind = 'names'"))


def assert_refusals(instance, count):
    proc.wait_until(lambda: refusals(instance) == count, TOLD_S,
                    f"events tell of {count}")


def assert_never_lapsed(instance):
    """It is ended, so that every event is written."""
    assert instance.stop() == 0
    assert [row["message"] for row in instance.sql(
        "SELECT message FROM events WHERE kind = 'state'")] == [
            "starting to armed: every worker works",
            "armed to stopping: asked to"]


def assert_undisturbed(instance, before):
    assert instance.by_role() == before
    assert instance.sql("SELECT * FROM events WHERE kind = 'contract'") == []
    assert_never_lapsed(instance)


@pytest.mark.parametrize("breach, rule", BREACHES.items(), ids=BREACHES)
def test_breach_kills_the_dnsd_and_nobody_else(begin, breach, rule):
    instance, before = begin(breach)
    assert_killed_alone(instance, before, rule, "dnsd", ROLES)
    assert_never_lapsed(instance)


def test_what_no_rule_passes_comes_into_no_set(begin, net):
    """Addresses beside a rule, or nobody's; rules without a set; times."""
    instance, before = begin("forged")
    taken, refused = wait_report(instance)
    assert taken == 0 and refused > 20
    assert set(told.pairs(net.gateway)) == GRANTED
    assert_refusals(instance, refused)
    assert_undisturbed(instance, before)


def test_another_generation_is_refused_without_an_event(begin, net):
    instance, before = begin("other-generation")
    assert wait_report(instance) == (0, 2)
    assert set(told.pairs(net.gateway)) == GRANTED
    assert refusals(instance) == 0
    assert_undisturbed(instance, before)


def connect(net, address):
    with traffic.connect(net.client, address, ECHO) as sock:
        assert traffic.echoes(sock)


def test_own_addresses_are_asked_of_no_set(begin, net, server):
    """They are within the rule; what goes to this host is not captured."""
    instance, before = begin("own")
    assert wait_report(instance) == (2, 0)
    with servers.Server(net.gateway, ECHO, servers.echo):
        for address in (net.GATEWAY4, net.OUTSIDE4):
            connect(net, address)
    assert told.goes(instance, lambda: connect(net, net.SERVER4))
    assert told.decided(instance) == (1, 0)
    assert_undisturbed(instance, before)


@pytest.mark.parametrize("breach, room", [
    ("flood-of-clients", ROOM), ("flood-of-one-client", ROOM_OF_CLIENT),
    ("flood-of-one-pair", 1)])
def test_flood_of_pairs_has_its_bounds(
        begin, net, server, sniffer, breach, room):
    """Meanwhile capture goes on, and what another dnsd asked for passes."""
    instance, before = begin(breach)
    says(instance, "begins")
    rounds = 0
    while not reported(instance):
        assert instance.status()["state"] == "armed"
        assert told.goes(instance, lambda: connect(net, net.SERVER4))
        assert not told.goes(instance, lambda: connect(net, net.SERVER6))
        rounds += 1
    taken, refused = reported(instance)
    found = set(told.pairs(net.gateway))
    print(f"{rounds} rounds, {taken} taken, {refused} refused,"
          f" {len(found)} in the sets")
    assert rounds > 1
    assert found > GRANTED
    assert room / 2 < len(found - GRANTED) <= min(taken, room)
    # one that is known is taken, too; a second's pairs may come at once
    assert taken <= RATE * (FLOOD_S + 2)
    assert refused > 0
    assert_refusals(instance, refused)
    assert {packet.source for packet in sniffer.direct()} == {net.CLIENT4}
    assert_undisturbed(instance, before)
