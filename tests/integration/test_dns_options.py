# SPDX-License-Identifier: ISC
"""Rates, rows and ways past DNS: what its options say is so."""

import contextlib
import json
import socket
import time

import dns.edns
import pytest

from conftest import FORWARDED, LOCAL, client_of, configuration
from rig import names, proc, traffic
from rig.servers import Server, UdpServer, echo

ANYBODY4, ANYBODY6 = "192.0.2.53", "2001:db8:53::53"
FORWARD = "dns forward { 10.74.2.2 }\ndns validate no"
NETWORK = "2001:db8:9::/64"  # of one host
IPV6_FREEBIND = 78
RATE = 5
BOTH = f"{FORWARDED}\n{LOCAL}"
WWW = "www.example.net"
BLOCKED = 15  # RFC 8914, 4.16
ENCRYPTED = 853
CANARY = "use-application-dns.net"
DDR = "_dns.resolver.arpa"
RESOLVER = "_853._dns.dns.example.net"
RELAYS = ("mask.icloud.com", "mask-h2.icloud.com")
# name, type, code, the statement that closes that way
WAYS = [
    (CANARY, "A", "NXDOMAIN", "dns canary yes"),
    (f"www.{CANARY}", "AAAA", "NXDOMAIN", "dns canary yes"),
    (DDR, "SVCB", "NOERROR", "dns ddr no"),
    ("resolver.arpa", "A", "NOERROR", "dns ddr no"),
    (RESOLVER, "SVCB", "NOERROR", "dns ddr no"),
    (RELAYS[0], "A", "NXDOMAIN", "dns private-relay no"),
    (RELAYS[1], "AAAA", "NXDOMAIN", "dns private-relay no"),
]


@pytest.fixture
def zone(net):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    with names.Server(net.server) as server:
        yield server


def ask(net, name, kind="A", namespace=None):
    """The code, the records, and the extended errors of an answer."""
    answer = names.ask(namespace or net.client, ANYBODY4, name, kind)
    return (names.rcode(answer), names.texts(answer),
            [int(option.code) for option in answer.options
             if option.otype == dns.edns.OptionType.EDE])


def accounts(instance):
    """Rows of the log, drops of such, and what the status says."""
    rows, = instance.sql("SELECT count(*) AS rows FROM dns")
    lost, = instance.sql("SELECT sum(count) AS lost FROM drops"
                         " WHERE kind LIKE 'dns%'")
    return rows["rows"], lost["lost"] or 0, instance.status()["dns"]


def wait_accounted(instance, queries):
    """Every question is a row, a drop or counted as what has none."""
    def equal():
        rows, lost, status = accounts(instance)
        assert status["queries"] == queries == (
            rows + lost + status["limited"] + status["repeated"]
            + status["unlogged"]), (rows, lost, status)
        return True
    proc.wait_until(equal, 20, "all of them are accounted for")


def flood(net, instance, address, count, hosts=1, namespace=None):
    """So many questions at once, from each of so many addresses; answers.

    Those before have to be accounted for.
    """
    query = names.question(WWW).to_wire()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    wanted = instance.status()["dns"]["queries"] + count * hosts
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(
            (namespace or net.client).socket(family, socket.SOCK_DGRAM))
                 for _ in range(hosts)]
        for number, sock in enumerate(socks):
            if hosts > 1:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
                sock.bind((NETWORK.replace("/64", f"{number:x}"), 0))
            sock.connect((address, 53))
        for sock in socks:
            for _ in range(count):
                sock.send(query)
        # by then what is answered at all has been
        proc.wait_until(
            lambda: instance.status()["dns"]["queries"] == wanted, 10,
            f"{wanted} questions")
        return [heard(sock) for sock in socks]


