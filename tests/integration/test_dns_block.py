# SPDX-License-Identifier: ISC
"""Names that dns block statements answer: nobody else is asked."""

import dns.edns
import pytest

from conftest import configuration
from rig import names, proc

ANYBODY = "192.0.2.53"
FORWARD = "dns forward { 10.74.2.2 }\ndns validate no"
WWW, ALIAS = "www.example.net", "alias.example.net"
BLOCKED = 15  # RFC 8914, 4.16
TTL_S = 10
ZERO = {"A": {"0.0.0.0"}, "AAAA": {"::"}, "TXT": set()}


@pytest.fixture
def zone(net):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    with names.Server(net.server) as server:
        yield server


def ask(net, name, kind="A"):
    """The code, the records, and the extended errors of an answer."""
    answer = names.ask(net.client, ANYBODY, name, kind)
    return (names.rcode(answer), names.texts(answer),
            [int(option.code) for option in answer.options
             if option.otype == dns.edns.OptionType.EDE])


def row_of(instance, name, kind="A"):
    """The row of the only question about a name."""
    def there():
        return instance.sql(
            "SELECT * FROM dns WHERE qname = ? AND qtype = ?", name, kind)
    row, = proc.wait_until(there, 10, f"a row of {name}")
    return row


@pytest.mark.smoke
def test_what_is_in_a_list_is_answered_as_written(net, zone, tpx):
    block = {"NXDOMAIN": "dns block <ads>",
             "REFUSED": "dns block <no> answer refused",
             "NOERROR": "dns block <zero> answer zero"}
    instance = tpx('domains <ads> { "ads.example" "*.ads.example" }\n'
                   'domains <no> { "no.example" }\n'
                   'domains <zero> { "zero.example" }\n'
                   f"{FORWARD}\n" + "\n".join(block.values()))
    for name, rcode in (("x.ads.example", "NXDOMAIN"),
                        ("ADS.example", "NXDOMAIN"),
                        ("no.example", "REFUSED")):
        assert ask(net, name) == (rcode, set(), [BLOCKED])
        row = row_of(instance, name.lower())
        assert (row["rcode"], row["action"], row["rule"], row["source"]) == (
            rcode, "block", block[rcode], "policy")
    for kind, records in ZERO.items():
        assert ask(net, "zero.example", kind) == (
            "NOERROR", records, [BLOCKED])
        assert row_of(instance, "zero.example", kind)["rule"] == (
            block["NOERROR"])
    assert ask(net, WWW) == ("NOERROR", {names.ADDRESS4}, [])
    assert row_of(instance, WWW)["rule"] is None


def test_clients_may_remember_what_is_not_there(net, zone, tpx):
    """RFC 2308: as long as the record says that comes with it."""
    tpx('domains <ads> { "ads.example" }\ndomains <zero> { "zero.example" }\n'
        f"{FORWARD}\ndns block <ads>\ndns block <zero> answer zero")
    for name, kind in (("aDs.Example", "A"), ("zErO.eXample", "TXT"),
                       ("_dNs.resolver.arpa", "SVCB")):
        for tcp in (False, True):
            answer = names.ask(net.client, ANYBODY, name, kind, tcp=tcp)
            assert [records.to_text() for records in answer.authority] == [
                f"{name}. {TTL_S} IN SOA {name}. nobody.invalid."
                f" 1 3600 1200 604800 {TTL_S}"]


@pytest.mark.smoke
def test_an_alias_of_a_blocked_name_is_blocked(net, zone, tpx):
    instance = tpx(f'{FORWARD}\ndomains <ads> {{ "{WWW}" }}\ndns block <ads>')
    assert ask(net, ALIAS) == ("NXDOMAIN", set(), [BLOCKED])
    row = row_of(instance, ALIAS)
    assert (row["action"], row["rule"]) == ("block", "dns block <ads>")


def test_a_reload_changes_the_list_in_a_file(net, zone, tpx):
    """Also for what is in the cache, and for a dnsd that begins later."""
    instance = tpx(FORWARD)
    assert ask(net, WWW)[0] == "NOERROR"
    listed = instance.home / "ads.domains"
    instance.configure(configuration(
        f'domains <ads> file "{listed.name}"\n{FORWARD}\ndns block <ads>'))
    for text, rcode in ((f"# ads\n0.0.0.0 {WWW}\n", "NXDOMAIN"),
                        ("*.example.org\n", "NOERROR"),
                        ("*.example.net\n", "NXDOMAIN")):
        listed.write_text(text)
        instance.ctl("reload")
        assert ask(net, WWW)[0] == rcode
    listed.write_text("example.org\nno name\n")
    done = instance.ctl("reload", check=False)
    assert done.returncode == 1 and "ads.domains:2:" in done.stderr
    assert ask(net, WWW)[0] == "NXDOMAIN"
    old = instance.by_role()["dnsd"]
    proc.kill(old)
    instance.wait_replaced("dnsd", old, 5)
    assert ask(net, WWW)[0] == "NXDOMAIN"
