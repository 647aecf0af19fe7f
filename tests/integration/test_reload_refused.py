# SPDX-License-Identifier: ISC
"""Reloads that the kernel refuses, and what reloads may not set off."""

import contextlib
import re

from conftest import ECHO, configuration
from rig import proc, traffic

# one transaction of them tells more than a socket holds
BIG = " ".join(f"10.{80 + high}.{mid}.{low}" for high in range(4)
               for mid in range(16) for low in range(0, 250, 2))


@contextlib.contextmanager
def foreign_guard(net):
    """The name of the guard is somebody else's: the kernel refuses it."""
    with net.gateway.spawn("sh", "-c", "(echo 'add table inet tpx_guard"
                           " { flags owner; }'; sleep 60) | nft -i"):
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
