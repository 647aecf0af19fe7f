# SPDX-License-Identifier: ISC
"""The load on resolvers, by dnsperf, and what is measured of it."""

import contextlib
import dataclasses
import itertools
import random
import re
import tempfile
from typing import NamedTuple

from contenders import CannotMeasure
from metrics import LOAD_SLACK_S, Sample
from resolvers import KNOWN, NAME, PORT

ASKED = 200000  # questions in the list of those, which is gone through anew
SOCKETS, THREADS, OUTSTANDING = 200, 2, 200
WARM_RATE = 5000  # a second
STEADY_RATE = 2000
FRESH_RATE = 100000  # more than anybody answers
HITS_AT_LEAST = 0.95
LOST_AT_MOST = 0.01
PARTS = {"sent": r"Queries sent:\s+(\d+)",
         "completed": r"Queries completed:\s+(\d+)",
         "rate": r"Queries per second:\s+([\d.]+)",
         "good": r"Response codes:.*NOERROR (\d+)"}
LATENCY = re.compile(r"^> NOERROR \S+ \S+ ([\d.]+)$", re.M)


class Figure(NamedTuple):
    key: str
    title: str
    unit: str
    # of the ratio to the best of the others, or to one of them
    at_least: float = None
    at_most: float = None
    peer: str = None
    less_is_better: bool = False


FIGURES = (
    Figure("hit_cpu", "hits for each CPU second", "", at_least=1.5),
    Figure("hit", "hits", "1/s", at_least=1.0),
    Figure("p50", "hits at a steady rate, median", "us", less_is_better=True),
    Figure("p99", "  99 of 100 within", "us", at_most=1.0,
           less_is_better=True),
    Figure("miss", "misses", "1/s", at_least=0.9, peer="unbound"),
    Figure("miss_cpu", "  for each CPU second", ""),
)


class Lists:
    """Files of questions for dnsperf; a context that removes them."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self._fresh = itertools.count()

    def __enter__(self):
        chance = random.Random(1)
        weights = [1 / (rank + 1) for rank in range(KNOWN)]
        self.all = self._write(_known(n) for n in range(KNOWN))
        self.zipf = self._write(map(_known, chance.choices(
            range(KNOWN), weights, k=ASKED)))
        return self

    def __exit__(self, *exception):
        self._stack.close()

    def fresh(self, seconds):
        """Names that nobody has been asked for."""
        tag = next(self._fresh)
        return self._write(f"f{tag}-{n}.{NAME} A"
                           for n in range(int(FRESH_RATE * seconds)))

    def _write(self, lines):
        file = self._stack.enter_context(
            tempfile.NamedTemporaryFile("w", prefix="tpx-questions-"))
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        return file.name


def _known(number):
    """One in five is asked for its IPv6 address."""
    return f"n{number}.{NAME} {'A' if number % 5 else 'AAAA'}"


@dataclasses.dataclass
class Done:
    rate: float
    answers: int
    cpu_s: float
    output: str


def ask(resolver, file, *words, seconds):
    """dnsperf's figures; refused when answers were not what they should be."""
    pids, cpu_s = resolver.lasting(), resolver.cpu_s()
    output = resolver.net.client.run(
        "dnsperf", "-s", resolver.target, "-p", PORT, "-d", file,
        "-c", SOCKETS, "-T", THREADS, "-q", OUTSTANDING, "-W",
        *words, timeout=seconds + LOAD_SLACK_S).stdout
    resolver.settle()
    if resolver.lasting() != pids:
        raise CannotMeasure("a process was replaced meanwhile")
    found = {key: re.search(pattern, output)
             for key, pattern in PARTS.items()}
    if None in found.values():
        raise CannotMeasure(output)
    part = {key: float(match.group(1)) for key, match in found.items()}
    if part["completed"] != part["good"]:
        raise CannotMeasure(f"other answers than NOERROR: {output}")
    if part["sent"] - part["completed"] > part["sent"] * LOST_AT_MOST:
        raise CannotMeasure(f"lost answers: {output}")
    return Done(part["rate"], int(part["completed"]),
                resolver.cpu_s() - cpu_s, output)


def warm(resolver, lists):
    """Workers may have a cache each, so all is asked for more than once."""
    ask(resolver, lists.all, "-n", 4, "-Q", WARM_RATE, seconds=LOAD_SLACK_S)


class Hits:
    """Known names, as often as Zipf's law has it, as many as it can."""

    key, figures = "hit", {"hit", "hit_cpu"}

    def load(self, resolver, lists, seconds):
        return ask(resolver, lists.zipf, "-l", seconds, seconds=seconds)

    def measure(self, resolver, lists, seconds):
        before = resolver.hits()
        done = self.load(resolver, lists, seconds)
        if before is not None:
            share = (resolver.hits() - before) / done.answers
            if share < HITS_AT_LEAST:
                raise CannotMeasure(f"{share:.0%} are in the cache")
        return {"hit": Sample(done.rate),
                "hit_cpu": Sample(done.answers / done.cpu_s)}


class Latency:
    """Of the same at a rate that leaves everybody room."""

    key, figures = "latency", {"p50", "p99"}

    def load(self, resolver, lists, seconds):
        return ask(resolver, lists.zipf, "-l", seconds, "-Q", STEADY_RATE,
                   "-v", seconds=seconds)

    def measure(self, resolver, lists, seconds):
        done = self.load(resolver, lists, seconds)
        took = sorted(float(text) * 1e6 for text in LATENCY.findall(
            done.output))
        if not took:
            raise CannotMeasure("dnsperf told no latency")
        return {"p50": Sample(took[len(took) // 2]),
                "p99": Sample(took[len(took) * 99 // 100])}


class Misses:
    """Names that are new to everybody."""

    key, figures = "miss", {"miss", "miss_cpu"}

    def load(self, resolver, lists, seconds):
        return ask(resolver, lists.fresh(seconds), "-l", seconds, "-n", 1,
                   seconds=seconds)

    def measure(self, resolver, lists, seconds):
        done = self.load(resolver, lists, seconds)
        return {"miss": Sample(done.rate),
                "miss_cpu": Sample(done.answers / done.cpu_s)}


METRICS = (Hits(), Latency(), Misses())
