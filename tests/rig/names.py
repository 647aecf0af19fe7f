# SPDX-License-Identifier: ISC
"""A name server of a test, and questions to it or to anybody.

    with names.Server(net.server, names.ZONE) as server:
        answer = names.ask(net.client, "192.0.2.53", "www.example.net", "A")
"""

import contextlib
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode

from . import proc

PORT = 53
ZONE_NAME = "example.net"
FRESH = f"fresh.{ZONE_NAME}"  # every name below it is there
ADDRESS4, ADDRESS6 = "198.51.100.7", "2001:db8::7"
MIDDLE_STRINGS = 4  # of 250 bytes: less than 1232
BIG_STRINGS = 14  # more than that
HUGE_STRINGS = 200  # more than a message between processes of tpx
ASK_S = 4.0

ZONE = f"""\
$ORIGIN {ZONE_NAME}.
$TTL 300
@ IN SOA ns hostmaster 1 3600 600 86400 60
@ IN NS ns
ns IN A 10.74.2.2
www IN A {ADDRESS4}
www IN AAAA {ADDRESS6}
alias IN CNAME www
private IN A 10.1.2.3
mapped IN AAAA ::ffff:10.1.2.3
short 1 IN A {ADDRESS4}
*.{FRESH}. IN A {ADDRESS4}
""" + "".join(
    f'middle IN TXT "{number:03}{"m" * 247}"\n'
    for number in range(MIDDLE_STRINGS)
) + "".join(
    f'big IN TXT "{number:03}{"b" * 247}"\n' for number in range(BIG_STRINGS)
) + "".join(
    f'huge IN TXT "{number:03}{"h" * 247}"\n'
    for number in range(HUGE_STRINGS))

ROOT_ZONE = f"""\
$ORIGIN .
$TTL 300
@ IN SOA root. hostmaster. 1 3600 600 86400 60
@ IN NS root.
root. IN A 10.74.2.2
root. IN AAAA fd00:74:2::2
www.example.net. IN A {ADDRESS4}
"""

BOGUS4 = "198.51.100.66"
SIGNED_BOGUS4 = "198.51.100.99"  # what was there when it was signed
SIGNED_ZONE = f"""\
$ORIGIN {ZONE_NAME}.
$TTL 300
@ IN SOA ns hostmaster 1 3600 600 86400 60
@ IN NS ns
ns IN A 10.74.2.2
www IN A {ADDRESS4}
bogus IN A {SIGNED_BOGUS4}
"""


class Server:
    """An authoritative server (nsd) for one zone, or for several by name.

    On port 53, if not told otherwise, and of any address or of these.  A
    context.
    """

    def __init__(self, namespace, zone=ZONE, name=ZONE_NAME, port=PORT,
                 zones=None, addresses=()):
        zones = zones or {name: zone}
        self._home = pathlib.Path(tempfile.mkdtemp(prefix="tpx-nsd-"))
        for number, text in enumerate(zones.values()):
            (self._home / f"zone{number}").write_text(text)
        (self._home / "conf").write_text("server:\n" + "".join(
            f"  ip-address: {address}\n" for address in (
                addresses and ("127.0.0.1", *addresses))) + f"""\
  port: {port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{self._home}"
  database: ""
  logfile: "{self._home}/log"
  pidfile: ""
  xfrdfile: ""
  zonelistfile: "{self._home}/zones"
  xfrdir: "{self._home}"
  rrl-ratelimit: 0
  ipv4-edns-size: 1232
  ipv6-edns-size: 1232
remote-control:
  control-enable: no
""" + "".join(f'zone:\n  name: "{of}"\n  zonefile: "zone{number}"\n'
              for number, of in enumerate(zones)))
        try:
            self.process = namespace.spawn("nsd", "-d", "-c",
                                           self._home / "conf")
            for of in zones:
                proc.wait_until(lambda: ask(
                    namespace, "127.0.0.1", of, "SOA", port=port,
                    timeout_s=1).answer, 10, f"nsd answers for {of}")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        with contextlib.suppress(AttributeError):
            self.process.stop()
        shutil.rmtree(self._home, ignore_errors=True)


def _ldns(home, program, *words):
    return subprocess.run([program, *words], cwd=home, check=True,
                          capture_output=True, text=True).stdout.strip()


def sign(name, text, *options, algorithms=("ECDSAP256SHA256",)):
    """Zone and DS records of a text, signed with keys of its own."""
    with tempfile.TemporaryDirectory(prefix="tpx-sign-") as home:
        home = pathlib.Path(home)
        (home / "zone").write_text(text)
        keys = [_ldns(home, "ldns-keygen", "-a", algorithm, "-b", "2048",
                      "-k", name) for algorithm in algorithms]
        _ldns(home, "ldns-signzone", *options, "zone", *keys)
        return (home / "zone.signed").read_text(), "".join(
            (home / f"{key}.ds").read_text() for key in keys)


class SignedServer(Server):
    """The same for a signed zone; the record of one name is another one."""

    def __init__(self, namespace, port=53):
        zone, self._anchor = sign(ZONE_NAME, SIGNED_ZONE, "-n")
        super().__init__(namespace, zone.replace(SIGNED_BOGUS4, BOGUS4),
                         port=port)

    def write_anchor(self, path):
        path.write_text(f"; of a test\n{self._anchor}")


def question(name, kind="A", edns=1232, checking_disabled=False,
             dnssec=False):
    """A question as a stub resolver sends it; dnssec: with DO."""
    options = {"use_edns": 0, "payload": edns} if edns else {}
    query = dns.message.make_query(name, kind, want_dnssec=dnssec, **options)
    if checking_disabled:
        query.flags |= dns.flags.CD
    return query


def _exchange_udp(sock, address, port, query):
    sock.connect((address, port))  # so that another source is not heard
    sock.send(query.to_wire())
    while True:
        answer = dns.message.from_wire(sock.recv(65535))
        # a late one may be for who had that port before
        if answer.id == query.id:
            return answer


def _exchange_tcp(sock, address, port, query):
    sock.connect((address, port))
    wire = query.to_wire()
    sock.sendall(struct.pack("!H", len(wire)) + wire)
    parts, want = b"", 2
    while len(parts) < want:
        part = sock.recv(65537)
        if not part:
            raise EOFError("the connection ended in an answer")
        parts += part
        if len(parts) >= 2:
            want = 2 + struct.unpack_from("!H", parts)[0]
    return dns.message.from_wire(parts[2:])


def ask(namespace, address, name, kind="A", tcp=False, port=53,
        timeout_s=ASK_S, source=None, **options):
    """The answer that comes from exactly that address, or TimeoutError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    query = question(name, kind, **options)
    with namespace.socket(family, socket.SOCK_STREAM if tcp
                          else socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout_s)
        if source:
            sock.bind(source)
        exchange = _exchange_tcp if tcp else _exchange_udp
        answer = exchange(sock, address, port, query)
    assert query.is_response(answer), f"not an answer: {answer}"
    return answer


def texts(answer):
    """The records of an answer, without names and times."""
    return {item.to_text() for rrset in answer.answer for item in rrset}


def is_cut(answer):
    return bool(answer.flags & dns.flags.TC)


def reasons(answer):
    """The numbers of its extended errors (RFC 8914)."""
    return {option.code for option in answer.options
            if option.otype == dns.edns.OptionType.EDE}


def is_authentic(answer):
    return bool(answer.flags & dns.flags.AD)


def rcode(answer):
    return dns.rcode.to_text(answer.rcode())
