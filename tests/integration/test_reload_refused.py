# SPDX-License-Identifier: ISC
"""Reloads that the kernel refuses, and what reloads may not set off."""

import contextlib
import pathlib
import re
import subprocess

import pytest

from conftest import ECHO, configuration
from rig import killpoint, proc, traffic

# one transaction of them tells more than a socket holds
BIG = " ".join(f"10.{80 + high}.{mid}.{low}" for high in range(4)
               for mid in range(16) for low in range(0, 250, 2))


@contextlib.contextmanager
def foreign_guard(net):
    """The name of the guard is somebody else's: the kernel refuses it."""
    with net.gateway.spawn("nft", "-i", stdin=subprocess.PIPE) as nft:
        nft.popen.stdin.write(b"add table inet tpx_guard { flags owner; }\n")
        nft.popen.stdin.flush()
        proc.wait_until(lambda: "tpx_guard" in net.gateway.run(
            "nft", "list", "tables").stdout, what="the foreign table")
        yield


def shown(instance):
    status = instance.status()
    return (status["config"]["generation"], status["on_failure"],
            status["lease_ms"])


def test_own_big_sets_are_no_lost_events(net, tpx):
    """Who watches the rules is not flooded by this very process."""
    statements = f"table <big> {{ {BIG} }}\nblock to <big>\ndefault relay"
    instance = tpx(statements, lease="20s")
    for _ in range(3):
        instance.ctl("reload")
    # a later event is there: none before it is still to come
    proc.wait_until(lambda: instance.sql(
        "SELECT 1 FROM events WHERE message = 'generation 4 is in force'"),
        what="the row of the last reload")
    assert instance.sql("SELECT message FROM events"
                        " WHERE kind IN ('resync', 'drift')") == []


def test_a_refused_lease_is_never_in_the_kernel(net, tpx):
    """Not even until the next heartbeat, which may never come."""
    instance = tpx("default relay", mode="open", lease="5s")
    with foreign_guard(net), net.gateway.spawn(
            "nft", "monitor", "elements") as monitor:
        proc.wait_until(lambda: "lease" in monitor.output(), what="a renewal")
        instance.configure(configuration(
            "default relay", mode="closed", lease="60s"))
        result = instance.ctl("reload", check=False)
        assert result.returncode == 1 and "kernel" in result.stderr
        told = monitor.output()
    # two thirds of the lease are what the element has
    assert set(re.findall(r"lease \{ tcp timeout (\w+)", told)) == {"3s332ms"}


def test_a_generation_is_shown_once_its_rules_are_there(net, server, tpx):
    instance = tpx("default relay", lease="20s")
    instance.configure(configuration("default block", mode="open", lease="30s"))
    with contextlib.ExitStack() as stack:
        with proc.stopped(instance.by_role()["netctl"]):
            reload = stack.enter_context(net.gateway.spawn(
                instance.build / "tpxctl", "-s", instance.socket, "reload"))
            # time enough for relays to have it
            proc.stays(lambda: shown(instance) == (1, "closed", 20000), 1,
                       "what is in force")
            assert reload.running()
            assert "default relay" in instance.ctl("plan").stdout
        assert reload.wait(10) == 0
        assert shown(instance) == (2, "open", 30000)
        assert traffic.outcome(net.client, net.SERVER4, ECHO) != "served"


def refusals(instance):
    return instance.sql("SELECT 1 FROM events WHERE message LIKE"
                        " '% was refused by the kernel%'")


def test_the_way_back_is_tried_until_the_kernel_takes_it(net, server, tpx):
    instance = tpx("default relay", lease="1s")
    instance.configure(configuration("default block", mode="open", lease="1s"))
    instance.ctl("apply", "--confirm", 2)
    assert traffic.outcome(net.client, net.SERVER4, ECHO, 0.5) != "served"
    with foreign_guard(net):
        proc.wait_until(lambda: refusals(instance), 5, "the refusal")
        # many times, and told once
        proc.stays(lambda: shown(instance)[0] == 2, 1.0, "what was on trial")
    proc.wait_until(lambda: shown(instance) == (3, "closed", 1000), 2,
                    "the one before")
    assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"
    proc.wait_until(lambda: [row["message"] for row in instance.sql(
        "SELECT message FROM events WHERE kind = 'config' ORDER BY id")] == [
            "generation 2 is in force",
            "generation 2 was not confirmed in time",
            "generation 3 was refused by the kernel, which is asked again",
            "generation 3 is in force"], what="the events")


