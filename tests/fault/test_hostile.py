# SPDX-License-Identifier: ISC
"""A relay that breaks the contract is killed and replaced, and only it is."""

import os
import pathlib
import re
import shutil
import tempfile

import pytest

from conftest import ECHO
from rig import exposition, proc
from rig.servers import UdpServer

# what the hostile relay does (hostile_relay.c), and the rule the event names
BREACHES = {
    "wrong-length": "length",
    "length-that-lies": "length",
    "no-header": "length",
    "unknown-type": "type",
    "wrong-edge": "sender",
    "wrong-sender": "sender",
    "surplus-fd": "descriptors",
    "many-fds": "wrong",
    "out-of-range": "range",
    "wrong-phase": "phase",
    "log-unknown-type": "type",
    "log-wrong-length": "length",
    "log-wrong-edge": "sender",
    "forged-losses": "losses out of range",
    "forged-bytes": "bytes out of range",
    "broker-unknown-type": "type",
    "broker-wrong-edge": "sender",
    "broker-out-of-range": "range",
    "broker-unread": "not read",
    "forged-host": "host is no name",
}


# who is there besides relays, without DNS
OTHERS = ("tpxd", "keeper", "netctl", "flowlog")


@pytest.fixture
def hostile(build, tpx):
    """Starts tpxd with a hostile process in the place of a relay or dnsd."""
    with tempfile.TemporaryDirectory(prefix="tpx-hostile-") as folder:
        os.chmod(folder, 0o755)

        def start(breach, statements="", role="relay"):
            programs = pathlib.Path(folder) / breach
            shutil.copytree(build, programs)
            shutil.copy(build / f"tests-hostile-{role}",
                        programs / f"tpx-{role}")
            return tpx(statements, wait=None, programs=programs)
        yield start


def settled(instance, role="relay", others=OTHERS):
    """The pids once the others are there, and both of a role at once."""
    def complete():
        found = instance.by_role()
        return all(found[other] for other in others) and \
            len(found[role]) == 2 and found
    return proc.wait_until(complete, 20, "every process")


def assert_killed_alone(instance, before, rule, role="relay", others=OTHERS):
    """The sender is, because of that rule; another one takes its place."""
    event = proc.wait_until(lambda: instance.sql(
        "SELECT * FROM events WHERE kind = 'contract'"), 15,
        "an event about the contract")[0]
    assert rule in f"{event['message']} {event['data']}", event
    assert role in f"{event['process']} {event['actor']}", event
    # the event may be read before the sender is gone
    lost = proc.wait_until(
        lambda: set(before[role]) - set(instance.by_role()[role]), 5,
        "the sender is killed")
    assert len(lost) == 1
    proc.wait_until(lambda: len(instance.by_role()[role]) == 2, 10,
                    "the sender is replaced")
    after = instance.by_role()
    for other in others:
        assert after[other] == before[other], other


@pytest.mark.parametrize("breach, rule", BREACHES.items(), ids=BREACHES)
def test_breach_kills_the_sender_and_nobody_else(hostile, breach, rule):
    instance = hostile(breach)
    assert_killed_alone(instance, settled(instance), rule)
    assert instance.stop() == 0


def test_row_whose_id_is_taken_is_a_counted_loss(hostile):
    instance = hostile("taken-id")
    settled(instance)
    drops = proc.wait_until(lambda: instance.sql(
        "SELECT source, kind, count FROM drops"), 15, "the loss")
    assert drops == [{"source": "flowlog", "kind": "id-taken", "count": 1}]
    assert len(instance.rows(1)) == 1
    proc.wait_until(lambda: instance.status()["log"]["dropped"] == 1, 5,
                    "the status has it")
    metrics = exposition.parse(instance.ctl("metrics").stdout)
    assert metrics.value("tpx_drops_total", source="flowlog",
                         kind="id-taken") == 1
    assert sum(metrics["tpx_drops_total"].samples.values()) == 1
    assert instance.sql("SELECT * FROM events WHERE kind = 'contract'") == []


def test_socket_for_no_live_flow_is_denied(hostile):
    instance = hostile("broker-no-flow")
    before = settled(instance)
    event, = proc.wait_until(lambda: instance.sql(
        "SELECT * FROM events WHERE kind = 'broker'"), 15,
        "an event about what was denied")
    assert event["severity"] == "warning"
    assert "192.0.2.1 port 9 to 192.0.2.2 port 9" in event["message"]
    assert instance.by_role() == before
    assert instance.sql("SELECT * FROM events WHERE kind = 'contract'") == []


def test_flow_of_a_relay_is_no_evidence_of_a_client(hostile, server, net):
    """It would else have the address of whoever it can reach."""
    with UdpServer(net.server, ECHO):
        instance = hostile("broker-own-flows")
        said, = proc.wait_until(lambda: re.findall(
            "hostile relay: given .*", instance.tpxd.output()), 20,
            "what it was given")
    assert said.endswith("given tcp 0 udp 0")


def says(instance, pattern):
    return proc.wait_until(lambda: re.findall(
        rf"hostile \w+: {pattern}", instance.tpxd.output()), 20, pattern)[0]


def test_memory_of_others_cannot_be_written_or_resized(hostile):
    """Counts of flows of other relays, tables of names, its own arena's size.

    Another relay would fall over what shrinks, or refuse its flows because of
    counts; the sandbox, which this one lacks, lets a relay open no file anew.
    """
    instance = hostile("memory-of-others", "dns recurse")
    done, others = says(instance, r"changed (\d+) of (\d+)")
    assert (done, others) == ("0", "3"), "one of tally, two of names"


@pytest.mark.parametrize("breach, result", [
    ("arena-ones", "SELECT * FROM events WHERE kind = 'arena-unreadable'"),
    ("arena-noise", "SELECT * FROM drops WHERE kind = 'torn'")],
    ids=["ones", "noise"])
def test_nonsense_in_an_arena_makes_nobody_fall(hostile, breach, result):
    """Whoever shows it or takes it over; its numbers are lies, no more."""
    instance = hostile(breach)
    before = settled(instance)
    says(instance, "filled")
    for words in (["status"], ["--json", "status"], ["metrics"], ["top"],
                  ["flows", "--live"], ["--json", "flows", "--live"],
                  ["kill", "--client", "192.0.2.1"]):
        done = instance.ctl(*words, check=False)
        assert done.returncode in (0, 1), (words, done)
        assert "\x1b" not in done.stdout + done.stderr
    proc.kill(before["relay"])

    def taken_over():
        after = instance.by_role()
        assert {role: after[role] for role in OTHERS} == {
            role: before[role] for role in OTHERS}
        return len(set(after["relay"]) - set(before["relay"])) == 2
    proc.wait_until(taken_over, 20, "other relays")
    proc.wait_until(lambda: instance.sql(result), 20, "what became of it")
    assert instance.stop() == 0


def test_flood_of_messages_does_not_delay_the_supervisor(hostile):
    """It answers all the time, and one of the two relays stays itself."""
    instance = hostile("flood")
    before = settled(instance)
    for _ in range(100):
        state = proc.wait_until(instance.status, 2, "an answer")["state"]
        assert state != "stopping"
    after = settled(instance)
    for role in OTHERS:
        assert after[role] == before[role], role
    assert set(after["relay"]) & set(before["relay"])
