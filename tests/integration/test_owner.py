# SPDX-License-Identifier: ISC
"""Rules, exclusions and capture by the user or group of a socket."""

import json
import os
import signal
from concurrent import futures

import pytest

from conftest import (DIGEST, ECHO, FORWARDED, LOCAL, configuration,
                      outside_of)
from rig import proc, proxies, traffic
from rig.hosts import Hosts
from rig.servers import UdpServer
from test_explain import explain
from test_quic import LONG_HELLO, NAME as QUIC_NAME, PORT as QUIC_PORT
from test_quic import quic  # pylint: disable=unused-import

ALICE, BOB = 41001, 41002
STAFF, GUESTS = 42001, 42002
PORT = 1080
UDP_PORT = 5412
ASK = """\
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
sock = socket.socket(family, getattr(socket, kind))
sock.settimeout(4)
sock.bind(("", int(sys.argv[4])))
sock.connect((address, port))
sock.send(b"hello")
print(len(sock.recv(100)))
"""


def identity(uid, gid):
    return ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups")


def serves(net, uid, gid, address, port=ECHO, kind="SOCK_STREAM", sport=0):
    """Is a process of that user and group served?"""
    done = net.gateway.run(
        *identity(uid, gid), "/usr/bin/python3", "-c", ASK, kind, address,
        port, sport, check=False)
    return done.returncode == 0 and done.stdout.strip() not in ("", "0")


def test_groups_are_captured_beside_users(net, server, tpx, address):
    instance = tpx("default block",
                   capture=f"{LOCAL} user {ALICE} group {STAFF}")
    assert not serves(net, ALICE, GUESTS, address)
    assert not serves(net, BOB, STAFF, address)
    assert serves(net, BOB, GUESTS, address)
    assert [row["uid"] for row in instance.rows(2)] == [ALICE, BOB]
    os.kill(instance.tpxd.pid, signal.SIGKILL)
    proc.wait_until(lambda: not serves(net, BOB, STAFF, address), 10,
                    "the guard")
    assert serves(net, BOB, GUESTS, address)


def test_excluded_owners_go_direct_whether_tpx_runs_or_not(
        net, server, tpx, address):
    instance = tpx(f"exclude user {ALICE} group {STAFF}\ndefault block",
                   capture=LOCAL)
    assert serves(net, ALICE, STAFF, address)
    assert not serves(net, ALICE, GUESTS, address)
    assert not serves(net, BOB, STAFF, address)
    assert [row["uid"] for row in instance.rows(2)] == [ALICE, BOB]
    os.kill(instance.tpxd.pid, signal.SIGKILL)
    proc.wait_until(lambda: not serves(net, BOB, STAFF, address), 10,
                    "the guard")
    assert serves(net, ALICE, STAFF, address)


@pytest.mark.smoke
def test_rules_know_the_owner_in_the_kernel_and_in_the_relay(
        net, server, tpx, address):
    rules = [f"block user {BOB} port {DIGEST}",
             f"relay proto tcp user {ALICE} group {{ {STAFF} 9 }} via up",
             f"relay proto tcp group {STAFF}-{STAFF} idle 1m",
             f"pass user {ALICE}"]
    instance = tpx(f"upstream up socks5 {net.SERVER4}:{PORT}\n"
                   + "\n".join(rules), capture=LOCAL)
    with proxies.microsocks(net.server, net.SERVER4, PORT):
        assert not serves(net, BOB, GUESTS, address, DIGEST)
        if ":" not in address:
            assert serves(net, ALICE, STAFF, address)
        assert serves(net, BOB, STAFF, address)
        assert serves(net, BOB, GUESTS, address)
    expected = [(BOB, rules[0], None), (ALICE, rules[1], "up"),
                (BOB, rules[2], None), (BOB, "default relay", None)]
    if ":" in address:
        del expected[1]
    rows = instance.rows(len(expected))
    assert sorted(((row["uid"], row["rule"], row["upstream"])
                   for row in rows), key=str) == sorted(expected, key=str)
    assert serves(net, ALICE, GUESTS, address)
    row, = proc.wait_until(lambda: passed(instance), 60, "a row")
    assert (row["uid"], row["rule"]) == (ALICE, rules[3])


