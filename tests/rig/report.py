# SPDX-License-Identifier: ISC
"""What a session of the fault matrix has seen, as a table for people.

Every cell records a Line, in whichever process it runs; TPX_REPORT names a file
that the table is written to at the end of the session.  What other sessions
have seen before, and this one has not, is in the file beside it.
"""

import datetime
import json
import math
import os
import pathlib
import platform
from typing import NamedTuple

FILE = "TPX_REPORT"
BESIDE = ".cells"  # a Line in each of its lines
PROPERTY = "matrix"
COLUMNS = ("case", "what happens", "mode", "where", "family", "protocol",
           "expected", "seen", "ms", "leaked")


class Line(NamedTuple):
    """One cell.  within_s is None where the state has no time to be reached.

    leaked and cut are counts; configured says that tpx had failed, so that the
    host had to come into the state of its configuration.
    """
    number: str
    title: str
    mode: str
    where: str
    family: str
    protocol: str
    expected: str
    seen: str
    within_s: float | None
    configured: bool
    leaked: int
    cut: int
    lease_s: float


# what the matrix has no cell for
ABSENT = (
    "9, throughput while the flow log is away: tests/bench/relay, logless",
    "16, a full conntrack table, whose size belongs to the whole host:"
    " test_resources.py",
)
lines = []


def record(record_property, line):
    """To the process that reports, with pytest's fixture of that name."""
    record_property(PROPERTY, tuple(line))


def collect(properties):
    """The Lines among what a test has recorded."""
    lines.extend(Line(*value) for name, value in properties
                 if name == PROPERTY)


def _order(line):
    """Cases by their number, then by their letter."""
    digits = "".join(filter(str.isdigit, line.number))
    return int(digits), line.number, line.mode, line.where


def figures(found):
    """The three figures that everything comes to, and whether each is good."""
    worst_s = {}
    for line in found:
        if line.configured:
            time_s = math.inf if line.within_s is None else line.within_s
            worst_s[line.lease_s] = max(time_s, worst_s.get(line.lease_s, 0))
    worst = ", ".join(f"{time_s:.2f} s of a lease of {lease_s:g} s"
                      for lease_s, time_s in sorted(worst_s.items()))
    late = any(time_s > lease_s + 0.5 for lease_s, time_s in worst_s.items())
    leaked = sum(line.leaked for line in found if line.mode == "closed")
    # the flows of a run are the same for all of its cells
    cut = sum({line[:4]: line.cut for line in found}.values())
    return (
        (f"worst time to the configured state: {worst or 'none'}"
         " (at most the lease + 0.5 s)", not late),
        (f"packets leaked in closed mode: {leaked} (0)", leaked == 0),
        (f"flows cut by a death or lapse that they outlive: {cut} (0)",
         cut == 0))


def _row(line):
    within = "-" if line.within_s is None else f"{1000 * line.within_s:.0f}"
    return (line.number, line.title, line.mode, line.where, line.family,
            line.protocol, line.expected, line.seen, within, str(line.leaked))


def summary():
    """The figures and how many cells they are made of, one a line."""
    yield f"{len(lines)} cells, {len({line[:4] for line in lines})} runs"
    for text, good in figures(lines):
        yield f"{text}: {'good' if good else 'BAD'}"


def table():
    """Every cell, as a Markdown table."""
    rows = [COLUMNS] + [_row(line) for line in sorted(lines, key=_order)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for number, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths))
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"


def _merge(path):
    """Add what is in the file beside it, and leave all of it there."""
    cells = {}
    if path.exists():
        before = map(json.loads, path.read_text().splitlines())
        cells = {line[:6]: line for line in (Line(*row) for row in before)}
    cells |= {line[:6]: line for line in lines}
    lines[:] = cells.values()
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def write():
    """The table to the file that TPX_REPORT names, if there is one."""
    if not os.environ.get(FILE):
        return
    _merge(pathlib.Path(os.environ[FILE] + BESIDE))
    now = datetime.datetime.now(datetime.timezone.utc)
    text = [
        "# What was seen when things failed", "",
        "Made by pytest with `TPX_REPORT=FILE`, in one session or in several,",
        "which may be parts of `tests/run --all`; the cases are the rows of",
        "`tests/fault/matrix.py`. *ms* is the time from the fault to the last",
        "packet that the state does not allow, or in open mode to the first",
        "direct success; *leaked* counts packets that came to the server past",
        "tpx when they should not.", "",
        f"{now:%Y-%m-%d}, kernel {platform.release()},"
        f" {os.cpu_count()} processors.", "",
        *(f"- {line}" for line in summary()), "",
        *table(), "", "Not in it:", "", *(f"- {what}" for what in ABSENT)]
    with open(os.environ[FILE], "w") as file:
        file.write("\n".join(text) + "\n")
