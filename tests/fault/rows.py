# SPDX-License-Identifier: ISC
"""What the log has of the load, held against what the server has seen of it.

A flow is known to the server as a visit from one of tpx's own ports.  Its row
has begun before that, and every row is of a knock: there are at least as many
as visits, and at most as many as knocks.
"""

import collections
import itertools
import math
import time

from conftest import CLOSE
from matrix import LEASE_S
from rig import traffic

BEAT_S = LEASE_S / 3 + 0.1
UNWRITTEN_S = 0.5  # at most, between the end of a flow and its row
KINDS = tuple(itertools.product(("tcp", "udp"), traffic.FAMILIES))


def _epoch():
    """What to add to a time that is monotonic."""
    return time.time() - time.monotonic()


def _counts(stage, since, until):
    """Rows of what relays had, by protocol and family.

    since and until are monotonic, and when a flow began; until may be inf.
    """
    epoch = _epoch()
    found = stage.instance.sql(
        "SELECT proto, src LIKE '%:%' AS six, count(*) AS count FROM flows"
        " WHERE final AND worker IS NOT NULL AND dport = ?"
        " AND start_us BETWEEN ? AND ? GROUP BY proto, six", CLOSE,
        (since + epoch) * 1e6, (until + epoch) * 1e6)
    return {(row["proto"], 6 if row["six"] else 4): row["count"]
            for row in found}


def wrong(stage, since=0.0, until=math.inf, protocols=("tcp", "udp")):
    """What differs, as text, by protocol and family; nothing is good.

    Only flows begun between since and until (monotonic) are looked at, and
    somebody has to have come.  A knock may have waited.
    """
    rows = _counts(stage, since, until)
    knocks = sum(since - stage.hammer.patience_s <= when < until
                 for when in stage.hammer.times)
    found = {}
    for kind in KINDS:
        visits = sum(since <= when < until
                     for when in stage.visits(*kind, False))
        if kind[0] in protocols and not (
                0 < visits <= rows.get(kind, 0) <= knocks):
            found[kind] = (f"{visits} visits, {rows.get(kind, 0)} rows,"
                           f" {knocks} knocks")
    return found


def questions_wrong(stage):
    """How many that were answered have no row, and rows without a question."""
    found = collections.Counter(
        (row["client"], row["cport"], row["transport"])
        for row in stage.instance.sql(
            "SELECT client, cport, transport FROM dns"))
    asked = list(stage.questions.all)
    return {
        "answered, no row": (collections.Counter(
            question.who() for question in asked if question.answered)
            - found).total(),
        "row, not asked": (found - collections.Counter(
            question.who() for question in asked)).total()}


def untold(stage):
    """How many questions tpxd's count may lack if every dnsd dies now.

    They count what they were asked, and tell it with each beat.
    """
    now = time.monotonic()
    return -sum(now - BEAT_S <= question.asked <= now
                for question in list(stage.questions.all)), 0


def written(stage):
    """Rows that there are, by who decided."""
    return stage.instance.sql(
        "SELECT count(*) FILTER (WHERE worker IS NOT NULL) AS relay,"
        " count(*) FILTER (WHERE action = 'pass') AS pass FROM flows")[0]


def aside(stage, before, found_us):
    """How many rows are in a file that has been set aside, by who decided.

    Those that were there before, and what was written until it was found out.
    """
    found = found_us / 1e6 - _epoch()
    late = len(stage.targets) * sum(
        stage.happened - UNWRITTEN_S <= when <= found
        for when in stage.hammer.times)
    return {"relay": (before["relay"], before["relay"] + late),
            "pass": (before["pass"], before["pass"] + len(stage.targets))}
