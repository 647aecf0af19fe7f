# SPDX-License-Identifier: ISC
"""Runs the rows of matrix.py.

A run is one row in one mode and place; its cells, v4 and v6, TCP and UDP, and
where there are questions of DNS those by TCP and UDP, are looked at one by one.
"""

import contextlib
import itertools

import pytest

from matrix import CASES, CONFIGURED, HELD
from rig import report
from stage import Stage, accepted_places


def runs():
    """Every row in every mode and place."""
    places = accepted_places()
    for case in CASES:
        for mode, where in itertools.product(("closed", "open"), places):
            if where in case.places:
                yield case, mode, where


def cells():
    """Those of every run, one run after the other; not daily is long.

    The cells of a run stay in the process that plays it.
    """
    for run in runs():
        case, mode, where = run
        name = f"{case.number}-{mode}-{where}"
        marks = [pytest.mark.xdist_group(name)]
        if (mode, where) not in case.daily:
            marks.append(pytest.mark.long)
        if case.alone:
            marks.append(pytest.mark.alone)
        protocols = ("tcp", "udp") + (
            ("dns-tcp", "dns-udp") if case.answers else ())
        for family, protocol in itertools.product((4, 6), protocols):
            yield pytest.param(
                run, family, protocol, id=f"v{family}-{protocol}-{name}",
                marks=marks)


@pytest.fixture(scope="module")
def run(request, build):
    """A Stage that has been played."""
    with contextlib.ExitStack() as stack:
        stage = Stage(stack, build, *request.param)
        stage.play()
        yield stage


def expected_of(after, mode):
    """What comes to the server once the state has been reached."""
    if after == HELD:
        return {"relayed", "nobody"}
    if after != CONFIGURED:
        return {"relayed"}
    return {"direct"} if mode == "open" else {"nobody"}


def look_at_answers(run, family, tcp):
    """Names that are cached, and how long somebody waits for an answer."""
    answers = run.case.answers
    assert run.unanswered_s(family, tcp, True) <= answers.cached_s
    if answers.each_s:
        longest_s = max(question.answered - question.asked
                        if question.answered else float("inf")
                        for cached in (True, False)
                        for question in run.asked(family, tcp, cached))
        assert longest_s <= answers.each_s


@pytest.mark.parametrize("run, family, protocol", cells(), indirect=["run"],
                         scope="module")
def test_cell(run, family, protocol, record_property):
    case = run.case
    after = case.becomes(run.mode, protocol)
    seen, within_s = run.cell(family, protocol)
    leaks = [packet for packet in run.leaks if packet.protocol == protocol
             and (":" in packet.source) == (family == 6)]
    report.record(record_property, report.Line(
        case.number, case.title, run.mode, run.where, f"v{family}", protocol,
        f"{after} in {case.limit_of(protocol):.1f} s", seen, within_s,
        after == CONFIGURED, len(leaks), run.cut, case.lease_s()))
    assert leaks == []
    assert seen in expected_of(after, run.mode)
    if after != HELD:
        assert within_s is not None, "never"
        assert case.earliest_s <= within_s
        assert within_s <= case.limit_of(protocol)
    if protocol.startswith("dns"):
        look_at_answers(run, family, protocol == "dns-tcp")
    assert run.cut == 0, "established relayed flows were cut"
    assert not any(run.accounts.values()), run.accounts
    assert run.left == ""
    assert run.status == 0
