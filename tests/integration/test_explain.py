# SPDX-License-Identifier: ISC
"""What `tpxctl explain' says is what becomes of flows."""

import contextlib
import itertools
import json
import os
import pwd
import random
import socket

import pytest

from conftest import FORWARDED, LOCAL, configuration
from rig import names, proc, servers, traffic
from test_domain import sni

PORTS = (7, 17, 27)
NAMES = (None, "www.a.example", "x.b.example", "c.example", "d.example")
LISTS = ('domains <a> { "*.a.example" "c.example" }\n'
         'domains <b> { "*.b.example" }')
TABLES = "table <four> {{ {} }}\ntable <none> {{ 203.0.113.0/24 }}"
SOURCE_PORTS = itertools.count(20000)
RULES = 6


@pytest.fixture
def echoes(net):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(servers.Server(net.server, port,
                                                  servers.echo))
               for port in PORTS]


def explain(instance, *words):
    return json.loads(instance.ctl("--json", "explain", *map(str, words))
                      .stdout)


def endpoint(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def some_rule(net, chance):
    """A rule of every kind of selector and action."""
    action = chance.choice(("relay", "pass", "block"))
    words = [action]
    proto = chance.choice(("", "tcp", "tcp", "udp"))
    words += [f"proto {proto}"] * bool(proto)
    domain = chance.choice(("", "", "domain <a>", "domain <b>"))
    to = chance.choice(("", "to <four>", "to <none>", f"to {net.SERVER6}",
                        "port"))
    if domain:
        words.append(domain)
    elif to == "port":
        some = chance.sample(PORTS, chance.choice((1, 2)))
        words.append(f"to any port {{ {' '.join(map(str, some))} }}")
    elif to:
        words.append(to)
    if len(words) == 1:
        words.append("to any")
    return " ".join(words)


def happens(namespace, address, port, name, sport):
    """"served" or "refused" """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    said = sni(name) if name else b"no hello\r\n"
    with namespace.socket(family) as sock:
        sock.settimeout(10)
        sock.bind(("", sport))
        try:
            sock.connect((address, port))
            sock.sendall(said)
            got = servers.read_exactly(sock, len(said))
        except (ConnectionRefusedError, ConnectionResetError, EOFError):
            return "refused"
    assert got == said
    return "served"


def agree(net, instance, sniffer, flows, namespace):
    """Compare what was said of flows with what becomes of them."""
    said = {}
    for address, port, name in flows:
        sport = next(SOURCE_PORTS)
        source = {net.client: (net.CLIENT4, net.CLIENT6),
                  net.gateway: (net.OUTSIDE4, net.OUTSIDE6)}[namespace]
        words = ["tcp", source[":" in address], endpoint(address, port)]
        # a relay gives up waiting for a name, and then there is none
        words += ["domain", name] if name else []
        said[sport] = (explain(instance, *words), name,
                       happens(namespace, address, port, name, sport))
    direct = {packet.sport for packet in sniffer.direct()}

    def rows():
        instance.namespace.run("cat", "/proc/net/nf_conntrack")
        found = {row["sport"]: row for row in instance.sql(
            "SELECT * FROM flows WHERE final")}
        missing = [sport for sport, (it, _, _) in said.items()
                   if it["captured"] and sport not in found]
        assert not missing
        return found
    for sport, row in proc.wait_until(rows, 30, "a row of each").items():
        it, name, happened = said.pop(sport)
        if it["action"] is None:
            assert not name and it["decided_in"] == "relay", it
            continue
        assert it["action"] == row["action"], (it, row)
        assert it["rule"] == row["rule"], (it, row)
        assert (happened == "refused") == (it["action"] == "block"), it
        if namespace is net.client:
            assert (sport in direct) == (it["action"] == "pass"), it
        if it["action"] == "block":
            assert (row["worker"] is None) == (
                it["decided_in"] == "kernel"), (it, row)
    return said


# with these, a mistake with any selector or with the default shows
@pytest.mark.parametrize("seed", [1, 2, 3, 6, 11])
def test_rules_decide_as_they_are_explained(net, echoes, tpx, sniffer, seed):
    chance = random.Random(seed)
    rules = [some_rule(net, chance) for _ in range(RULES)]
    default = chance.choice(("relay", "block", "pass"))
    text = "\n".join([LISTS, TABLES.format(net.SERVER4), *rules,
                      f"default {default}"])
    instance = tpx(text)
    flows = itertools.product((net.SERVER4, net.SERVER6), PORTS, NAMES)
    assert agree(net, instance, sniffer, flows, net.client) == {}, text


def test_of_local_flows_as_well(net, echoes, tpx, sniffer):
    rules = ("block to any port 7", "pass to any port 17",
             "block domain <a>")
    instance = tpx("\n".join([LISTS, *rules]), capture=LOCAL)
    flows = [(net.SERVER4, port, name) for port in PORTS
             for name in (None, "c.example", "d.example")]
    assert agree(net, instance, sniffer, flows, net.gateway) == {}


def test_what_is_not_captured_goes_by_itself(net, echoes, tpx, sniffer):
    instance = tpx(f"exclude to {net.SERVER4} port 17\nblock to any port 7\n"
                   "default block", capture=f"{FORWARDED}\n"
                   "capture local user { nobody }")
    it = explain(instance, "tcp", net.CLIENT4, f"{net.SERVER4}:17")
    assert (it["captured"], it["by"]) == (0, "excluded")
    assert it["rule"] == f"exclude to {net.SERVER4} port 17"
    assert it["exclusions"][0]["decides"] == "yes" and it["rules"] == []
    assert happens(net.client, net.SERVER4, 17, None, 21000) == "served"
    assert {packet.sport for packet in sniffer.direct()} == {21000}
    it = explain(instance, "tcp", net.OUTSIDE4, f"{net.SERVER4}:27",
                 "user", "root")
    assert (it["captured"], it["by"], it["capture"]) == (0, "user", "local")
    assert happens(net.gateway, net.SERVER4, 27, None, 21001) == "served"
    it = explain(instance, "tcp", net.OUTSIDE4, f"{net.SERVER4}:27",
                 "user", "nobody")
    assert (it["captured"], it["action"]) == (1, "block")
    it = explain(instance, "tcp", net.CLIENT4, f"{net.GATEWAY4}:22")
    assert (it["captured"], it["by"]) == (0, "here")
    it = explain(instance, "tcp", net.SERVER4, f"{net.CLIENT4}:22")
    assert (it["captured"], it["by"], it["interface"]) == (
        0, "interface", net.SERVER_IF)
    it = explain(instance, "icmp", net.CLIENT4, net.SERVER4)
    assert (it["captured"], it["by"]) == (0, "other-protocols")


def happens_to(namespace, user, address, port):
    """The same, with a socket of that user."""
    with namespace.inside():
        os.seteuid(pwd.getpwnam(user).pw_uid)
        try:
            sock = socket.socket()
        finally:
            os.seteuid(0)
    with sock:
        sock.settimeout(10)
        try:
            sock.connect((address, port))
            assert traffic.echoes(sock)
        except (ConnectionRefusedError, ConnectionResetError, EOFError):
            return "refused"
    return "served"


@pytest.mark.parametrize("file", [False, True], ids=["running", "file"])
def test_what_tpx_sends_itself_is_its_own(net, echoes, tpx, file):
    instance = tpx("default block", capture=LOCAL)
    words = ["-f", instance.config] if file else []
    for user, said, happened in (
            ("tpx", (0, "own", None), "served"),
            ("root", (1, "rule", "block"), "refused"),
            ("nobody", (1, "rule", "block"), "refused")):
        it = explain(instance, *words, "tcp", net.OUTSIDE4,
                     f"{net.SERVER4}:17", "user", user)
        assert (it["captured"], it["by"], it["action"]) == said, user
        assert it["uid"] == pwd.getpwnam(user).pw_uid
        assert happens_to(net.gateway, user, net.SERVER4, 17) == happened


def test_a_user_has_the_group_of_its_entry_if_none_is_said(net, tpx):
    rule = "block group nogroup"
    instance = tpx(f"{rule}\ndefault pass", capture=LOCAL)
    flow = ("tcp", net.OUTSIDE4, f"{net.SERVER4}:17", "user")
    nogroup = pwd.getpwnam("nobody").pw_gid
    for words, gid in ((["nobody"], nogroup), (["root"], 0),
                       (["root", "group", "nogroup"], nogroup),
                       (["nobody", "group", "root"], 0),
                       (["4000000000"], None)):
        it = explain(instance, *flow, *words)
        assert (it["action"], it["gid"]) == (
            "block" if gid == nogroup else "pass", gid), words


def test_questions_of_dns_are_dnsds(net, tpx):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    block = "dns block <a> answer nxdomain"
    instance = tpx(f"{LISTS}\ndns forward {{ 10.74.2.2 }}\ndns validate no\n"
                   f"{block}\nblock to any port 53")
    with names.Server(net.server):
        for name, action in (("x.a.example", "block"),
                             (f"www.{names.ZONE_NAME}", "relay")):
            it = explain(instance, "udp", net.CLIENT4, "192.0.2.53:53",
                         "domain", name)
            assert (it["by"], it["decided_in"]) == ("dns", "dnsd")
            assert it["action"] == action
            assert it["rule"] == (block if action == "block" else None)
            answer = names.ask(net.client, "192.0.2.53", name)
            assert (names.rcode(answer) == "NXDOMAIN") == (action == "block")
    for row in instance.rows(2, view="dns"):
        it = explain(instance, "udp", net.CLIENT4, "192.0.2.53:53",
                     "domain", row["qname"])
        assert (it["action"], it["rule"]) == (row["action"], row["rule"])


def test_udp_through_an_upstream_that_takes_none(net, tpx):
    """It is blocked as the rule that would have relayed it."""
    rule = "relay to any port 99 via corp"
    instance = tpx(f"upstream corp http {net.SERVER4}:3128\n{rule}")
    it = explain(instance, "udp", net.CLIENT4, f"{net.SERVER4}:99")
    assert (it["action"], it["rule"]) == ("block", rule)
    assert "no UDP" in it["note"]
    with net.client.socket(kind=socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", (net.SERVER4, 99))
    row, = instance.rows(1)
    assert (row["action"], row["rule"]) == ("block", rule)


def test_a_pass_by_dns_is_the_kernels_if_dns_has_told(net, tpx):
    rule = f"pass to {net.SERVER4} domain <a> by dns"
    instance = tpx(f"{LISTS}\ndns forward {{ 10.74.2.2 }}\n{rule}")
    flow = ("tcp", net.CLIENT4, f"{net.SERVER4}:443")
    it = explain(instance, *flow, "domain", "x.a.example")
    assert (it["action"], it["decided_in"], it["rule"]) == (
        "pass", "kernel", rule)
    assert "if DNS here has told" in it["note"]
    assert explain(instance, *flow, "domain", "b.example")["action"] == "relay"
    it = explain(instance, *flow)
    assert (it["action"], it["decided_in"]) == (None, "relay")
    plan = json.loads(instance.ctl("--json", "plan").stdout)
    place, = [item for item in plan["rules"] if item["rule"] == rule]
    assert place["placement"] == "kernel" and "has told" in place["why"]


def test_a_file_is_explained_without_tpxd(net, build, tmp_path):
    path = tmp_path / "tpx.conf"
    path.write_text(configuration(
        "table <lan> { 10.74.2.0/24 }\n"
        "block proto udp to any port 443\n"
        "pass to <lan>\ndefault block"))
    done = net.gateway.run(build / "tpxctl", "explain", "-f", path, "tcp",
                           net.CLIENT4, f"{net.SERVER4}:443")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == (f"flow tcp {net.CLIENT4} to {net.SERVER4}:443, "
                        f"forwarded, from {net.CLIENT_IF}")
    assert lines[1:6] == [
        "captured yes", "line 6 block proto udp to any port 443",
        "no: another protocol", "line 7 pass to <lan>",
        "matches: the destination is in <lan>"]
    assert "decided by pass to <lan> (line 7)" in lines
    assert "action pass" in lines


@pytest.mark.parametrize("word, action", [
    ("disagrees", "block"), ("agrees", "relay"), ("unverified", "block")])
def test_how_a_name_agrees_is_explained(net, build, tmp_path, word, action):
    path = tmp_path / "tpx.conf"
    path.write_text(configuration(
        "block name { disagrees unverified }\ndefault relay"))
    done = net.gateway.run(
        build / "tpxctl", "--json", "explain", "-f", path, "tcp",
        net.CLIENT4, f"{net.SERVER4}:443", "domain", "a.example",
        "name", word)
    assert json.loads(done.stdout)["action"] == action


@pytest.mark.parametrize("words, status, text", [
    (["tcp", "10.0.0.1"], 2, "usage"),
    (["tcp", "10.0.0.1", "10.0.0.2"], 1, "no address with a port"),
    (["tpc", "10.0.0.1", "10.0.0.2:1"], 1, "no protocol"),
    (["tcp", "10.0.0.1", "[fd00::1]:1"], 1, "the other one of IPv6"),
    (["tcp", "10.0.0.1", "10.0.0.2:1", "user", "who?"], 1, "no user"),
    (["tcp", "10.0.0.1", "10.0.0.2:1", "group", "who?"], 1, "no group"),
    (["tcp", "10.0.0.1", "10.0.0.2:1", "group", "9", "on", "eth0"], 1,
     "come in on no interface"),
    (["tcp", "10.0.0.1", "10.0.0.2:1", "domain", "a..b"], 1, "no domain"),
    (["tcp", "10.99.0.1", "10.0.0.2:1"], 1, "on INTERFACE"),
    (["tcp", "10.0.0.1", "10.0.0.2:1", "of", "x"], 2, "usage"),
])
def test_errors_say_what_was_expected(
        net, build, tmp_path, words, status, text):
    path = tmp_path / "tpx.conf"
    path.write_text(configuration())
    done = net.gateway.run(build / "tpxctl", "explain", "-f", path, *words,
                           check=False)
    assert done.returncode == status and text in done.stderr
