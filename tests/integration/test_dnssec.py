# SPDX-License-Identifier: ISC
"""Answers are validated: what is proven, what is not signed, what is forged."""

import pytest

from conftest import configuration
from rig import dot, names, proc, trust

ASKED = "192.0.2.53"
PORT = 5300
# name: rcode
SECURE = {
    "www": "NOERROR", "absent": "NXDOMAIN", "any.wild": "NOERROR",
    "empty": "NOERROR", "www.moved": "NOERROR",
    "www.hashed": "NOERROR", "absent.hashed": "NXDOMAIN",
    "any.wild.hashed": "NOERROR", "empty.hashed": "NOERROR",
    "www.salted": "NOERROR", "absent.salted": "NXDOMAIN",
    "www.optout": "NOERROR",
    "www.rolling": "NOERROR", "absent.rolling": "NXDOMAIN",
    "www.rsa": "NOERROR",
}
INSECURE = {
    "www.insecure": "NOERROR", "absent.insecure": "NXDOMAIN",
    "alias": "NOERROR",
    "www.unknown": "NOERROR",  # nobody knows the algorithm (RFC 4035, 5.2)
    "absent.optout": "NXDOMAIN",  # RFC 5155, 9.2
}
BOGUS = {
    "changed": "NOERROR", "stripped": "NOERROR", "www.expired": "NOERROR",
    "www.early": "NOERROR", "www.unsigned": "NOERROR",
    "www.otherkey": "NOERROR", "absent.unproven": "NXDOMAIN",
}
# why, as the client is told (RFC 8914): each for its own reason
REASONS = {
    "changed": 6, "stripped": 10, "www.expired": 7, "www.early": 8,
    "www.unsigned": 9, "www.otherkey": 9, "absent.unproven": 6,
}
# what the server of dot.py never answers when it is asked for the DS of it
HANGING = "absent.unproven"
NOTHING = ("empty", "empty.hashed")


@pytest.fixture(scope="module")
def tree():
    return trust.Tree()


@pytest.fixture
def zone(net, tree):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    with names.Server(net.server, port=PORT, zones=tree.zones) as server:
        yield server


def validating(tpx, tree, servers, **files):
    """tpxd that trusts the tree; files are others that it wants."""
    instance = tpx("dns off")
    tree.write_anchor(instance.home / "anchor")
    for name, text in files.items():
        (instance.home / name).write_text(text)
    instance.configure(configuration(
        f'{servers}\ndns trust-anchor "anchor"\n'))
    instance.ctl("reload")
    return instance


def ask(net, label, server=ASKED, **options):
    return names.ask(net.client, server, f"{label}.example.net", **options)


def outcome(net, label, **options):
    """(rcode, is it said to be authentic)"""
    answer = ask(net, label, **options)
    if names.rcode(answer) == "NOERROR" and label not in NOTHING:
        assert names.texts(answer) & {names.ADDRESS4, trust.CHANGED4}, label
    else:
        assert not names.texts(answer), label
    return names.rcode(answer), names.is_authentic(answer)


def assert_judged(net, reasons, server=ASKED):
    def each(labels, **options):
        return {label: outcome(net, label, server=server, **options)
                for label in labels}
    assert each(SECURE, dnssec=True) == {
        label: (rcode, True) for label, rcode in SECURE.items()}
    assert each(INSECURE, dnssec=True) == {
        label: (rcode, False) for label, rcode in INSECURE.items()}
    for tcp in (False, True):
        assert each(BOGUS, tcp=tcp) == {
            label: ("SERVFAIL", False) for label in BOGUS}
    assert {label: names.reasons(ask(net, label, server))
            for label in reasons} == {
        label: {number} for label, number in reasons.items()}
    # who says that he checks for himself is given it
    assert each(BOGUS, checking_disabled=True) == {
        label: (rcode, False) for label, rcode in BOGUS.items()}
    # and who does not say so is not given that
    assert each(BOGUS) == {label: ("SERVFAIL", False) for label in BOGUS}


def ready(net):
    proc.wait_until(lambda: names.texts(ask(net, "www", timeout_s=1)) == {
        names.ADDRESS4}, 10, "a signed answer")


def test_what_is_proven_unsigned_or_forged(net, tree, zone, tpx):
    instance = validating(
        tpx, tree, f"dns forward {{ {net.SERVER4}@{PORT} }}")
    ready(net)
    assert_judged(net, REASONS)


def test_rows_say_what_was_proven(net, tree, zone, tpx):
    instance = validating(
        tpx, tree, f"dns forward {{ {net.SERVER4}@{PORT} }}")
    ready(net)
    instance.rows(1, "rcode = 'NOERROR'", view="dns")
    for label in ("www.hashed", "www.insecure", "www.expired"):
        ask(net, label)
    rows = instance.rows(4, view="dns")
    assert [row["dnssec"] for row in rows] == [
        "secure", "secure", "insecure", "bogus"]


def test_what_was_not_validated_is_not_kept(net, tree, zone, tpx):
    servers = f"dns forward {{ {net.SERVER4}@{PORT} }}"
    instance = validating(tpx, tree, f"{servers}\ndns validate no")
    ready(net)
    assert outcome(net, "changed") == ("NOERROR", False)
    instance.configure(configuration(
        f'{servers}\ndns trust-anchor "anchor"\n'))
    instance.ctl("reload")
    assert outcome(net, "changed") == ("SERVFAIL", False)
    ready(net)
    assert outcome(net, "changed") == ("SERVFAIL", False)


@pytest.mark.parametrize("family", [4, 6], ids=["v4", "v6"])
def test_it_is_the_same_by_tls(net, tree, zone, tpx, tmp_path, family):
    """From a server that does not validate, of either family."""
    authority = dot.Authority(tmp_path)
    server = net.SERVER4 if family == 4 else net.SERVER6
    with dot.Server(net.server, authority, "dns.test", stub_port=PORT):
        validating(
            tpx, tree, f'dns forward tls {{ {server} "dns.test" }}\n'
            'dns tls-authorities "ca"', ca=authority.path.read_text())
        ready(net)
        assert_judged(net, {label: number for label, number in REASONS.items()
                            if label != HANGING})
