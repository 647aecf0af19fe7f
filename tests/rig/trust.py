# SPDX-License-Identifier: ISC
"""A tree of signed zones (RFC 4035), in which everything is right or wrong.

    tree = trust.Tree()
    with names.Server(net.server, port=5300, zones=tree.zones):
        tree.write_anchor(path)
"""

import re

from .names import ADDRESS4, ZONE_NAME, sign

GOOD = "ECDSAP256SHA256"
CHANGED4 = "198.51.100.66"
HEAD = """\
$ORIGIN {name}.
$TTL 300
@ IN SOA ns.example.net. hostmaster 1 3600 600 86400 60
@ IN NS {server}.example.net.
"""
HOSTS = f"""\
www IN A {ADDRESS4}
*.wild IN A {ADDRESS4}
below.empty IN A {ADDRESS4}
"""
TOP = HOSTS + f"""\
changed IN A {ADDRESS4}
stripped IN A {ADDRESS4}
*.gone IN A {ADDRESS4}
alias IN CNAME www.insecure
moved IN DNAME real
www.real IN A {ADDRESS4}
"""
PAST = ("-i", "20200101", "-e", "20200201")
FUTURE = ("-i", "20400101", "-e", "20410101")
NSEC3 = ("-n", "-t", "0")
# label: algorithms of the keys, options of ldns-signzone
SIGNED = {
    "expired": ((GOOD,), PAST),
    "early": ((GOOD,), FUTURE),
    "hashed": ((GOOD,), NSEC3),
    "salted": ((GOOD,), ("-n", "-t", "5", "-s", "abcd")),
    "optout": ((GOOD,), NSEC3 + ("-p",)),
    "rolling": ((GOOD, "ED25519"), ("-U",)),
    "rsa": (("RSASHA256",), ()),
    "unproven": ((GOOD,), ()),
    "unsigned": ((GOOD,), ()),
    "otherkey": ((GOOD,), ()),
    "unknown": ((GOOD,), ()),
}


def _head(name, server="ns2"):
    return HEAD.format(name=name, server=server)


def without(text, owner, *words):
    """The records of an owner that begin with these words are left out."""
    pattern = r"^{}\.\s+\d+\s+IN\s+{}\b.*\n".format(
        re.escape(owner), r"\s+".join(words))
    changed, count = re.subn(pattern, "", text, flags=re.M)
    assert count, pattern
    return changed


def addresses(owner, values):
    """Records of addresses of both families."""
    return "".join(f"{owner} IN {'AAAA' if ':' in value else 'A'} {value}\n"
                   for value in values)


class Tree:
    """example.net and the zones below it, each with a name www.

    zones are their texts by their names; server and below are the addresses
    of its server and of theirs.  anchor is its DS.
    """

    def __init__(self, server=("10.74.2.2",), below=("10.74.2.2",)):
        self.zones, records = {}, ""
        for label, (algorithms, options) in SIGNED.items():
            name = f"{label}.{ZONE_NAME}"
            text = _head(name) + HOSTS
            signed, ds = sign(name, text, *options, algorithms=algorithms)
            self.zones[name] = self._spoilt(label, name, text, signed)
            records += f"{label} IN NS ns2\n{self._ds(label, name, ds)}"
        name = f"insecure.{ZONE_NAME}"
        self.zones[name] = _head(name) + HOSTS
        signed, self.anchor = sign(
            ZONE_NAME, _head(ZONE_NAME, "ns") + addresses("ns", server)
            + addresses("ns2", below) + TOP + "insecure IN NS ns2\n" + records)
        self.zones[ZONE_NAME] = without(
            self._changed(signed), f"stripped.{ZONE_NAME}", "RRSIG", "A")

    def _changed(self, text):
        """One address is another one than that which was signed."""
        pattern = rf"^(changed\.{ZONE_NAME}\.\s.*\sA\s+){ADDRESS4}$"
        changed, count = re.subn(pattern, rf"\g<1>{CHANGED4}", text,
                                 flags=re.M)
        assert count == 1
        return changed

    def _spoilt(self, label, name, text, signed):
        if label == "unsigned":
            return text
        if label == "unproven":
            for owner in (name, f"www.{name}", f"*.wild.{name}"):
                signed = without(signed, owner, "NSEC")
        return signed

    def _ds(self, label, name, ds):
        if label == "otherkey":
            return sign(name, _head(name))[1]
        if label == "unknown":
            # the third field from behind the type
            return re.sub(r"(\sDS\s+\d+\s+)\d+", r"\g<1>200", ds)
        return ds

    def write_anchor(self, path):
        path.write_text(self.anchor)
