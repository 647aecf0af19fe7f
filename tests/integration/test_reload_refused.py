# SPDX-License-Identifier: ISC
"""Reloads that the kernel refuses, and what reloads may not set off."""

import pytest

from conftest import configuration
from rig import proc

# one transaction of them tells more than a socket holds
BIG = " ".join(f"10.{80 + high}.{mid}.{low}" for high in range(4)
               for mid in range(40) for low in range(0, 250, 2))


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