def passed(instance):
    instance.namespace.run("cat", "/proc/net/nf_conntrack")
    return instance.rows(1, "action = 'pass'", timeout_s=0)


def test_datagrams_show_their_owner(net, tpx, address):
    rules = [f"block proto udp user {BOB}",
             f"relay proto udp user {ALICE} idle 1s"]
    instance = tpx("\n".join(rules), capture=LOCAL)
    with UdpServer(net.server, UDP_PORT):
        for uid, served in ((ALICE, True), (BOB, False), (0, True)):
            assert serves(net, uid, GUESTS, address, UDP_PORT,
                          "SOCK_DGRAM") == served
    rows = {row["uid"]: row["rule"] for row in instance.rows(2, "uid > 0")}
    assert rows == {ALICE: rules[1], BOB: rules[0]}


def test_a_flow_that_begins_anew_for_its_relay_shows_its_owner_again(
        net, tpx, address):
    """The kernel knows it still, and asks no rule."""
    rule = f"relay proto udp user {ALICE} idle 500ms"
    instance = tpx(rule, capture=LOCAL)
    with UdpServer(net.server, UDP_PORT):
        for count in (1, 2):
            assert serves(net, ALICE, GUESTS, address, UDP_PORT,
                          "SOCK_DGRAM", 20001)
            rows = instance.rows(count)
    assert {row["rule"] for row in rows} == {rule}


def test_datagrams_that_wait_for_a_name_keep_their_owner(
        net, tpx, quic, address):
    rules = [f'relay proto udp user {ALICE} domain "{QUIC_NAME}" idle 1s',
             f'block proto udp user {BOB} domain "{QUIC_NAME}"',
             f'block proto udp domain "{QUIC_NAME}"']
    instance = tpx("\n".join(rules), capture=LOCAL)
    gateway = Hosts(net.gateway, quic / "hosts", {QUIC_NAME: address})
    for uid, served in ((ALICE, True), (BOB, False), (0, False)):
        done = gateway.run(
            *identity(uid, GUESTS), "timeout", "20" if served else "2",
            "gtlsclient", "-q", "--exit-on-all-streams-close", LONG_HELLO,
            QUIC_NAME, QUIC_PORT, f"https://{QUIC_NAME}:{QUIC_PORT}/file",
            check=False)
        assert (done.returncode == 0) == served, done
    rows = {row["uid"]: row["rule"] for row in instance.rows(
        3, f"dport = {QUIC_PORT}")}
    assert rows == dict(zip((ALICE, BOB, 0), rules))


def test_owners_are_explained_as_they_are_decided(net, server, tpx):
    rules = [f"block user {ALICE} group {STAFF}",
             f"relay group {STAFF} idle 1m", f"block user {BOB}"]
    instance = tpx(f"exclude user 41003 group {GUESTS}\n" + "\n".join(rules),
                   capture=f"{LOCAL} user {{ {ALICE} {BOB} }} group {STAFF}")
    decided = []
    for uid in (ALICE, BOB, 41003):
        for gid in (STAFF, GUESTS):
            it = explain(instance, "tcp", net.OUTSIDE4,
                         f"{net.SERVER4}:{ECHO}", "user", uid, "group", gid)
            assert (it["uid"], it["gid"]) == (uid, gid)
            assert serves(net, uid, gid, net.SERVER4) == (
                it["action"] != "block"), it
            if it["captured"]:
                decided.append((uid, it["action"], it["rule"]))
            else:
                assert it["by"] == "excluded"
    rows = instance.rows(len(decided))
    assert sorted((row["uid"], row["action"], row["rule"])
                  for row in rows) == sorted(decided)