def heard(sock):
    """How many datagrams wait in a socket."""
    sock.setblocking(False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while sock.recv(4096):
            count += 1
    return count


def test_a_client_has_its_rate_and_others_theirs(net, zone, tpx):
    instance = tpx(f"{FORWARD}\ndns max-rate {RATE}", capture=BOTH, workers=1)
    assert ask(net, WWW)[0] == "NOERROR"  # into the cache
    wait_accounted(instance, 1)
    answered, = flood(net, instance, ANYBODY4, 200)
    assert 4 <= answered < 100
    # all that is another's, at once
    assert flood(net, instance, ANYBODY4, RATE, namespace=net.gateway) == [
        RATE]
    wait_accounted(instance, 201 + RATE)
    assert accounts(instance)[2]["limited"] == 200 - answered
    instance.configure(configuration(
        f"{FORWARD}\ndns max-rate no", capture=BOTH, workers=1))
    instance.ctl("reload")
    assert flood(net, instance, ANYBODY4, 200) == [200]


def test_a_host_with_a_whole_network_is_one_client(net, zone, tpx):
    """However many addresses it takes; and one of them has half."""
    hosts = 200
    net.client.ip("-6", "route", "add", "local", NETWORK, "dev", "lo")
    net.gateway.ip("-6", "route", "add", NETWORK, "via", net.CLIENT6)
    instance = tpx(f"{FORWARD}\ndns max-rate {RATE}", workers=1)
    assert ask(net, WWW)[0] == "NOERROR"
    wait_accounted(instance, 1)
    began = time.monotonic()
    answers = flood(net, instance, ANYBODY6, RATE, hosts)
    # and what time gives back meanwhile
    most = RATE * (1 + time.monotonic() - began)
    assert RATE <= sum(answers) <= most
    assert answers[0] == RATE // 2


def test_rows_are_samples_as_statements_say(net, zone, tpx):
    instance = tpx(
        f'domains <noise> {{ "{WWW}" }}\ndomains <ads> {{ "ads.example" }}\n'
        f"{FORWARD}\ndns block <ads>\ndns log <noise> sample 10\n"
        "dns log no\ndns log <ads> no", workers=1)
    for _ in range(30):
        assert ask(net, WWW)[0] == "NOERROR"
    for _ in range(3):
        assert ask(net, "ads.example")[0] == "NXDOMAIN"
    assert ask(net, "short.example.net")[0] == "NOERROR"
    wait_accounted(instance, 34)
    rows = instance.sql("SELECT qname, count(*) AS count, sum(one_in) AS all_"
                        " FROM dns GROUP BY qname ORDER BY qname")
    assert [tuple(row.values()) for row in rows] == [
        ("ads.example", 3, 3), (WWW, 3, 30)]
    assert accounts(instance)[2]["unlogged"] == 28
    assert "28 not logged" in instance.ctl("status").stdout
    instance.configure(configuration(
        f'domains <ads> {{ "ads.example" }}\n{FORWARD}\ndns block <ads>\n'
        "dns log blocked no", workers=1))
    instance.ctl("reload")
    assert ask(net, "ads.example")[0] == "NXDOMAIN"
    assert ask(net, WWW)[0] == "NOERROR"
    wait_accounted(instance, 36)
    assert accounts(instance)[2]["unlogged"] == 29


@pytest.mark.smoke
def test_ways_past_dns_are_closed_and_rows_say_so(net, zone, tpx):
    instance = tpx(f"{FORWARD}\ndns private-relay no", capture=BOTH)
    for namespace in (net.client, net.gateway):
        for name, kind, rcode, _ in WAYS:
            assert ask(net, name, kind, namespace) == (
                rcode, set(), [BLOCKED]), name
    rows = instance.rows(2 * len(WAYS), view="dns")
    for row, (name, kind, rcode, rule) in zip(rows, WAYS * 2):
        assert (row["qname"], row["rcode"], row["action"], row["rule"],
                row["source"], row["ede"]) == (
            name, rcode, "block", rule, "policy", BLOCKED)
    assert {row["qtype"] for row in rows} == {"A", "AAAA", "SVCB"}


def test_ways_past_dns_may_be_open(net, tpx):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    found = names.ROOT_ZONE + "".join(
        f"{name}. IN A {names.ADDRESS4}\n" for name in (CANARY, DDR, *RELAYS)
    ) + f"{RESOLVER}. IN SVCB 1 dns.example.net. alpn=doq\n"
    with names.Server(net.server, found, "."):
        tpx(f"{FORWARD}\ndns canary no\ndns ddr yes")
        for name in (CANARY, DDR, *RELAYS):
            assert ask(net, name) == ("NOERROR", {names.ADDRESS4}, []), name
        assert ask(net, RESOLVER, "SVCB") == (
            "NOERROR", {'1 dns.example.net. alpn="doq"'}, [])


@pytest.mark.smoke
@pytest.mark.parametrize("captured", ["forwarded", "local"])
def test_encrypted_dns_is_refused_at_once(
        net, sniffer, tpx, address, captured):
    instance = tpx(f"{FORWARD}\ndns encrypted no\n"
                   f"pass to any port {ENCRYPTED}", capture=BOTH)
    sender = net.client if captured == "forwarded" else net.gateway
    with Server(net.server, ENCRYPTED, echo) as tcp, \
            UdpServer(net.server, ENCRYPTED) as udp:
        with pytest.raises(ConnectionRefusedError):
            traffic.connect(sender, address, ENCRYPTED)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with sender.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.connect((address, ENCRYPTED))
            # the kernel tells its own sockets at once
            with pytest.raises((ConnectionRefusedError, PermissionError)):
                sock.send(b"hello")
                sock.recv(100)
        rows = instance.rows(2)
        assert tcp.visits == [] and udp.visits == []
    assert sniffer.direct() == []
    assert {row["proto"] for row in rows} == {"tcp", "udp"}
    for row in rows:
        assert (row["action"], row["rule"], row["dport"], row["close"],
                row["capture"]) == (
            "block", "dns encrypted no", ENCRYPTED, "policy", captured)
    proc.wait_until(lambda: instance.status()["flows"]["blocked"] == 2, 5,
                    "the status counts them")


def test_encrypted_dns_goes_on_where_it_may(net, tpx, address):
    """By an exclusion, and when nothing is said, as rules say."""
    instance = tpx(f"{FORWARD}\ndns encrypted no\n"
                   f"exclude to {address} port {ENCRYPTED}")
    with Server(net.server, ENCRYPTED, echo) as tcp:
        assert traffic.outcome(net.client, address, ENCRYPTED) == "served"
        assert tcp.addresses() == {client_of(net, address)}
        instance.configure(configuration(FORWARD))
        instance.ctl("reload")
        assert traffic.outcome(net.client, address, ENCRYPTED) == "served"
        assert tcp.addresses() > {client_of(net, address)}


def test_plan_says_what_is_decided_where(build, tmp_path, net):
    conf = tmp_path / "tpx.conf"
    conf.write_text(configuration(
        f'domains <ads> {{ "ads.example" }}\n{FORWARD}\ndns block <ads>\n'
        "dns encrypted no\ndns log <ads> sample 10\ndns max-rate 50"))
    argv = [build / "tpxctl", "--json", "plan", "-f", conf]
    plan = json.loads(net.gateway.run(*argv).stdout)
    assert "th dport 853 goto block_" in plan["nft"]
    places = {row["rule"]: row["placement"] for row in plan["dns"]}
    assert places == {
        "dns encrypted no": "kernel", "dns max-rate 50": "dnsd",
        "dns canary yes": "dnsd", "dns ddr no": "dnsd",
        "dns block <ads>": "dnsd", "dns log <ads> sample 10": "dnsd"}
    text = net.gateway.run(*[word for word in argv if word != "--json"]).stdout
    assert all(f"# {rule}\n" in text for rule in places)
    conf.write_text(configuration("dns encrypted no"))
    plan = json.loads(net.gateway.run(*argv).stdout)
    assert plan["dns"] == [] and "853" not in plan["nft"]
