# SPDX-License-Identifier: ISC
"""Several upstreams, of which only one says what can be validated."""

import time

import pytest

from rig import names, upstreams
from test_dns_upstreams import FORWARD, SOON_S, UPSTREAMS, serving
from test_dnssec import BOGUS, INSECURE, PORT, SECURE, ask, outcome, validating
from test_dnssec import tree, zone  # pylint: disable=unused-import

FEW = len(SECURE) // 3
LATE_S = 0.03


@pytest.fixture
def addressed(net, zone):
    net.server.ips(*(f"address add {address}/24 dev eth0"
                     for address in UPSTREAMS[1:]))


def relaying(change=None, delay_s=0.0):
    def behaviour_in(net):
        return upstreams.relaying(net.server, PORT, change, delay_s)
    return behaviour_in


def silent(_):
    return upstreams.silent


strips, lies = relaying(upstreams.stripped), relaying(upstreams.forged)
tells, tells_late = relaying(), relaying(delay_s=LATE_S)


def assert_soon(net, labels, authentic):
    """Each is answered as it should be; how many took longer than that."""
    late = 0
    for label, rcode in labels.items():
        began = time.monotonic()
        assert outcome(net, label, dnssec=True) == (rcode, authentic), label
        late += time.monotonic() - began > SOON_S
    return late


def asked(upstream, labels):
    """How many of the names it was asked for."""
    return sum(bool(upstream.asked(f"{label}.example.net"))
               for label in labels)


@pytest.mark.parametrize("bad", [
    (strips, silent), (lies, silent), (strips, lies), (lies, strips)],
    ids=["strips-dead", "lies-dead", "strips-lies", "lies-strips"])
def test_the_one_that_can_be_validated_is_found(
        net, tree, addressed, tpx, bad):
    """From the first name on, and the others are hardly asked any more."""
    validating(tpx, tree, FORWARD)
    with serving(net, *(make(net) for make in (*bad, tells))) as (
            one, two, good):
        # the first one may wait for what is not known to be bad yet
        assert assert_soon(net, SECURE, True) <= 1
        # a lie about what is not signed is not known as one
        if lies not in bad:
            assert assert_soon(net, INSECURE, False) <= 1
        assert asked(good, SECURE) == len(SECURE)
        # hedges go there, too: on a busy machine some more
        assert asked(one, SECURE) + asked(two, SECURE) < 2 * FEW
        for label in BOGUS:
            assert outcome(net, label) == ("SERVFAIL", False), label


def test_the_quickest_of_unchecked_answers_is_not_asked_for_proofs(
        net, tree, addressed, tpx):
    """Who checks for himself is given what comes first, and nobody else is."""
    validating(tpx, tree, FORWARD)
    unchecked, proven = ([f"{what}{number}.wild.hashed"
                          for number in range(len(SECURE))]
                         for what in ("unchecked", "proven"))
    with serving(net, lies(net), silent(net), tells_late(net)) as (
            liar, _, good):
        for first, second in zip(unchecked, proven):
            answer = ask(net, first, checking_disabled=True)
            assert names.rcode(answer) == "NOERROR"
            assert outcome(net, second, dnssec=True) == ("NOERROR", True)
        assert asked(liar, unchecked) > len(unchecked) - FEW
        assert asked(good, proven) == len(proven)
        assert asked(liar, proven) < FEW


@pytest.mark.parametrize("bad", [
    (strips, lies), (lies, silent)], ids=["strips-lies", "lies-dead"])
def test_nothing_unproven_is_told_without_a_good_one(
        net, tree, addressed, tpx, bad):
    validating(tpx, tree, FORWARD)
    with serving(net, *(make(net) for make in (*bad, silent))):
        for label in ("www", "www.hashed"):
            assert names.rcode(ask(net, label, timeout_s=10)) == "SERVFAIL"
