# SPDX-License-Identifier: ISC
"""What is compared: plain routing, HAProxy and tpx.

Each contender stands in client, gateway and server namespaces of its own, so
that nobody's rules (or conntrack) slow another one down.
"""

import collections
import contextlib
import os
import resource
import tempfile
import threading

from rig import proc, proxies
from rig import tpx as instance
from rig.net import Topology

PORT = 8080
SERVERS = 2
# The server answers on all of a network: no run is short of ports.
NETWORK4, FIRST4 = "10.74.128.0/17", "10.74.128.1"
NETWORK6, FIRST6 = "fd00:74:3::/64", "fd00:74:3::1"

HAPROXY_PORT = 7400
HAPROXY_CONFIG = f"""
global
    nbthread 2
    maxconn 4200
    maxpipes 256
defaults
    mode tcp
    option splice-auto
    option splice-request
    option splice-response
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend captured
    bind 0.0.0.0:{HAPROXY_PORT} transparent
    bind [::]:{HAPROXY_PORT} transparent v6only
    default_backend original
backend original
    server clear 0.0.0.0:0
"""
# A SYN is never diverted: its port may still have a socket in TIME_WAIT.
HAPROXY_RULES = f"""
table inet capture {{
    chain prerouting {{
        type filter hook prerouting priority mangle
        tcp flags & (syn | ack) != syn socket transparent 1 \\
            meta mark set 1 accept
        iifname {Topology.CLIENT_IF} meta nfproto ipv4 meta l4proto tcp \\
            tproxy ip to :{HAPROXY_PORT} meta mark set 1 accept
        iifname {Topology.CLIENT_IF} meta nfproto ipv6 meta l4proto tcp \\
            tproxy ip6 to :{HAPROXY_PORT} meta mark set 1 accept
    }}
}}
"""

SOCKS_PORT = 1080
REDSOCKS_PORT = 12345
REDSOCKS_CONFIG = f"""
base {{
    log_debug = off;
    log_info = off;
    log = stderr;
    daemon = off;
    redirector = iptables;
    redsocks_conn_max = 20000;
    rlimit_nofile = 20000;
}}
redsocks {{
    local_ip = 0.0.0.0;
    local_port = {REDSOCKS_PORT};
    ip = {Topology.SERVER4};
    port = {SOCKS_PORT};
    type = socks5;
    listenq = 1024;
}}
"""
REDSOCKS_RULES = f"""
table ip capture {{
    chain prerouting {{
        type nat hook prerouting priority dstnat
        iifname {Topology.CLIENT_IF} meta l4proto tcp \
            redirect to :{REDSOCKS_PORT}
    }}
}}
"""

LOG_LIFE_S = 0.2
LOOK_S = 1.0
# of the last seconds: what the log has besides was not there in every round
LOOKS = ("top", "--since", "10s"), ("--json", "flows", "--live")

TPX_CONFIG = f"""
on-failure open
lease 3s
workers 2
capture forwarded on {{ {Topology.CLIENT_IF} }}
default relay
"""


class CannotMeasure(Exception):
    """Why a figure could not be had."""


def raise_descriptor_limit():
    """To the hard limit, which every child inherits; that limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Contender:
    """Plain routing, and the base of the others.  A context."""

    name = "routed"

    def __init__(self, load, build=None, target=FIRST4):
        self.load = load
        self.build = build
        self.target = target
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            self.net = self._stack.enter_context(Topology())
            self._tune()
            self._serve()
            self._capture()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exception):
        self._stack.close()

    def another(self, kind=None):
        """One of that kind, or like it, with its settings; not started yet."""
        return (kind or type(self))(self.load, self.build, self.target)

    def pids(self):
        """Every process of the proxy."""
        return []

    def workers(self):
        """Those that carry the traffic."""
        return self.pids()

    def lasting(self):
        """Those that must not be replaced while something is measured."""
        return self.pids()

    @contextlib.contextmanager
    def on_cpu(self, cpu):
        """Meanwhile, its processes and its servers run on that CPU only."""
        anywhere = os.sched_getaffinity(0)
        tasks = [task for side in (self.net.gateway, self.net.server)
                 for pid in side.pids() for task in proc.tasks(pid)]
        try:
            for task in tasks:
                os.sched_setaffinity(task, {cpu})
            yield
        finally:
            for task in tasks:
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(task, anywhere)

    def cpu_s(self):
        """CPU time that the proxy has used since its start."""
        return sum(map(proc.cpu_s, self.pids()))

    def workers_s(self):
        """What of it those have used that carry the traffic."""
        return sum(map(proc.cpu_s, self.workers()))

    def pss_kib(self):
        """Memory of the proxy."""
        return sum(map(proc.pss_kib, self.pids()))

    def pss_by_mapping_kib(self):
        """The same, by what is mapped."""
        return sum(map(proc.pss_by_mapping_kib, self.pids()),
                   collections.Counter())

    def forwarded(self):
        """Packets that the gateway has routed: none may pass a proxy."""
        lines = self.net.gateway.run("cat", "/proc/net/snmp",
                                     "/proc/net/snmp6").stdout.splitlines()
        names, values = (line.split() for line in lines[:2])
        packets = int(values[names.index("ForwDatagrams")])
        for line in lines:
            if line.startswith("Ip6OutForwDatagrams"):
                packets += int(line.split()[1])
        return packets

    def check_since(self, pids, forwarded):
        """Refuse a figure when it is not the proxy's own work."""
        if self.lasting() != pids:
            raise CannotMeasure("a process was replaced meanwhile")
        past = self.forwarded() - forwarded
        if pids and past:
            raise CannotMeasure(f"{past} packets went past the proxy")

    def _tune(self):
        net = self.net
        for namespace in (net.client, net.gateway, net.server):
            namespace.sysctl("net.ipv4.ip_local_port_range", "1024 65535")
        net.server.ip("route", "add", "local", NETWORK4, "dev", "lo")
        net.server.ip("-6", "route", "add", "local", NETWORK6, "dev", "lo")
        net.gateway.ip("route", "add", NETWORK4, "via", net.SERVER4)
        net.gateway.ip("-6", "route", "add", NETWORK6, "via", net.SERVER6)

    def _serve(self):
        for _ in range(SERVERS):
            server = self._stack.enter_context(
                self.net.server.spawn(self.load, "serve", PORT))
            server.wait_output("^ready$")

    def _capture(self):
        pass


