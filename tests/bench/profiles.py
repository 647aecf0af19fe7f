# SPDX-License-Identifier: ISC
"""Which functions a proxy spends its time in, by perf(1)."""

import pathlib
import re
import signal
import subprocess
import tempfile

from contenders import CannotMeasure
from rig import proc

HERTZ = 997
SECONDS = 2
SHOWN = 16
# "    12.34%  [k] udp_sendmsg"
SHARE = re.compile(r"^\s*([\d.]+%)\s+\[.\]\s+(\S+)", re.M)


def of(contender, metric):
    """A line: shares of the time of contender's workers under metric."""
    with tempfile.TemporaryDirectory() as home:
        data = pathlib.Path(home, "data")
        pids = ",".join(map(str, contender.workers()))
        with proc.Process("perf", "record", "-o", data, "-F", HERTZ,
                          "-p", pids) as recording:
            metric.load(contender, SECONDS)
            recording.stop(signal.SIGINT)
        done = subprocess.run(
            ["perf", "report", "-i", data, "--stdio", "--sort", "symbol"],
            capture_output=True, text=True)
    shares = SHARE.findall(done.stdout)[:SHOWN]
    if not shares:
        raise CannotMeasure(f"perf: {done.stderr}")
    listed = ", ".join(f"{name} {share}" for share, name in shares)
    return f"time: {metric.key}, {contender.name}: {listed}"
