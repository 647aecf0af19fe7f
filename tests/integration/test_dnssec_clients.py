# SPDX-License-Identifier: ISC
"""Clients that validate for themselves get all that they need for it."""

import re

import pytest

from rig import names, proxies, unbound
from test_dnssec import ASKED, BOGUS, INSECURE, PORT, SECURE, assert_judged
from test_dnssec import validating
from test_dnssec import tree, zone  # pylint: disable=unused-import

OWN = "127.0.0.1"
TRUSTED = 'trust-anchors {{ "{}" static-ds {} {} {} "{}"; }};\n'
# by opt-out, which BIND does not tell from proven (RFC 5155, 9.2)
OPTED_OUT = "absent.optout"
# of delv(1): what it says of each kind of name
VERDICTS = {
    "fully validated": {**SECURE, OPTED_OUT: "NXDOMAIN"},
    "unsigned answer": {label: rcode for label, rcode in INSECURE.items()
                        if label != OPTED_OUT},
    "resolution failed": BOGUS,
}


@pytest.fixture(params=["yes", "no"], ids=["validating", "trusting"])
def gateway(request, net, tree, zone, tpx):
    """Whether tpx validates as well."""
    forward = f"dns forward {{ {net.SERVER4}@{PORT} }}"
    if request.param == "yes":
        return validating(tpx, tree, forward)
    return tpx(f"{forward}\ndns validate no")


def test_unbound_comes_to_the_same(net, tree, gateway, tmp_path):
    anchor = tmp_path / "anchor"
    tree.write_anchor(anchor)
    with proxies.configured(net.client, OWN, 53, unbound.conf(
            OWN, ASKED, 'module-config: "validator iterator"',
            f'trust-anchor-file: "{anchor}"'), *unbound.ARGV):
        assert_judged(net, {}, OWN)


def test_delv_comes_to_the_same(net, tree, gateway, tmp_path):
    anchor = tmp_path / "anchor"
    tree.write_anchor(anchor)
    fields = re.search(r"DS\s+(\d+) (\d+) (\d+) (\w+)", anchor.read_text())
    anchor.write_text(TRUSTED.format(names.ZONE_NAME, *fields.groups()))
    for verdict, labels in VERDICTS.items():
        for label in labels:
            done = net.client.run(
                "delv", f"@{ASKED}", "-a", anchor,
                f"+root={names.ZONE_NAME}", f"{label}.{names.ZONE_NAME}",
                check=False)
            assert verdict in done.stdout + done.stderr, (label, done)
            assert (names.ADDRESS4 in done.stdout) == (
                labels[label] == "NOERROR" and not label.startswith("empty")
                and labels is not BOGUS), (label, done)