class HAProxy(Contender):
    name = "haproxy"
    config, rules = HAPROXY_CONFIG, HAPROXY_RULES

    def _capture(self):
        gateway = self.net.gateway
        for family in ("-4", "-6"):
            gateway.ip(family, "rule", "add", "fwmark", 1, "lookup", 100)
            gateway.ip(family, "route", "add", "local", "default",
                       "dev", "lo", "table", 100)
        gateway.nft(self.rules)
        config = self._stack.enter_context(
            tempfile.NamedTemporaryFile("w", prefix="tpx-bench-"))
        config.write(self.config)
        config.flush()
        self.haproxy = self._stack.enter_context(
            gateway.spawn("haproxy", "-db", "-f", config.name))
        proc.wait_until(self._listening, what="haproxy listens")

    def _listening(self):
        if not self.haproxy.running():
            raise CannotMeasure(self.haproxy.output())
        return self.net.gateway.run("ss", "-Hltn", "sport", "=",
                                    f":{HAPROXY_PORT}").stdout

    def pids(self):
        return [self.haproxy.pid]


class Tpx(Contender):
    name = "tpx"
    config = TPX_CONFIG

    def _capture(self):
        self.tpx = self._stack.enter_context(
            instance.Tpx(self.net.gateway, self.build, self.config))

    def pids(self):
        return sorted(self.tpx.pids())

    def workers(self):
        return self.tpx.by_role()["relay"]

    def lasting(self):
        """Not the flow log, whose end has to cost nothing."""
        log = self.tpx.by_role()["flowlog"]
        return sorted(set(self.pids()) - set(log))

    @contextlib.contextmanager
    def _again(self, pause_s, act):
        """Meanwhile act() happens, and again after each pause."""
        closing, errors = threading.Event(), []

        def run():
            try:
                act()
                while not closing.wait(pause_s):
                    act()
            except (OSError, RuntimeError, LookupError) as error:
                errors.append(error)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            closing.set()
            thread.join()
        if errors:
            raise CannotMeasure(f"meanwhile: {errors[0]}")

    def killing_log(self):
        """No flow log lives for long."""
        return self._again(LOG_LIFE_S, lambda: proc.kill(
            self.tpx.by_role()["flowlog"]))

    def watching(self):
        """Somebody looks at the counters of flows all the time."""
        def look():
            for words in LOOKS:
                self.tpx.ctl(*words)
        return self._again(LOOK_S, look)


class TpxUnlogged(Tpx):
    """Without rows."""

    name = "tpx, without log"
    config = TPX_CONFIG.replace("default", "relay to any log no\ndefault")


class TpxSource(Tpx):
    """The server sees the client's address."""

    name = "tpx, source client"
    config = TPX_CONFIG.replace("default",
                                "relay to any source client\ndefault")


class TpxSocks(Tpx):
    """By way of a SOCKS5 server."""

    name = "tpx, socks"
    config = TPX_CONFIG.replace("default relay", f"""
upstream socks socks5 {Topology.SERVER4}:{SOCKS_PORT}
default relay via socks""")

    def _capture(self):
        self._stack.enter_context(proxies.microsocks(
            self.net.server, self.net.SERVER4, SOCKS_PORT))
        super()._capture()


class Redsocks(Contender):
    """The same, by redsocks; IPv4 alone."""

    name = "redsocks"

    def _capture(self):
        self._stack.enter_context(proxies.microsocks(
            self.net.server, self.net.SERVER4, SOCKS_PORT))
        gateway = self.net.gateway
        gateway.nft(REDSOCKS_RULES)
        self.redsocks = self._stack.enter_context(proxies.configured(
            gateway, "127.0.0.1", REDSOCKS_PORT, REDSOCKS_CONFIG,
            "redsocks", "-c"))

    def pids(self):
        return [self.redsocks.pid]


def contenders(build):
    """Classes of the contenders: tpx is one if it has been built."""
    own = [Tpx] if build else []
    return [Contender, HAProxy, *own]
