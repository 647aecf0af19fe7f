# SPDX-License-Identifier: ISC
"""What is measured, and how.

A metric measures one contender once and returns samples by the key of their
figure; a figure says what its samples mean.
"""

import contextlib
import dataclasses
import json
import os
from typing import NamedTuple

import calls
import profiles
from contenders import (PORT, CannotMeasure, Redsocks, Tpx, TpxSocks,
                        TpxSource, TpxUnlogged, raise_descriptor_limit)
from rig import proc

ADDRESSES = 64
IDLE_FLOWS = 4000
# two for each flow in one process, and some for everything else
IDLE_DESCRIPTORS = 2 * IDLE_FLOWS + 1000
LOAD_SLACK_S = 60
IDLE_SLACK_KIB = IDLE_FLOWS // 50
MAPPINGS_SHOWN = 6


class Target(NamedTuple):
    """Where a value shall be; beside names the contender that it is of."""

    limit: float
    beside: str = None
    most: bool = False

    def met(self, value):
        return value <= self.limit if self.most else value >= self.limit

    def text(self, unit):
        bound = f"{'<=' if self.most else '>='} {self.limit:g}"
        return f"{bound} of {self.beside}" if self.beside \
            else f"{bound} {unit}".replace(" share", "")


def of_haproxy(limit, most=False):
    return Target(limit, "haproxy", most)


class Figure(NamedTuple):
    """added, if not None, is for what it is more than without a proxy."""

    key: str
    title: str
    unit: str
    target: Target = None
    added: Target = None


FIGURES = (
    Figure("stream1", "throughput, 1 stream", "Gbit/s", of_haproxy(1.1)),
    Figure("stream8", "throughput, 8 streams", "Gbit/s", of_haproxy(1.1)),
    Figure("connect", "new connections", "1/s", of_haproxy(1.15)),
    Figure("request", "keep-alive requests", "1/s", of_haproxy(1.1)),
    Figure("udp", "datagrams, 100 flows", "1/s", Target(0.6, "routed")),
    Figure("log", "throughput, log on to off", "share", Target(0.97)),
    Figure("log_connect", "connections, log on to off", "share",
           Target(0.97)),
    Figure("logless", "throughput, log killed", "share", Target(0.98)),
    Figure("logless_connect", "connections, log killed", "share"),
    Figure("live", "throughput, flows watched", "share", Target(0.97)),
    Figure("live_request", "requests, flows watched", "share", Target(0.97)),
    Figure("source", "connections, source client", "share", Target(0.85)),
    Figure("socks", "SOCKS5, tpx to redsocks", "share", Target(1.5)),
    Figure("socks_cpu", "  for each CPU second", "share"),
    Figure("socks_own", "  tpx", "1/s"),
    Figure("socks_peer", "  redsocks", "1/s"),
    Figure("p50", "latency, median", "us", added=of_haproxy(0.9, True)),
    Figure("p999", "latency, p99.9", "us", added=of_haproxy(0.7, True)),
    Figure("rest", "memory at rest", "KiB"),
    Figure("idle", "memory, idle connection", "KiB", Target(1.0, most=True)),
)


@dataclasses.dataclass
class Sample:
    value: float
    # work done for each second of the proxy's CPU time, or None
    per_cpu_s: float = None
    # connections that broke
    errors: int = 0


def _proxies(started):
    return [contender for contender in started if contender.workers()]


def _where_time_goes(contender, metric):
    return [calls.of(contender, metric), profiles.of(contender, metric)]


def run_load(contender, seconds, *words):
    """The client's answer, and what the proxy used for it: cpu_s, and
    workers_s of that those who carried it."""
    pids, forwarded = contender.lasting(), contender.forwarded()
    cpu_s, workers_s = contender.cpu_s(), contender.workers_s()
    done = contender.net.client.run(
        contender.load, "-t", seconds, *words, contender.target, PORT,
        check=False, timeout=seconds + LOAD_SLACK_S)
    if done.returncode:
        raise CannotMeasure(done.stderr)
    contender.check_since(pids, forwarded)
    answer = json.loads(done.stdout)
    answer["cpu_s"] = contender.cpu_s() - cpu_s
    answer["workers_s"] = contender.workers_s() - workers_s
    return answer


@dataclasses.dataclass
class Rate:
    """Work for each second, times scale, of so many connections at once."""

    key: str
    mode: str
    connections: int
    scale: float = 1

    @property
    def keys(self):
        """Of its figures that have a target."""
        return {self.key}

    @contextlib.contextmanager
    def subjects(self, started):
        """The proxies to be asked where what was missed goes."""
        yield _proxies(started)

    def where(self, contender):
        """Lines on where its time goes."""
        return _where_time_goes(contender, self)

    def load(self, contender, seconds):
        return run_load(contender, seconds, "-c", self.connections,
                        "-a", ADDRESSES, self.mode)

    def measure(self, contender, seconds):
        answer = self.load(contender, seconds)
        sample = Sample(answer["count"] / answer["seconds"] * self.scale,
                        errors=answer["errors"])
        if answer["cpu_s"]:
            sample.per_cpu_s = (answer["total"] / answer["cpu_s"] *
                                self.scale)
        return {self.key: sample}


class Datagrams(Rate):
    """Of UDP, which HAProxy does not carry."""

    def measure(self, contender, seconds):
        return {} if contender.name == "haproxy" else super().measure(
            contender, seconds)

    @contextlib.contextmanager
    def subjects(self, started):
        yield [contender for contender in started
               if contender.name == "tpx"]


