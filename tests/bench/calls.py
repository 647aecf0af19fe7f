# SPDX-License-Identifier: ISC
"""Which system calls a proxy makes for a unit of work, counted by strace(1).

Where a proxy spends its time on small work: counts, unlike times, are the same
on a busy machine.  Being traced makes it slower, so no rate is taken meanwhile.
"""

import collections
import contextlib
import re
import signal
import subprocess
import tempfile

from contenders import CannotMeasure

COLUMNS = "time,total-time,avg-time,calls,errors,name"
ATTACH_S = 10
SECONDS = 1
SHOWN = 12
# "12.34    0.012345          12      1000        10 epoll_wait"
COUNT = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$",
                   re.M)


@contextlib.contextmanager
def counted(pids):
    """Meanwhile the calls of all threads of pids are counted, by name."""
    counts = collections.Counter()
    with tempfile.NamedTemporaryFile("r") as file:
        trace = subprocess.Popen(
            ["strace", "-f", "-c", "-U", COLUMNS,
             "-o", file.name, *(f"-p{pid}" for pid in pids)],
            stderr=subprocess.PIPE, text=True)
        try:
            for _ in pids:
                line = trace.stderr.readline()
                if "attached" not in line:
                    raise CannotMeasure(f"strace: {line}")
            yield counts
        finally:
            trace.send_signal(signal.SIGINT)
            trace.communicate(timeout=ATTACH_S)
            for calls, name in COUNT.findall(file.read()):
                counts[name] += int(calls)
    del counts["total"]


def of(contender, metric):
    """A line: the calls of contender's workers for each unit of metric."""
    with counted(contender.workers()) as counts:
        answer = metric.load(contender, SECONDS)
    total = answer["total"] * metric.scale
    if not total:
        raise CannotMeasure("nothing was done while its calls were counted")
    listed = ", ".join(f"{name} {calls / total:.2f}"
                       for name, calls in counts.most_common(SHOWN))
    return (f"calls: {metric.key}, {contender.name}: "
            f"{sum(counts.values()) / total:.1f} each: {listed}")