def test_explained_is_which_owner_is_not_known(net, tpx):
    instance = tpx(f"block user {ALICE}\nblock group {STAFF}\n"
                   f"block group nogroup",
                   capture=f"{FORWARDED}\n{LOCAL}")
    to = f"{net.SERVER4}:{ECHO}"
    it = explain(instance, "tcp", net.CLIENT4, to)
    assert (it["uid"], it["gid"], it["action"]) == (None, None, "relay")
    assert "own sockets" in it["rules"][0]["why"]
    it = explain(instance, "tcp", net.OUTSIDE4, to, "user", BOB)
    assert (it["uid"], it["gid"]) == (BOB, None)
    assert it["rules"][0]["why"] == f"uid {BOB} is none of its"
    assert "group GROUP" in it["rules"][1]["why"]
    it = explain(instance, "tcp", net.OUTSIDE4, to, "user", "nobody")
    assert it["rule"] == "block group nogroup"
    assert "none of its" in it["rules"][1]["why"]
    assert it["rules"][2]["why"] == "matches: gid 65534 is one of its"
    it = explain(instance, "tcp", net.OUTSIDE4, to, "group", STAFF)
    assert (it["uid"], it["rule"]) == (0, f"block group {STAFF}")


def test_what_is_forwarded_has_no_owner(net, server, tpx, address):
    instance = tpx("block user 0-4294967294\nexclude group 0-4294967294",
                   capture=f"{FORWARDED}\n{LOCAL} user {ALICE}")
    assert traffic.outcome(net.client, address, ECHO) == "served"
    assert server[ECHO].addresses() == {outside_of(net, address)}
    assert instance.rows(1)[0]["rule"] == "default relay"


def test_a_reload_changes_who_is_who(net, server, tpx):
    first, second = f"relay user {ALICE} idle 1m", f"relay user {BOB} idle 1m"
    instance = tpx(first, capture=LOCAL)
    for number, rule in enumerate((second, first, second)):
        instance.configure(configuration(rule, capture=LOCAL))
        instance.ctl("reload")
        for uid in (ALICE, BOB, 41003):
            assert serves(net, uid, GUESTS, net.SERVER4)
        rows = sorted(instance.rows(3 * (number + 1)),
                      key=lambda row: row["start_us"])[-3:]
        expected = {ALICE: "default relay", BOB: "default relay",
                    41003: "default relay",
                    ALICE if rule == first else BOB: rule}
        assert {row["uid"]: row["rule"] for row in rows} == expected


def test_no_flow_is_refused_while_a_reload_changes_who_is_asked(
        net, server, tpx):
    """Relays know the new rules before the kernel does."""
    rules = ["relay to any idle 2m", f"relay user {ALICE} idle 1m",
             f"relay group {STAFF} idle 1m", f"relay user {BOB} idle 1m"]
    instance = tpx(rules[0], capture=LOCAL)
    with futures.ThreadPoolExecutor(1) as pool:
        for rule in rules[1:] + rules[:2]:
            instance.configure(configuration(rule, capture=LOCAL))
            reload = pool.submit(instance.ctl, "reload")
            while not reload.done():
                with traffic.connect(
                        net.gateway, net.SERVER4, ECHO) as sock:
                    assert traffic.echoes(sock)
            reload.result()


def test_names_are_those_of_the_files_also_at_a_reload(net, server, tpx):
    instance = tpx("block user nobody", capture=LOCAL)
    assert not serves(net, 65534, GUESTS, net.SERVER4)
    instance.configure(configuration("block group nogroup", capture=LOCAL))
    instance.ctl("reload")
    assert serves(net, 65534, GUESTS, net.SERVER4)
    assert not serves(net, ALICE, 65534, net.SERVER4)
    instance.configure(configuration("block group nogrup", capture=LOCAL))
    done = instance.ctl("reload", check=False)
    assert done.returncode == 1
    assert "there is no group 'nogrup' in /etc/group" in done.stderr
    assert "did you mean 'nogroup'" in done.stderr


def test_plan_says_where_owners_are_known(net, server, tpx):
    instance = tpx(f"block user {ALICE}\nexclude group {STAFF}", capture=LOCAL)
    plan = json.loads(instance.ctl("--json", "plan").stdout)
    for rule in (plan["rules"][0], plan["exclusions"][0]):
        assert "only what this host's own sockets send" in rule["why"]
    assert "own sockets" not in plan["rules"][1]["why"]
