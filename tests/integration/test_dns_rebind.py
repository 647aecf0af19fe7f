# SPDX-License-Identifier: ISC
"""Names of others do not lead to private addresses, however they are written.

(DNS rebinding: a page's own name, looked up again, points into the network of
whoever looks at it.)
"""

import pytest

from conftest import configuration
from rig import names, proc

ASKED = "192.0.2.53"
FORWARD = "dns forward { 10.74.2.2 }\ndns validate no"
PRIVATE4 = """
    0.0.0.0 0.1.2.3 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255
    127.0.0.1 127.255.255.254 169.254.0.0 169.254.169.254 172.16.0.0
    172.31.255.255 192.168.0.0 192.168.255.255""".split()
PUBLIC4 = """
    1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255
    128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0
    192.167.255.255 192.169.0.0""".split()
PRIVATE6 = """
    :: ::1 fc00:: fdff:ffff::1 fe80::1 febf::1 fec0::1 feff::1
    64:ff9b:1:: 64:ff9b:1:ffff::1""".split()
PUBLIC6 = """
    2001:db8::1 2600::1 fbff::1 64:ff9b:0:1::1 64:ff9b:2::1""".split()
# where IPv6 carries an address of IPv4: all of it is private, or what it says
PRIVATE_FORMS = {"compatible": "::{}", "mapped": "::ffff:{}",
                 "translated": "::ffff:0:{}"}
FORMS = {"nat64": "64:ff9b::{}", "6to4": "2002:{}::1"}


def hexadecimal(address):
    """The form of two groups of IPv6."""
    byte = list(map(int, address.split(".")))
    return f"{byte[0]:x}{byte[1]:02x}:{byte[2]:x}{byte[3]:02x}"


def written(form, address):
    return form.format(hexadecimal(address))


def hosts(kind, addresses):
    """(label, type, address)"""
    return [(f"{kind}{number}", "AAAA" if ":" in address else "A", address)
            for number, address in enumerate(addresses)]


REMOVED = hosts("a", PRIVATE4 + PRIVATE6) + [
    host for name, form in {**PRIVATE_FORMS, **FORMS}.items()
    for host in hosts(name, [written(form, address)
                             for address in PRIVATE4])]
KEPT = hosts("b", PUBLIC4 + PUBLIC6) + [
    host for name, form in FORMS.items()
    for host in hosts(f"public{name}", [written(form, address)
                                        for address in PUBLIC4])]
HINTS = {"A": "ipv4hint", "AAAA": "ipv6hint"}
ZONE = names.ZONE + "".join(
    f"{label} IN {kind} {address}\n"
    f"{label} IN HTTPS 1 . alpn=h2 {HINTS[kind]}={address}\n"
    f"to-{label} IN CNAME {label}\n"
    for label, kind, address in REMOVED + KEPT) + """\
both IN A 10.1.2.3
both IN A 198.51.100.8
host.lan IN A 10.1.2.3
host.lan IN AAAA fd00::5
host.lan IN HTTPS 1 . ipv4hint=10.1.2.3
lan IN A 10.1.2.4
xlan IN A 10.1.2.5
to-lan IN CNAME host.lan
out.lan IN CNAME xlan
"""


@pytest.fixture
def zone(net):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    with names.Server(net.server, ZONE) as server:
        yield server


def addresses(net, label, kind="A", **options):
    """What a client gets that is no alias."""
    answer = names.ask(net.client, ASKED, f"{label}.example.net", kind,
                       **options)
    assert names.rcode(answer) == "NOERROR"
    return {text for text in names.texts(answer) if not text.endswith(".")}


def test_private_addresses_are_removed_however_written(net, zone, tpx):
    """Also of an alias; those beside them stay."""
    tpx(FORWARD)
    came = {(prefix + label, address)
            for label, kind, address in REMOVED + KEPT
            for prefix in ("", "to-")
            if addresses(net, prefix + label, kind)}
    assert came == {(prefix + label, address) for label, _, address in KEPT
                    for prefix in ("", "to-")}
    assert addresses(net, "a0", tcp=True) == set()
    assert addresses(net, "a0", checking_disabled=True) == set()
    assert addresses(net, "both") == {"198.51.100.8"}


def test_services_with_private_hints_are_left_out(net, zone, tpx):
    """Also of an alias; who has public ones keeps them."""
    tpx(FORWARD)
    came = {prefix + label for label, _, _ in REMOVED + KEPT
            for prefix in ("", "to-")
            if addresses(net, prefix + label, "HTTPS")}
    assert came == {prefix + label for label, _, _ in KEPT
                    for prefix in ("", "to-")}


def test_domains_that_may_have_private_addresses(net, zone, tpx):
    """It is the address's own name that has to be one of them."""
    instance = tpx(f'{FORWARD}\ndns rebind-allow {{ "lan.example.net" }}')
    assert addresses(net, "host.lan") == {"10.1.2.3"}
    assert addresses(net, "host.lan", "AAAA") == {"fd00::5"}
    assert addresses(net, "host.lan", "HTTPS") == {
        '1 . ipv4hint="10.1.2.3"'}
    assert addresses(net, "lan") == {"10.1.2.4"}
    assert addresses(net, "to-lan") == {"10.1.2.3"}
    assert addresses(net, "xlan") == set()
    assert addresses(net, "out.lan") == set()
    instance.configure(configuration(f"{FORWARD}\ndns rebind-protect no"))
    instance.ctl("reload")
    proc.wait_until(lambda: addresses(net, "xlan") == {"10.1.2.5"}, 5,
                    "everything without the protection")


def test_an_answer_lives_as_long_as_the_settings_that_let_it_in(
        net, zone, tpx):
    def reload(text):
        instance.configure(configuration(text, workers=1))
        instance.ctl("reload")
        return names.texts(names.ask(net.client, ASKED, "xlan.example.net"))
    instance = tpx(f"{FORWARD}\ndns rebind-protect no", workers=1)
    assert addresses(net, "xlan") == {"10.1.2.5"}
    assert reload(f"{FORWARD}\ndns rebind-protect no\ndns max-rate 400") == {
        "10.1.2.5"}
    assert reload(FORWARD) == set()
    assert [row["source"] for row in instance.rows(3, view="dns")] == [
        "resolver", "cache", "resolver"]