@pytest.mark.skipif(not killpoint.SUPPORTED, reason="numbers of system calls")
def test_another_one_may_be_applied_before_the_way_back_is_tried_again(
        net, server, tpx):
    instance = tpx("default relay", lease="60s", workers=1)
    trial = configuration("default block", lease="60s", workers=1)
    other = instance.home / "other.conf"
    instance.configure(trial, other)
    generation = 1
    # which transaction after the renewals of the lease it is
    for point in range(2, 6):
        instance.ctl("apply", "-f", other, "--confirm", 1)
        generation += 2
        killpoint.attach(instance.by_role()["netctl"][0], point,
                         "refuse-rules", instance.home / "refused")
        proc.wait_until(lambda: refusals(instance)
                        or shown(instance)[0] == generation, 5, "the end")
        if refusals(instance):
            break
        proc.wait_until((instance.home / "refused").exists, 10, "another one")
        (instance.home / "refused").unlink()
    assert shown(instance)[0] == generation - 1
    instance.ctl("reload")
    assert shown(instance)[0] == generation + 1
    assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"
    proc.stays(lambda: shown(instance)[0] == generation + 1, 1.0,
               "what was applied")


# what a reload turns into one another
RELAY = {"statements": "default relay", "mode": "closed", "lease": "20s"}
BLOCK = {"statements": "default block", "mode": "closed", "lease": "20s"}
OPEN_BLOCK = {**BLOCK, "mode": "open"}


def rules(net):
    """Both tables, without which side decides and of which generation."""
    listed = net.gateway.run("nft", "-s", "-t", "list", "ruleset").stdout
    assert "beside" not in listed
    listed = re.sub(r"set (lease|blocked.) \{.*?\n\t\}\n", "", listed,
                    flags=re.S)
    sides = set(re.findall(r"(?:chain|set) \S+_([ab]) \{", listed))
    assert len(sides) == 1, "not one side"
    listed = re.sub(rf"_{sides.pop()}\b", "", listed)
    listed = re.sub(r'prefix "\d+\.', 'prefix "', listed)
    # what is made later stands further down
    return (sorted(re.findall(r"^\t\w+ .*?^\t\}$", listed, re.M | re.S)),
            *(net.gateway.ip(family, *words) for family in ("-4", "-6")
              for words in (("rule",), ("route", "show", "table", "7479"))))


def refused_at(net, instance, what, point, old, new):
    """Whether the new one is in force; None once that needs fewer steps."""
    worker, = instance.by_role()["netctl"]
    told = instance.home / "refused"
    killpoint.attach(worker, point, f"refuse-{what}", told)
    instance.configure(configuration(**new[0]))
    result = instance.ctl("reload", check=False)
    if not told.exists():
        return None
    told.unlink()
    done = result.returncode == 0
    assert done or "refused by the kernel" in result.stderr
    settings, wanted = new if done else old
    outcome = traffic.outcome(net.client, net.SERVER4, ECHO)
    assert (outcome == "served") == (settings is RELAY)
    proc.wait_until(lambda: rules(net) == wanted, what=f"only {settings}")
    status = instance.status()
    assert (status["state"], status["on_failure"]) == (
        "armed", settings["mode"])
    # nobody was killed, and nobody is watched by two
    proc.wait_until(lambda: "TracerPid:\t0" in pathlib.Path(
        f"/proc/{worker}/status").read_text(), what="the tracer's end")
    assert instance.by_role()["netctl"] == [worker]
    return done


def refused_everywhere(net, instance, other, what, points):
    """How often the new one was in force after all, and how often not."""
    there = [(RELAY, rules(net))]
    instance.configure(configuration(**other))
    instance.ctl("reload")
    there.append((other, rules(net)))
    now, results = 1, []
    with traffic.Hammer(net.client, [net.SERVER4, net.SERVER6], ECHO):
        for point in points:
            done = refused_at(net, instance, what, point, there[now],
                              there[1 - now])
            if done is None:
                break
            results.append(done)
            now = 1 - now if done else now
    return results.count(True), results.count(False)


OTHERS = pytest.mark.parametrize("other", [BLOCK, OPEN_BLOCK],
                                 ids=["rules", "mode"])


@pytest.mark.skipif(not killpoint.SUPPORTED, reason="numbers of system calls")
@OTHERS
def test_whatever_transaction_is_refused_it_is_the_old_one_or_the_new(
        net, server, tpx, sniffer, other):
    """That is told, and no packet goes direct meanwhile."""
    done, refused = refused_everywhere(net, tpx(**RELAY), other, "rules",
                                       range(1, 40))
    # what is made and what leads to it are two, what is swept another
    assert refused >= 2 and done >= 1
    assert sniffer.direct() == []


@pytest.mark.skipif(not killpoint.SUPPORTED, reason="numbers of system calls")
@OTHERS
def test_a_second_line_that_is_refused_in_part_is_made_complete(
        net, server, tpx, sniffer, other):
    done, refused = refused_everywhere(net, tpx(**RELAY), other, "routes",
                                       range(1, 100, 5))
    assert refused == 0 and done >= 2
    assert sniffer.direct() == []
