# SPDX-License-Identifier: ISC
"""Each question of DNS is one row of the log, whoever dies meanwhile."""

import collections
import json
import socket
import time

import dns.message
import pytest

from conftest import FORWARDED, LOCAL
from rig import names, proc

ASKED = "192.0.2.53"
WWW = "www.example.net"
FORWARD = "dns forward { 10.74.2.2 }\ndns validate no"
PORT = 20000
MANY = 10000
BURST = 100  # fits the buffers of both sockets


@pytest.fixture
def zone(net):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    with names.Server(net.server) as server:
        yield server


def row(**fields):
    """The columns of a question for WWW by the client, but for its times."""
    return {"server": ASKED, "transport": "udp", "qname": WWW, "qtype": "A",
            "rcode": "NOERROR", "answers": [names.ADDRESS4],
            "source": "resolver", "dnssec": None, "action": "relay",
            "rule": None, "capture": "forwarded", "ede": None} | fields


def columns(found):
    return {name: found[name] and json.loads(found[name])
            if name == "answers" else found[name] for name in row()}


def test_a_question_is_a_row(net, zone, tpx):
    instance = tpx(FORWARD, capture=f"{FORWARDED}\n{LOCAL}", workers=1)
    began = time.time() * 1e6
    names.ask(net.client, ASKED, WWW, source=("", PORT))
    names.ask(net.client, ASKED, WWW, source=("", PORT + 1), tcp=True)
    names.ask(net.gateway, ASKED, "alias.example.net", "AAAA")
    names.ask(net.client, ASKED, "absent.example.net")
    rows = instance.rows(4, view="dns")
    assert [columns(found) for found in rows] == [
        row(), row(transport="tcp", source="cache"),
        row(qname="alias.example.net", qtype="AAAA", capture="local",
            answers=["www.example.net", names.ADDRESS6]),
        row(qname="absent.example.net", rcode="NXDOMAIN", answers=None)]
    assert [found["client"] == net.CLIENT4 for found in rows] == [
        True, True, False, True]
    assert [found["cport"] for found in rows[:2]] == [PORT, PORT + 1]
    for found in rows:
        assert began < found["time_us"] < time.time() * 1e6
        assert found["time"].startswith("20") and found["worker"] == 0
        assert 0 <= found["latency_us"] < 5e6
    assert all(250 < found["ttl"] <= 300 for found in rows[:3])
    assert 10 < rows[3]["ttl"] <= 60  # of what is not there


def test_tpxctl_shows_questions(net, zone, tpx):
    instance = tpx(FORWARD)
    names.ask(net.client, ASKED, WWW)
    names.ask(net.client, ASKED, "absent.example.net")
    instance.rows(2, view="dns")
    text = instance.ctl("dns").stdout.splitlines()
    assert len(text) == 3 and WWW in text[1] and "NXDOMAIN" in text[2]
    found, = json.loads(instance.ctl(
        "--json", "dns", "--since", "1h", "--host", WWW).stdout)
    assert columns(found) == row()
    with net.gateway.spawn(instance.build / "tpxctl", "-s", instance.socket,
                           "dns", "--follow", "--client",
                           net.CLIENT4) as following:
        following.wait_output("NXDOMAIN")
        names.ask(net.client, ASKED, "alias.example.net")
        following.wait_output("alias.example.net")
        assert following.output().count(WWW) == 2  # one of them an alias'


class Asker:
    """One socket of the client that asks many questions, some at a time."""

    def __init__(self, net):
        self._sock = net.client.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.connect((ASKED, 53))
        self._sock.settimeout(5)
        self._query = bytearray(dns.message.make_query(WWW, "A").to_wire())

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._sock.close()

    def ask(self, count):
        """Every one of them is answered."""
        for start in range(0, count, BURST):
            burst = range(start, min(start + BURST, count))
            for number in burst:
                self._query[:2] = number.to_bytes(2, "big")
                self._sock.send(self._query)
            for _ in burst:
                self._sock.recv(4096)


def test_killed_flow_log_loses_no_row(net, zone, tpx):
    """Neither what it had not written nor what came while it was away."""
    instance = tpx(FORWARD, workers=1)
    with Asker(net) as asker:
        asker.ask(1)
        for times in range(1, 3):
            asker.ask(BURST)
            old = instance.by_role()["flowlog"]
            proc.kill(old)
            asker.ask(BURST)
            instance.wait_replaced("flowlog", old, 10)
            instance.rows(1 + 2 * BURST * times, view="dns")
    assert lost(instance) == 0


class Load(proc.Background):
    """Asks from one port after the other; answered are those that heard."""

    def __init__(self, net):
        self._net = net
        self._query = dns.message.make_query(WWW, "A").to_wire()
        self.answered = []
        self._begin()

    def _run(self):
        port = PORT
        while not self._closing.is_set():
            port += 1
            with self._net.client.socket(socket.AF_INET,
                                         socket.SOCK_DGRAM) as sock:
                sock.bind(("", port))
                sock.connect((ASKED, 53))
                sock.settimeout(0.2)
                try:
                    sock.send(self._query)
                    sock.recv(4096)
                    self.answered.append(port)
                except OSError:  # while nobody answers
                    pass

    def wait_more(self, count):
        more = len(self.answered) + count
        proc.wait_until(lambda: len(self.answered) >= more, 20,
                        f"{count} more answers")


def test_killed_dnsd_loses_no_row(net, zone, tpx):
    """Whatever it answered, told to the flow log or not yet."""
    instance = tpx(FORWARD, workers=1)
    with Load(net) as load:
        for _ in range(2):
            load.wait_more(BURST)
            old = instance.by_role()["dnsd"]
            proc.kill(old)
            instance.wait_replaced("dnsd", old, 10)
        load.wait_more(BURST)

    def ports():
        return collections.Counter(found["cport"] for found in instance.sql(
            "SELECT cport FROM dns"))
    proc.wait_until(lambda: not set(load.answered) - set(ports()), 5,
                    "each answer has its row")
    assert set(ports().values()) == {1}
    assert lost(instance) == 0


def lost(instance):
    found = instance.sql("SELECT sum(count) AS lost FROM drops"
                         " WHERE kind LIKE 'dns%'")
    return found[0]["lost"] or 0


def test_every_question_is_a_row_or_a_counted_drop(net, zone, tpx):
    instance = tpx(FORWARD, workers=1)
    with Asker(net) as asker:
        asker.ask(MANY)

    def accounted():
        rows, = instance.sql("SELECT count(*) AS rows FROM dns")
        return rows["rows"] + lost(instance) == MANY
    proc.wait_until(accounted, 20, "all of them are accounted for")


def test_status_counts_questions_over_restarts(net, zone, tpx):
    instance = tpx(FORWARD)

    def counts(**numbers):
        expected = numbers | dict.fromkeys(
            ("limited", "repeated", "unlogged"), 0)
        proc.wait_until(lambda: instance.status()["dns"] == expected, 5,
                        f"{expected}, not {instance.status()['dns']}")
    for _ in range(3):
        names.ask(net.client, ASKED, WWW, source=("", PORT))
    assert names.rcode(names.ask(
        net.client, ASKED, "not.of.the.zone")) == "SERVFAIL"
    counts(queries=4, cache_hits=2, blocked=0, servfail=1)
    assert "4 queries" in instance.ctl("status").stdout
    for queries in (5, 6):
        old = instance.by_role()["dnsd"]
        proc.kill(old)
        instance.wait_replaced("dnsd", old, 5)
        names.ask(net.client, ASKED, WWW)
        counts(queries=queries, cache_hits=2, blocked=0, servfail=1)
