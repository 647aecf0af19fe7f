# SPDX-License-Identifier: ISC
"""Servers that validate themselves: CD (RFC 4035, 3.2.2) reaches them too."""

import contextlib
import time

import pytest

from rig import dot, names, proxies, unbound, upstreams
from test_dns_upstreams import FORWARD, SOON_S, serving
from test_dnssec import (
    BOGUS, HANGING, PORT, REASONS, SECURE, ask, assert_judged, outcome, ready,
    validating)
from test_dnssec import tree, zone  # pylint: disable=unused-import
from test_dnssec_upstreams import addressed  # pylint: disable=unused-import

VALIDATOR_PORT = 5301
VALIDATOR = unbound.conf(
    f"0.0.0.0@{VALIDATOR_PORT}", f"127.0.0.1@{PORT}",
    "access-control: 0.0.0.0/0 allow", "do-not-query-localhost: no",
    'module-config: "validator iterator"', 'trust-anchor-file: "{home}/anchor"')


@pytest.fixture
def anchor(tree, tmp_path):
    tree.write_anchor(tmp_path / "anchor")
    return tmp_path / "anchor"


@pytest.fixture
def validator(net, zone, anchor):
    with proxies.configured(
            net.server, "127.0.0.1", VALIDATOR_PORT, VALIDATOR, *unbound.ARGV,
            files={"anchor": anchor.read_text()}):
        yield f"dns forward {{ {net.SERVER4}@{VALIDATOR_PORT} }}\n"


@contextlib.contextmanager
def by_tls(net, home, anchor):
    """Its statements, and the authority that certifies it."""
    authority = dot.Authority(home)
    with dot.Server(net.server, authority, "dns.test", stub_port=PORT,
                    anchor=anchor):
        yield (f'dns forward tls {{ {net.SERVER4} "dns.test" }}\n'
               'dns tls-authorities "ca"', authority.path.read_text())


def assert_told(net):
    """What is forged is told with CD alone, whatever was asked before."""
    for _ in range(2):
        for checking_disabled in (True, False):
            for label, rcode in BOGUS.items():
                assert outcome(
                    net, label, checking_disabled=checking_disabled) == (
                    rcode if checking_disabled else "SERVFAIL", False), label


def test_what_it_finds_forged_is_told_with_cd(net, tree, validator, tpx):
    """Who validates as well says why it is forged."""
    validating(tpx, tree, validator)
    ready(net)
    assert_judged(net, REASONS)


def test_it_is_told_by_who_does_not_validate(net, tree, validator, tpx):
    """And nobody claims to have proven anything."""
    instance = validating(tpx, tree, f"{validator}dns validate no")
    ready(net)
    assert_told(net)
    for label, rcode in SECURE.items():
        assert outcome(net, label, dnssec=True) == (rcode, False), label
    row, = instance.rows(1, "qname LIKE 'www.rsa.%'", view="dns")
    assert row["dnssec"] is None


@pytest.mark.parametrize("validate", ["yes", "no"])
def test_it_is_told_by_tls(net, tree, zone, tpx, anchor, tmp_path, validate):
    """Also when its own validation does not come to an end."""
    with by_tls(net, tmp_path, anchor) as (statements, ca):
        validating(tpx, tree, f"{statements}\ndns validate {validate}", ca=ca)
        ready(net)
        assert outcome(net, HANGING, checking_disabled=True) == (
            BOGUS[HANGING], False)
        assert_told(net)


@pytest.mark.parametrize("bad", [upstreams.silent, upstreams.servfail])
def test_it_is_told_when_others_are_no_good(
        net, tree, addressed, validator, tpx, bad):
    """The next one is asked soon with CD, too, and each that is."""
    validating(tpx, tree, FORWARD)
    late = 0
    with serving(net, bad, bad,
                 upstreams.relaying(net.server, VALIDATOR_PORT)) as (*_, good):
        for label, rcode in BOGUS.items():
            began = time.monotonic()
            assert outcome(net, label, checking_disabled=True) == (
                rcode, False), label
            late += time.monotonic() - began > SOON_S
            assert good.asked(f"{label}.example.net")
            assert names.rcode(ask(net, label)) == "SERVFAIL", label
    assert late <= 1
