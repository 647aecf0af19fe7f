# SPDX-License-Identifier: ISC
"""Zones with a bit of everything, all on one server.

    with zones.serve(net.server, port=5300, anchors=path):
        ...

PLAIN has no anchor above it.  SIGNED, HASHED and EXPIRED have one of their own;
DEEP and INSECURE are below SIGNED, the one with a DS, the other without.
"""

from . import names

ROOT, PLAIN, INSECURE = ".", "example.net", "insecure.signed.example"
SIGNED, DEEP, HASHED = "signed.example", "deep.signed.example", "nsec3.example"
EXPIRED = "expired.example"
REVERSE4, REVERSE6 = "100.51.198.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"
MANY, MORE, BIG, HUGE = 27, 90, 14, 100
# what is served in the place of what was signed
GOOD4, BOGUS4 = "198.51.100.98", "198.51.100.66"
GOOD_TEXT, BOGUS_TEXT = "as it was signed", "as it is"

HEAD = """\
$ORIGIN {name}.
$TTL {ttl_s}
@ IN SOA ns hostmaster 7 3600 600 864000 {negative_s}
@ IN NS ns
@ IN NS ns2
ns IN A 10.74.2.2
ns IN AAAA fd00:74:2::2
ns2 IN A 10.74.2.2
"""
DATA = """\
@ IN MX 10 mail
@ IN MX 20 mail.example.net.
@ IN TXT "v=spf1 -all"
www IN A 198.51.100.7
www IN AAAA 2001:db8::7
mail IN A 198.51.100.25
mail IN A 198.51.100.26
mail IN AAAA 2001:db8::25
mail IN MX 5 mail
txt IN TXT "one" "two" "" "\\"quoted\\\\"
txt IN TXT "another"
_sip._tcp IN SRV 1 2 5060 www
_sip._tcp IN SRV 1 3 5061 mail
a.b.c.empty IN A 198.51.100.30
*.wild IN A 198.51.100.40
*.wild IN TXT "wild"
*.wild IN MX 1 mail
is.wild IN TXT "not the wild one"
*.turn IN CNAME www
alias IN CNAME www
alias1 IN CNAME alias2
alias2 IN CNAME alias3
alias3 IN CNAME alias4
alias4 IN CNAME alias5
alias5 IN CNAME www
away IN CNAME www.example.net.
nowhere IN CNAME absent
nodata IN CNAME txt
dangling IN CNAME absent.elsewhere.org.
loop1 IN CNAME loop2
loop2 IN CNAME loop1
tree IN DNAME www
below.www IN A 198.51.100.41
moved IN DNAME example.net.
caa IN CAA 0 issue "ca.example.net"
naptr IN NAPTR 100 50 "s" "SIP+D2U" "" _sip._tcp
hinfo IN HINFO "cpu" "os"
rp IN RP mail txt
afsdb IN AFSDB 1 mail
kx IN KX 10 mail
tlsa IN TLSA 3 1 1 d2abde240d7cd3ee6b4b28c54df034b9
sshfp IN SSHFP 1 1 2222222222222222222222222222222222222222
loc IN LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
https IN TYPE65 \\# 3 000100
private IN TYPE65280 \\# 4 0a000001
zero 0 IN A 198.51.100.50
year 31536000 IN A 198.51.100.51
odd\\.label IN A 198.51.100.60
odd\\032\\255 IN A 198.51.100.61
CamelCase IN A 198.51.100.62
""" + "".join(
    [f"many IN A 198.51.100.{n + 1}\n" for n in range(MANY)]
    + [f"more IN AAAA 2001:db8::{n + 1:x}\n" for n in range(MORE)]
    + [f'big IN TXT "{n:03}{"b" * 247}"\n' for n in range(BIG)]
    + [f'huge IN TXT "{n:03}{"h" * 247}"\n' for n in range(HUGE)])
CHANGED = f"""\
bogus IN A {GOOD4}
bogus IN TXT "{GOOD_TEXT}"
"""
CUTS = f"""\
deep IN NS ns.deep
ns.deep IN A 10.74.2.2
insecure IN NS ns.insecure
ns.insecure IN A 10.74.2.2
"""
ROOT_ZONE = """\
$ORIGIN .
$TTL 7200
. IN SOA root. hostmaster. 1 3600 600 86400 900
. IN NS root.
root. IN A 10.74.2.2
net. IN TXT "so that there is something"
org. IN TXT "so that there is something"
example. IN TXT "so that there is something"
in-addr.arpa. IN TXT "so that there is something"
ip6.arpa. IN TXT "so that there is something"
"""
REVERSE4_DATA = "".join(
    f"{n} IN PTR host{n}.example.net.\n" for n in range(1, 60))
REVERSE6_DATA = "7.{} IN PTR www.example.net.\n".format(".".join("0" * 23))


def _head(name, ttl_s=7200, negative_s=900):
    return HEAD.format(name=name, ttl_s=ttl_s, negative_s=negative_s)


def _falsify(signed):
    return signed.replace(GOOD4, BOGUS4).replace(GOOD_TEXT, BOGUS_TEXT)


def build():
    """All zones, by name, and the DS records of those with an anchor."""
    served = {
        ROOT: ROOT_ZONE,
        PLAIN: _head(PLAIN) + DATA,
        # beyond what may be kept of either kind
        INSECURE: _head(INSECURE, 90000, 7000) + DATA,
        REVERSE4: _head(REVERSE4) + REVERSE4_DATA,
        REVERSE6: _head(REVERSE6) + REVERSE6_DATA,
    }
    deep, below = names.sign(
        DEEP, _head(DEEP, 3000, 300) + DATA + CHANGED, "-n")
    signed, anchor = names.sign(
        SIGNED, _head(SIGNED) + DATA + CHANGED + CUTS + below)
    hashed, anchor3 = names.sign(
        HASHED, _head(HASHED) + DATA + CHANGED, "-n", "-s", "abcd")
    expired, anchor_of_old = names.sign(
        EXPIRED, _head(EXPIRED) + DATA, "-i", "20200101", "-e", "20200201")
    served |= {DEEP: _falsify(deep), SIGNED: _falsify(signed),
               HASHED: _falsify(hashed), EXPIRED: expired}
    return served, anchor + anchor3 + anchor_of_old


def serve(namespace, port, anchors):
    """The server of all of them; what to trust is written to a path."""
    served, trusted = build()
    anchors.write_text(trusted)
    return names.Server(namespace, port=port, zones=served)