@dataclasses.dataclass
class Meanwhile(Rate):
    """A rate while something else goes on, of one before.

    Only of tpx, and of the time of its relays; meanwhile is the name of what
    its contender does.
    """

    meanwhile: str = ""

    def measure(self, contender, seconds):
        if contender.name != "tpx":
            return {}
        rates, works = [], []
        for meanwhile in (contextlib.nullcontext,
                          getattr(contender, self.meanwhile)):
            with meanwhile():
                answer = self.load(contender, seconds)
            rates.append(answer["count"] / answer["seconds"])
            works.append(answer["total"] / answer["workers_s"])
        return {self.key: Sample(rates[1] / rates[0], works[1] / works[0])}


@dataclasses.dataclass
class Pair(Rate):
    """A rate of the first kind as a share of the second's; both just started.

    With tpx alone.
    """

    kinds: tuple = ()
    details: bool = False

    def measure(self, contender, seconds):
        if contender.name != "tpx":
            return {}
        rates, works = [], []
        for kind in self.kinds:
            with contender.another(kind) as proxy:
                answer = self.load(proxy, seconds)
            rates.append(answer["count"] / answer["seconds"])
            works.append(answer["total"] / answer["cpu_s"])
        samples = {self.key: Sample(rates[0] / rates[1])}
        if self.details:
            samples |= {f"{self.key}_cpu": Sample(works[0] / works[1]),
                        f"{self.key}_own": Sample(rates[0]),
                        f"{self.key}_peer": Sample(rates[1])}
        return samples

    @contextlib.contextmanager
    def subjects(self, started):
        own = next(contender for contender in started
                   if contender.name == "tpx")
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(own.another(kind))
                   for kind in self.kinds]


class Latency:
    """Of requests one after the other, on one connection, on one CPU.

    Everything that takes part shares the CPU, so that the figure is the work
    on the way and not the time that other CPUs take to wake up.
    """

    key = "latency"
    keys = {"p50", "p999"}
    scale = 1

    @contextlib.contextmanager
    def subjects(self, started):
        yield _proxies(started)

    def where(self, contender):
        return _where_time_goes(contender, self)

    def load(self, contender, seconds):
        cpu = max(os.sched_getaffinity(0))
        with contender.on_cpu(cpu):
            # the client inherits it from this process
            anywhere = os.sched_getaffinity(0)
            os.sched_setaffinity(0, {cpu})
            try:
                return run_load(contender, seconds, "request")
            finally:
                os.sched_setaffinity(0, anywhere)

    def measure(self, contender, seconds):
        answer = self.load(contender, seconds)
        return {"p50": Sample(answer["p50_us"]),
                "p999": Sample(answer["p999_us"], errors=answer["errors"])}


class Idle:
    """Memory of a proxy that was just started, without and with idle flows."""

    key = "idle"
    keys = {"idle"}

    @contextlib.contextmanager
    def subjects(self, started):
        yield _proxies(started)

    def measure(self, contender, seconds):
        if not contender.pids():
            return {}
        with contender.another() as proxy:
            rest, full = self._read(proxy, proxy.pss_kib)
        return {"rest": Sample(rest),
                "idle": Sample((full - rest) / IDLE_FLOWS)}

    def where(self, contender):
        """Lines on where its memory goes."""
        with contender.another() as proxy:
            rest, full = self._read(proxy, proxy.pss_by_mapping_kib)
        full.subtract(rest)
        listed = ", ".join(
            f"{name} {kib / IDLE_FLOWS:.2f}"
            for name, kib in full.most_common(MAPPINGS_SHOWN))
        return [f"memory: {self.key}, {contender.name}: KiB each: {listed}"]

    @staticmethod
    def _read(proxy, read):
        """What read() returns at rest and with the flows."""
        if raise_descriptor_limit() < IDLE_DESCRIPTORS:
            raise CannotMeasure(f"{IDLE_FLOWS} flows need "
                                f"{IDLE_DESCRIPTORS} descriptors (ulimit -n)")
        # a few flows first, for what is allocated with the first one
        run_load(proxy, 0.1, "connect")
        # who else maps the same libraries changes its share of them
        proc.settled(proxy.pss_kib, slack=IDLE_SLACK_KIB)
        rest = read()
        with hold_flows(proxy):
            proc.settled(proxy.pss_kib, slack=IDLE_SLACK_KIB)
            return rest, read()


def hold_flows(contender):
    """A process that holds IDLE_FLOWS established flows until it is ended."""
    client = contender.net.client.spawn(
        contender.load, "-c", IDLE_FLOWS, "-a", ADDRESSES, "idle",
        contender.target, PORT)
    try:
        client.wait_output('"total"', LOAD_SLACK_S)
    except BaseException as error:
        client.stop()
        raise CannotMeasure(client.output()) from error
    return client


GBIT = 8 / 1e9

METRICS = (
    Rate("stream1", "stream", 1, GBIT),
    Rate("stream8", "stream", 8, GBIT),
    Rate("connect", "connect", 64),
    Rate("request", "request", 64),
    Datagrams("udp", "datagram", 100),
    Pair("log", "stream", 1, kinds=(Tpx, TpxUnlogged)),
    Pair("log_connect", "connect", 64, kinds=(Tpx, TpxUnlogged)),
    Meanwhile("logless", "stream", 1, meanwhile="killing_log"),
    Meanwhile("logless_connect", "connect", 64, meanwhile="killing_log"),
    Meanwhile("live", "stream", 1, meanwhile="watching"),
    Meanwhile("live_request", "request", 64, meanwhile="watching"),
    Pair("source", "connect", 64, kinds=(TpxSource, Tpx)),
    Pair("socks", "connect", 64, kinds=(TpxSocks, Redsocks), details=True),
    Latency(),
    Idle(),
)
