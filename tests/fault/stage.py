# SPDX-License-Identifier: ISC
"""One start of tpxd under load, one fault, and what came of it: the engine.

Traffic of both families and protocols is sent all the time from before the
start until after the end, and what must not come is counted on the server's
side.  Direct packets are told from relayed ones by their source port, questions
of DNS by an address that nobody has who is not a client.
"""

import contextlib
import itertools
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import faults
import rows
from conftest import (CLOSE, ECHO, EXCHANGE, FORWARDED, LOCAL, ROOT,
                      configuration)
from matrix import ARMED, CAPTURED, CONFIGURED, HELD, LEASE_S, STARTING
from rig import dot, inquirer, names, proc, servers, snapshot, traffic
from rig.net import Topology
from rig.sniffer import Sniffer
from rig.tpx import Tpx

# a relay's own connections never come from these (ip_local_port_range)
PORTS = range(20000, 28000)
PATIENCE_S = 5.0
SETTLED_S = 0.6
CAPTURED_S = 0.5  # of load, before something happens
MISSED_ROUNDS = 5  # of the hammer, one after the other: not served
LOG_BYTES = 16 << 20
PASSED = f"pass proto tcp to any port {EXCHANGE}"
RULES = f"{PASSED}\ndefault relay"
CLEANED_UP = ("kill_tpxd", "term_tpxd")  # by netctl, which sees its end
NOT_PUT_BACK = ("kill_netctls", "kill_keeper", "kill_everything")
CAPTURES = {"forwarded": FORWARDED, "local": LOCAL}
DNS = {
    "": "",
    "plain": f"dns forward {{ {Topology.SERVER4} }}\ndns validate no\n",
    "tls": f'dns forward tls {{ {Topology.SERVER4} "dns.test" }}\n'
           'dns tls-authorities "ca.pem"\ndns validate no\n',
}
# of who asks, whether client or gateway, and of the interface it is on
ASKERS = {"forwarded": ({4: "10.74.1.3", 6: "fd00:74:1::3"}, "eth0"),
          "local": ({4: "10.74.2.3", 6: "fd00:74:2::3"}, Topology.SERVER_IF)}
LATE_S = 0.2
MISSED_QUESTIONS = 3  # of one kind, one after the other: not served
UNDECIDED_S = 0.3  # a question is that young that it may get its answer yet


def accepted_places():
    """Where this tpxd can capture: it is asked for `capture local'."""
    program = pathlib.Path(
        os.environ.get("TPX_BUILD", ROOT / "build/gcc")) / "tpxd"
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(f"{CAPTURES['local']}\n")
        file.flush()
        os.chmod(file.name, 0o644)
        try:
            done = subprocess.run([program, "-n", "-f", file.name],
                                  capture_output=True, check=False)
        except OSError:
            return ("forwarded",)
    return tuple(CAPTURES)[:2 if done.returncode == 0 else 1]


