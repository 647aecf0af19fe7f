# SPDX-License-Identifier: ISC
"""Names from the root on: each level has a host, and a server, of its own.

    with root.World(net, root.tree()) as world:
        world.write_anchor(path)
        ...

    .                   203.0.113.1   net.server
    net, org, bad, old  203.0.113.2
    example.net         203.0.113.3
    what is below it    203.0.113.4

The root and net are signed, and so is example.net, which with all below it is
a trust.Tree.  org is not signed; bad is, by another key than its DS says; what
signs old has expired.
"""

import contextlib

from . import names, trust
from .net import Namespace

HOSTS = ("root", "top", "zone", "leaf")
ADDRESSES = {host: (f"203.0.113.{number}", f"2001:db8:53::{number}")
             for number, host in enumerate(HOSTS, 1)}
# https://www.iana.org/domains/root/servers, with those that b had before
REAL = """
198.41.0.4 170.247.170.2 199.9.14.201 192.33.4.12 199.7.91.13 192.203.230.10
192.5.5.241 192.112.36.4 198.97.190.53 192.36.148.17 192.58.128.30 193.0.14.129
199.7.83.42 202.12.27.33
2001:503:ba3e::2:30 2801:1b8:10::b 2001:500:200::b 2001:500:2::c 2001:500:2d::d
2001:500:a8::e 2001:500:2f::f 2001:500:12::d0d 2001:500:1::53 2001:7fe::53
2001:503:c27::2:30 2001:7fd::1 2001:500:9f::42 2001:dc3::35
""".split()
SECURE, INSECURE, BOGUS, EXPIRED = "net", "org", "bad", "old"
TOPS = (SECURE, INSECURE, BOGUS, EXPIRED)
ROOT = """\
$ORIGIN .
$TTL 300
@ IN SOA a.root. hostmaster.root. 1 3600 600 86400 60
@ IN NS a.root.
"""
TOP = """\
$ORIGIN {name}.
$TTL 300
@ IN SOA ns.nic hostmaster 1 3600 600 86400 60
@ IN NS ns.nic
"""


def tree():
    """The domain that a World has."""
    return trust.Tree(ADDRESSES["zone"], ADDRESSES["leaf"])


def _top_zones(domain):
    """Zones by name, and the DS records that the root has of them."""
    texts = {name: TOP.format(name=name) + trust.addresses(
        "ns.nic", ADDRESSES["top"]) for name in TOPS}
    for name in (INSECURE, BOGUS, EXPIRED):
        texts[name] += f"www.example IN A {names.ADDRESS4}\n"
    texts[SECURE] += (
        "example IN NS ns.example\n"
        + trust.addresses("ns.example", ADDRESSES["zone"]) + domain.anchor)
    signed = {SECURE: names.sign(SECURE, texts[SECURE]),
              INSECURE: (texts[INSECURE], ""),
              BOGUS: (names.sign(BOGUS, texts[BOGUS])[0],
                      names.sign(BOGUS, texts[BOGUS])[1]),
              EXPIRED: names.sign(EXPIRED, texts[EXPIRED], *trust.PAST)}
    return ({name: text for name, (text, _) in signed.items()},
            "".join(ds for _, ds in signed.values()))


class World:
    """Hosts beside net's, and the servers on them and on net.server.

    A context.  real: the root has its real addresses besides its own.
    """

    def __init__(self, net, domain, real=False):
        self._net = net
        tops, keys = _top_zones(domain)
        root = ROOT + trust.addresses("a.root.", ADDRESSES["root"]) + "".join(
            f"{name} IN NS ns.nic.{name}.\n" + trust.addresses(
                f"ns.nic.{name}.", ADDRESSES["top"]) for name in TOPS) + keys
        signed, self._anchor = names.sign(".", root)
        below = dict(domain.zones)
        zone = {names.ZONE_NAME: below.pop(names.ZONE_NAME)}
        with contextlib.ExitStack() as stack:
            self._serve(stack, net.server, {".": signed}, (
                *ADDRESSES["root"], *(REAL if real else ())),
                (net.SERVER4, net.SERVER6))
            for number, (host, zones) in enumerate(
                    (("top", tops), ("zone", zone), ("leaf", below)), 3):
                self._host(stack, host, zones, number)
            self._stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._stack.close()

    def _host(self, stack, name, zones, number):
        host = Namespace(f"{self._net.tag}-{name}")
        stack.callback(host.delete)
        prefixes = f"10.74.{number}", f"fd00:74:{number}:"
        self._net.wire(host, f"{name}0", *prefixes)
        self._serve(stack, host, zones, ADDRESSES[name],
                    (f"{prefixes[0]}.2", f"{prefixes[1]}:2"))

    def _serve(self, stack, host, zones, addresses, gateways):
        host.ips(*(f"address add {address} dev lo" for address in addresses))
        self._net.gateway.ips(*(
            f"route add {address} via {gateways[':' in address]}"
            for address in addresses))
        stack.enter_context(names.Server(
            host, zones=zones, addresses=addresses))

    def write_anchor(self, path):
        path.write_text(self._anchor)

    def hints(self):
        """The text of a file of them."""
        return ". 300 IN NS a.root.\n" + "".join(
            line.replace(" IN ", " 300 IN ") + "\n" for line in
            trust.addresses("a.root.", ADDRESSES["root"]).splitlines())
