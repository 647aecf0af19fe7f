# SPDX-License-Identifier: ISC
"""Who answers names: tpx, unbound, dnsdist and dnsmasq, all with their logs.

Each stands in namespaces of its own, with a server behind it that knows every
name below NAME, and clients of many addresses.
"""

from contenders import Contender
from rig import names, proc, proxies, unbound
from rig.net import Topology
from rig.tpx import Tpx

PORT, UPSTREAM_PORT = 53, 5300
NAME = "bench.example"
KNOWN = 5000  # names n0, n1, ..., each with addresses of its own
ZONE = f"""\
$ORIGIN {NAME}.
$TTL 86400
@ IN SOA ns hostmaster 1 3600 600 86400 3600
@ IN NS ns
ns IN A {Topology.SERVER4}
* IN A 198.51.100.7
""" + "".join(
    f"n{n} IN A 198.18.{n // 256}.{n % 256}\nn{n} IN AAAA 2001:db8::{n:x}\n"
    for n in range(KNOWN))
UPSTREAM = f"{Topology.SERVER4}@{UPSTREAM_PORT}"
ANYBODY4 = "192.0.2.53"  # whom the clients of tpx ask
# No client asks more than tpx's limits allow: each socket of the load has one
# of these addresses, by its port, without a connection that is tracked.
FIRST_ADDRESS, ADDRESSES = 10, 240
ADDRESS_OF = "10.74.1.{}".format
SPREAD = f"""
table ip spread {{
    chain out {{
        type filter hook output priority raw
        ip daddr {{ {Topology.GATEWAY4}, {ANYBODY4} }} udp dport {PORT} \\
            ip saddr set udp sport & 255 map {{ {", ".join(
                f"{n} : {ADDRESS_OF(FIRST_ADDRESS + n % ADDRESSES)}"
                for n in range(256))} }}
    }}
    chain in {{
        type filter hook prerouting priority raw
        udp sport {PORT} ip daddr set {Topology.CLIENT4}
    }}
}}
"""

TPX_CONFIG = f"""
on-failure closed
lease 10s
workers 2
capture forwarded on {{ {Topology.CLIENT_IF} }}
dns forward {{ {UPSTREAM} }}
dns validate no
"""
UNBOUND = unbound.conf(
    f"{Topology.GATEWAY4}@{PORT}", UPSTREAM, 'logfile: "{home}/log"',
    "log-queries: yes", "access-control: 0.0.0.0/0 allow", "num-threads: 2",
    "so-reuseport: yes", 'module-config: "iterator"', "msg-cache-size: 64m",
    "rrset-cache-size: 64m", "outgoing-range: 4096",
    "num-queries-per-thread: 4096")
DNSDIST = f"""\
setLocal("{Topology.GATEWAY4}:{PORT}", {{reusePort=true}})
addLocal("{Topology.GATEWAY4}:{PORT}", {{reusePort=true}})
setACL("0.0.0.0/0")
setSecurityPollSuffix("")
server = newServer({{address="{Topology.SERVER4}:{UPSTREAM_PORT}", sockets=8}})
server:setUp()
cache = newPacketCache(1000000, {{maxTTL=86400, numberOfShards=8}})
getPool(""):setCache(cache)
addAction(AllRule(), LogAction("{{home}}/log", true, false, true))
"""
DNSMASQ = f"""\
user=root
no-resolv
no-hosts
server={Topology.SERVER4}#{UPSTREAM_PORT}
listen-address={Topology.GATEWAY4}
bind-interfaces
cache-size=100000
dns-forward-max=5000
log-queries
log-async=100
log-facility={{home}}/log
"""


class Resolver(Contender):
    """A peer that is asked by the gateway's address."""

    address = Topology.GATEWAY4
    text, argv = "", ()

    def __init__(self, build=None):
        super().__init__(None, build, self.address)

    def _tune(self):
        net = self.net
        net.client.run("ip", "-batch", "-", input="".join(
            f"address add {ADDRESS_OF(FIRST_ADDRESS + number)}/24 dev eth0\n"
            for number in range(ADDRESSES)))
        net.client.nft(SPREAD)
        net.gateway.ip("route", "add", "default", "via", net.SERVER4)
        for namespace in (net.client, net.gateway, net.server):
            namespace.sysctl("net.ipv4.ip_local_port_range", "1024 65535")

    def _serve(self):
        self._stack.enter_context(names.Server(
            self.net.server, ZONE, NAME, port=UPSTREAM_PORT))

    def _capture(self):
        self.process = self._stack.enter_context(proxies.configured(
            self.net.gateway, Topology.GATEWAY4, PORT, self.text, *self.argv))

    def pids(self):
        return [self.process.pid]

    def hits(self):
        """Answers from the cache so far, if it counts them."""
        return None

    def settle(self):
        """Waits until what was asked is in the log."""

    def lost(self):
        """Questions that will never be there."""
        return 0


class TpxResolver(Resolver):
    name = "tpx"
    address = ANYBODY4

    def _capture(self):
        self.tpx = self._stack.enter_context(
            Tpx(self.net.gateway, self.build, TPX_CONFIG))

    def pids(self):
        return sorted(self.tpx.pids())

    def hits(self):
        # workers tell what they have counted with their heartbeats
        return proc.settled(
            lambda: self.tpx.status()["dns"]["cache_hits"], quiet_s=2)

    def settle(self):
        proc.settled(lambda: self.tpx.sql(
            "SELECT count(*) AS n FROM dns")[0]["n"], quiet_s=1)

    def lost(self):
        return self.tpx.sql("SELECT total(count) AS n FROM drops")[0]["n"]


class Unbound(Resolver):
    name = "unbound"
    text, argv = UNBOUND, unbound.ARGV


class Dnsdist(Resolver):
    name = "dnsdist"
    text, argv = DNSDIST, ("dnsdist", "--supervised", "-C")


class Dnsmasq(Resolver):
    name = "dnsmasq"
    text, argv = DNSMASQ, ("dnsmasq", "-k", "-C")


def resolvers(build):
    """Classes of all of them: tpx is one if it has been built."""
    own = [TpxResolver] if build else []
    return [*own, Unbound, Dnsdist, Dnsmasq]