class Stage:
    """The networks, tpxd and the load of one run, and what came of it."""

    def __init__(self, stack, build, case, mode, where):
        self.stack, self.case, self.mode, self.where = stack, case, mode, where
        self.keep = {}  # what a fault leaves for its check
        self.missing = {}  # by who decided: at least, at most
        self.marks = []
        self.flows = []
        self.since = 0.0  # when the tpxd that keeps accounts was started
        self.sports = itertools.cycle(PORTS)
        self.net = net = stack.enter_context(Topology())
        self.sender = net.client if where == "forwarded" else net.gateway
        self.targets = net.SERVER4, net.SERVER6
        self.servers = [
            stack.enter_context(servers.Server(net.server, port, behaviour))
            for port, behaviour in ((CLOSE, servers.close_at_once),
                                    (ECHO, servers.echo),
                                    (EXCHANGE, servers.exchange))]
        self.visited = {"tcp": self.servers[0], "udp": stack.enter_context(
            servers.UdpServer(net.server, CLOSE))}
        self.udp_echo = stack.enter_context(
            servers.UdpServer(net.server, ECHO))
        sources = ((net.CLIENT4, net.CLIENT6) if where == "forwarded"
                   else (net.OUTSIDE4, net.OUTSIDE6))
        self.sniffer = stack.enter_context(
            Sniffer(net.server, *sources, ports=PORTS))
        self.questions = self.dns_sniffer = None
        self._dns(dict(case.options).get("upstream", "plain"))
        net.gateway.sysctl("net.netfilter.nf_conntrack_tcp_timeout_time_wait",
                           1)
        self.empty = snapshot.take(net.gateway)
        self.instance = self._instance(build)

    def _dns(self, upstream):
        """Who is asked, and who asks: from addresses that he alone uses."""
        self.upstream = upstream if self.case.answers else ""
        self.authority = None
        if not self.case.answers:
            return
        net, enter = self.net, self.stack.enter_context
        # in the end questions that leak would be answered
        enter(names.Server(net.server))
        if upstream == "tls":
            self.authority = dot.Authority(enter(
                tempfile.TemporaryDirectory(prefix="tpx-authority-")))
            enter(dot.Server(net.server, self.authority, "dns.test"))
        addresses, interface = ASKERS[self.where]
        for family, length in ((4, "24"), (6, "64")):
            self.sender.ip("address", "add", f"{addresses[family]}/{length}",
                           "dev", interface, "preferred_lft", 0, *(
                               ["nodad"] if family == 6 else []))
        self.dns_sniffer = enter(Sniffer(
            net.server, addresses[4], addresses[6]))

    def _instance(self, build):
        options = dict(self.case.options)
        options.pop("upstream", None)
        self.prefix = options.pop("prefix", ())
        log = options.pop("log", None)
        if programs := options.pop("programs", None):
            build = self._copy(build, programs)
        options.setdefault("lease", f"{LEASE_S:.0f}s")
        self.options = options
        instance = Tpx(self.net.gateway, build, self.text())
        self.stack.callback(self._close, instance)
        if log:
            self._small(instance.log)
        if self.authority:
            shutil.copy(self.authority.path, instance.home / "ca.pem")
            os.chmod(instance.home / "ca.pem", 0o644)
        return instance

    def _close(self, instance):
        instance.close()
        if instance.tpxd:
            print(instance.tpxd.output())

    def _copy(self, build, programs):
        """Programs of its own, perhaps with a relay that dies at once."""
        folder = pathlib.Path(self.stack.enter_context(
            tempfile.TemporaryDirectory(prefix="tpx-build-")))
        os.chmod(folder, 0o755)
        shutil.copytree(build, folder, dirs_exist_ok=True)
        if programs == "dying relay":
            shutil.copy("/bin/false", folder / "tpx-relay")
        return folder

    def _small(self, log):
        owner = log.stat()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={LOG_BYTES},"
                        f"uid={owner.st_uid},gid={owner.st_gid},mode=0750",
                        "tpx-log", log], check=True)
        self.stack.callback(subprocess.run, ["umount", "--lazy", log],
                            check=True)

    def text(self, rules=RULES):
        return configuration(DNS[self.upstream] + rules, mode=self.mode,
                             capture=CAPTURES[self.where], **self.options)

    def configure(self, rules=RULES):
        self.instance.configure(self.text(rules))

    def mark(self):
        """What counts happens now."""
        self.marks.append(time.monotonic())

    @property
    def happened(self):
        return self.marks[-1]

    # what is seen

    def visits(self, protocol, family, direct):
        """When somebody came to the server, past tpx or through it."""
        return [visit.time for visit in list(self.visited[protocol].visits)
                if (":" in visit.address) == (family == 6)
                and (visit.port in PORTS) == direct]

    def relayed_since(self, since):
        return [when for family in (4, 6)
                for when in self.visits("tcp", family, False) if when >= since]

    def captured(self):
        """Do both families come through tpx?"""
        since = time.monotonic()
        return lambda: all(
            any(when >= since for when in self.visits("tcp", family, False))
            for family in (4, 6))

    def direct(self):
        """Packets that came to the server past tpx, all that have arrived.

        Those of DNS have a protocol of their own.  The hammer asks nobody at
        port 53, but tpx's resolver does, from any port of this host.
        """
        asked = self.dns_sniffer.direct() if self.dns_sniffer else []
        return [packet for packet in self.sniffer.direct()
                if packet.dport != names.PORT] + [
            packet._replace(protocol=f"dns-{packet.protocol}")
            for packet in asked]

    def until(self, moment, what):
        proc.wait_until(lambda: time.monotonic() >= moment, 60, what)

    # the run

    def play(self):
        case = self.case
        self.quiet = self.empty  # what the end of tpxd leaves
        if self.mode == "closed":
            self.instance.ctl("guard", "-f", self.instance.config, "-x",
                              self.instance.build)
            self.quiet = snapshot.take(self.net.gateway)
        with contextlib.ExitStack() as self.load:
            self._start()
            self.ready = time.monotonic()
            self.mark()
            getattr(faults, case.fault)(self)
            self.settled = self.happened + case.settled_s()
            self.until(self.settled + SETTLED_S, "the state settles")
            self.watched = time.monotonic()
            if case.back:
                self._back(getattr(faults, case.back))
            if case.check:
                getattr(faults, case.check)(self)
            self.cut = self._end_flows()
            if case.dies:
                self._again()
        self._account()
        self._leave()

    def _knock(self):
        """In open mode, what begins before capture does goes on direct."""
        self.hammer = self.load.enter_context(traffic.Hammer(
            self.sender, self.targets, CLOSE, PORTS, PATIENCE_S))
        if self.case.answers:
            self.questions = self.load.enter_context(inquirer.Inquirer(
                self.sender, dict(zip((4, 6), self.targets)),
                ASKERS[self.where][0]))

    def _start(self):
        if self.mode == "closed" or self.case.begins == STARTING:
            self._knock()
        if self.case.begins == STARTING:
            self.mark()
        self.instance.start(self.prefix)
        if self.case.begins == STARTING:
            proc.wait_until(self.instance.status, what="an answer")
            self.marks.pop(0)
            return
        self.instance.wait_state("armed")
        if self.mode == "open":
            self._knock()
        proc.wait_until(self.captured(), 5, "traffic is captured")
        if self.questions:
            proc.wait_until(self.questions.answered(), 10, "answers")
        self.flows = [traffic.EchoFlow(self.sender, target, ECHO,
                                       next(self.sports))
                      for target in self.targets] + [
            traffic.UdpEchoFlow(self.sender, target, self.udp_echo,
                                next(self.sports))
            for target in self.targets]
        self._pass()
        self.wanted = faults.state_of(self.net)
        self.before = self.instance.by_role()
        self.pids = self.instance.pids()
        proc.stays(lambda: True, CAPTURED_S + self.case.lost_s, "capture")

    def _pass(self):
        for target in self.targets:
            traffic.exchange(self.sender, target, EXCHANGE, 10, 10)

    def _back(self, undo):
        undo(self)
        began = time.monotonic()
        self.instance.wait_state("armed", timeout_s=self.case.back_s)
        proc.wait_until(self.captured(), self.case.back_s, "capture is back")
        assert time.monotonic() - began < self.case.back_s
        proc.wait_until(self.captured(), 5, "capture goes on")
        self._pass()

    def _end_flows(self):
        """How many of the long flows were cut that should live on."""
        if self.case.flows:
            # each is asked once more
            time_s = time.monotonic() + 3 * traffic.ECHO_INTERVAL_S
            self.until(time_s, "the flows' last words")
        for flow in self.flows:
            flow.close()
        return sum(flow.ended is not None for flow in self.flows
                   if self.case.flows)

    def _rows_wrong(self):
        """What the log lacks of the time before all of them died.

        Who dies together with everybody takes along what is open, and what
        nobody has written yet.
        """
        if not self.case.lost_s:
            return rows.wrong(self)
        return rows.wrong(self, until=self.happened - self.case.lost_s,
                          protocols=("tcp",))

    def _again(self):
        """The next start: it finds what was left, and is accounted for."""
        proc.wait_until(lambda: not any(map(proc.alive, self.pids)), 5,
                        "the end of all of them")
        wrong = self._rows_wrong()
        assert not wrong, wrong
        if self.case.fault in CLEANED_UP:
            left = snapshot.difference(
                self.quiet, snapshot.take(self.net.gateway))
            assert not left, left
        self.since = time.time()
        self.instance.start(self.prefix)
        self.instance.wait_state("armed")
        assert faults.state_of(self.net) == self.wanted
        proc.wait_until(self.captured(), 5, "traffic is captured again")
        self._pass()

    def _beyond(self, name, count):
        """How far that is from what a fault lets be missing."""
        least, most = self.missing.get(name, (0, 0))
        return count - max(least, min(count, most))

    def _account(self):
        def even():
            found = self.instance.accounts(self.since)
            self.accounts = {name: self._beyond(name, found[name])
                             for name in self.case.accounts}
            if self.questions:
                self.accounts |= rows.questions_wrong(self)
            return not any(self.accounts.values())
        with contextlib.suppress(TimeoutError):
            proc.wait_until(even, 8, "the accounts")

    def _leave(self):
        self.status = self.instance.stop()
        if self.mode == "closed":
            tables = snapshot.tables(snapshot.take(self.net.gateway))
            assert tables == {"inet tpx_guard"}
            self.leaks = self.direct()
            self.instance.unblock()
        else:
            self.leaks = self._leaks_open()
        self.left = snapshot.difference(
            self.empty, snapshot.take(self.net.gateway),
            snapshot.ORPHANED if self.case.fault in NOT_PUT_BACK else ())

    def _leaks_open(self):
        """Direct packets while capture was in force."""
        spans = [(self.ready - 0.2, self.marks[0])]
        if self.case.after != CONFIGURED:
            spans.append((self.settled, self.watched))
        return [packet for packet in self.direct()
                if self.case.begins == ARMED and any(
                    begin <= packet.time < end for begin, end in spans)]

    # one cell of it

    def cell(self, family, protocol):
        """(what was seen, seconds until then or None)."""
        direct = [packet.time for packet in self.direct()
                  if packet.protocol == protocol
                  and (":" in packet.source) == (family == 6)]
        if protocol.startswith("dns"):
            return self._cell_dns(family, protocol == "dns-tcp", direct)
        relayed = self.visits(protocol, family, False)
        late = [(kind, when) for kind, times in (("direct", direct),
                                                 ("relayed", relayed))
                for when in times if self.settled <= when < self.watched]
        kinds = {kind for kind, _ in late} or {"nobody"}
        return " and ".join(sorted(kinds)), self._within(
            protocol, family, direct, relayed)

    def asked(self, family, tcp, cached):
        """The questions whose answers count."""
        return [question for question in self.questions.of(family, tcp, cached)
                if self.ready <= question.asked < self.watched - UNDECIDED_S]

    def _served(self, question):
        return question.good() and question.answered < self.watched

    def _outages(self, family, tcp, cached):
        """Several in a row that are not answered well, or late."""
        for bad, row in itertools.groupby(
                self.asked(family, tcp, cached),
                lambda question: not self._served(question)
                or question.answered - question.asked > LATE_S):
            row = list(row)
            if bad and len(row) > MISSED_QUESTIONS:
                yield from row

    def unanswered_s(self, family, tcp, cached):
        """How long after a mark they were not answered well.

        An answer that came late is none until then.
        """
        return self._later([
            question.answered if self._served(question) else question.asked
            for question in self._outages(family, tcp, cached)])

    def _cell_dns(self, family, tcp, direct):
        kinds = set()
        for cached in (True, False):
            if any(question.asked >= self.settled
                   for question in self.asked(family, tcp, cached)
                   if self._served(question)):
                kinds.add("relayed")
            if any(question.asked >= self.settled
                   for question in self._outages(family, tcp, cached)
                   if not self._served(question)):
                kinds.add("nobody")
        if any(self.settled <= when < self.watched for when in direct):
            kinds.add("direct")
        return " and ".join(sorted(kinds)), max(
            self._later(direct), self.unanswered_s(family, tcp, False))

    def _within(self, protocol, family, direct, relayed):
        after = self.case.becomes(self.mode, protocol)
        if after == HELD:
            return None
        if after == CAPTURED:
            return max(self._later(direct), self._gap(relayed))
        if self.mode == "closed":
            return max(self._later(direct), self._later(relayed))
        # TCP succeeds when the server accepts, a datagram when it comes
        first = [when for when in self.visits(protocol, family, True)
                 if when >= self.happened]
        return first[0] - self.happened if first else None

    def _later(self, times):
        """How long after a mark the last one before the next mark came."""
        ends = self.marks[1:] + [self.watched]
        return max((when - begin for begin, end in zip(self.marks, ends)
                    for when in times if begin <= when < end), default=0.0)

    def _gap(self, relayed):
        """When the last time that knocks in a row were not served ended."""
        times = [when for when in relayed
                 if self.marks[0] - 0.5 <= when < self.watched]
        worst = 0.0
        for before, after in zip(times, times[1:]):
            missed = sum(before < knock < after for knock in self.hammer.times)
            if missed > MISSED_ROUNDS and after > self.marks[0]:
                mark = max(mark for mark in self.marks if mark < after)
                worst = max(worst, after - mark)
        return worst
