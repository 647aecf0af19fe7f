# SPDX-License-Identifier: ISC
"""Names are looked up from a signed root on, and what it signs is believed."""

import pytest

from conftest import configuration
from rig import names, proc, root
from test_dnssec import (
    ASKED, REASONS, ask, assert_judged, outcome, ready, validating)


@pytest.fixture(scope="module")
def tree():
    return root.tree()


@pytest.fixture
def routed(net):
    """A way to whomever is asked."""
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)


def answer_of(net, name, **options):
    """(rcode, addresses, is it said to be authentic, reasons)"""
    answer = names.ask(net.client, ASKED, name, **options)
    return (names.rcode(answer), names.texts(answer),
            names.is_authentic(answer), names.reasons(answer))


def assert_tops_judged(net):
    good = ("NOERROR", {names.ADDRESS4}, False, set())
    for name, answer in (
            (f"www.example.{root.INSECURE}", good),
            (f"www.example.{root.BOGUS}", ("SERVFAIL", set(), False, {9})),
            (f"www.example.{root.EXPIRED}", ("SERVFAIL", set(), False, {7}))):
        assert answer_of(net, name) == answer
        assert answer_of(net, name, tcp=True) == answer
        assert answer_of(net, name, checking_disabled=True) == good
    absent = names.ask(net.client, ASKED, "www.absent", dnssec=True)
    assert names.rcode(absent) == "NXDOMAIN" and names.is_authentic(absent)


def test_what_the_named_root_leads_to_is_judged(net, tree, routed, tpx):
    """Nobody has the addresses of the real one."""
    with root.World(net, tree) as world:
        validating(tpx, world, 'dns recurse\ndns root-hints "hints"',
                   hints=world.hints())
        ready(net)
        assert_judged(net, REASONS)
        assert_tops_judged(net)


def test_without_hints_the_real_root_servers_are_asked(
        net, tree, routed, tpx):
    with root.World(net, tree, real=True) as world:
        validating(tpx, world, "dns recurse")
        ready(net)
        assert_judged(net, REASONS)
        assert_tops_judged(net)


def test_without_an_anchor_only_the_real_root_is_believed(
        net, tree, routed, tpx):
    """Not one at its addresses that another key has signed."""
    unchecked = {"checking_disabled": True}
    with root.World(net, tree, real=True) as world:
        instance = tpx("dns recurse")
        proc.wait_until(lambda: names.texts(ask(
            net, "www", timeout_s=1, **unchecked)) == {names.ADDRESS4}, 10,
            "an answer")
        for name in ("www.example.net", "www.insecure.example.net",
                     f"www.example.{root.INSECURE}", "www.absent"):
            for tcp in (False, True):
                assert answer_of(net, name, tcp=tcp) == (
                    "SERVFAIL", set(), False, {9}), name
        assert outcome(net, "www", **unchecked) == ("NOERROR", False)
        assert names.rcode(names.ask(
            net.client, ASKED, "www.absent", **unchecked)) == "NXDOMAIN"
        assert {row["dnssec"] for row in instance.rows(
            8, "rcode = 'SERVFAIL'", view="dns")} == {"bogus"}
        # its own key is what it lacked
        world.write_anchor(instance.home / "anchor")
        instance.configure(configuration(
            'dns recurse\ndns trust-anchor "anchor"'))
        instance.ctl("reload")
        ready(net)
        assert outcome(net, "www", dnssec=True) == ("NOERROR", True)
