# SPDX-License-Identifier: ISC
"""The end of tpxd while something hangs: rows, who is left, the next start."""

import contextlib
import signal

import pytest

from conftest import ECHO
from rig import proc, traffic

FLOWS = 20
STEP_S = 6.0  # that a step of the end may take
SPARE_S = 5.0

# who is stopped, and the one that the event names
HUNG = {
    "relay": (["relay"], "tpx-relay[0]"),
    "netctl-worker": (["netctl"], "tpx-netctl"),
    "netctl": (["keeper", "netctl"], "tpx-netctl"),
    "flowlog": (["flowlog"], "tpx-flowlog"),
    "dnsd": (["dnsd"], "tpx-dnsd[0]"),
}


@pytest.fixture
def flowing(net, server, tpx):
    """An armed instance that has open flows, each of which has echoed."""
    # nobody who is silent is replaced before the end begins
    instance = tpx(f"dns forward {net.SERVER4}", lease="9s", workers=1)
    with contextlib.ExitStack() as stack:
        for index in range(FLOWS):
            target = net.SERVER6 if index % 2 else net.SERVER4
            assert traffic.echoes(stack.enter_context(
                traffic.connect(net.client, target, ECHO)))
        yield instance


def starts_again(instance):
    """No process and no rule is in its way."""
    assert instance.left() == []
    instance.start()
    instance.wait_state("armed")
    assert instance.stop() == 0


@pytest.mark.parametrize("roles, named", HUNG.values(), ids=HUNG)
def test_who_hangs_at_the_end_costs_no_row_and_is_not_left(
        flowing, roles, named):
    found = flowing.by_role()
    with_it = [pid for role in roles for pid in found[role]]
    proc.kill(with_it, signal.SIGSTOP)
    flowing.tpxd.send_signal(signal.SIGTERM)
    assert flowing.tpxd.wait(STEP_S + SPARE_S) == 1
    assert flowing.left() == []
    rows = flowing.rows(FLOWS)
    assert {row["close"] for row in rows} == {
        "worker-lost" if roles == ["relay"] else "shutdown"}
    said = flowing.sql("SELECT process, message FROM events"
                       " WHERE kind = 'stuck'")
    assert [row["process"] for row in said] == [named]
    assert "did not stop in time" in said[0]["message"]
    starts_again(flowing)


def test_worker_that_hangs_while_its_keeper_dies_is_not_left(flowing):
    found = flowing.by_role()
    proc.kill(found["netctl"], signal.SIGSTOP)
    proc.kill(found["keeper"])
    assert flowing.tpxd.wait(STEP_S + SPARE_S) == 1
    assert flowing.left() == []
    assert len(flowing.rows(FLOWS)) == FLOWS
    starts_again(flowing)
