# SPDX-License-Identifier: ISC
"""Questions go on by TLS, to servers that are who they should be, or not."""

import pwd
import re
import socket

import pytest

from conftest import FORWARDED, LOCAL
from rig import dot, names, proc, servers, upstreams
from rig.sniffer import Sniffer

BOTH = f"{FORWARDED}\n{LOCAL}"
ANY4 = "192.0.2.53"
NAME, OTHER = "dns.test", "second.test"
WWW = "www.example.net"
SECOND_PORT = 8853


@pytest.fixture
def authority(tmp_path):
    return dot.Authority(tmp_path)


@pytest.fixture
def dot_server(net, authority):
    """The upstream, and ways from the gateway to whomever is asked."""
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    with dot.Server(net.server, authority, NAME) as server:
        yield server


@pytest.fixture
def dot_tpx(net, tpx, authority):
    """Starts tpxd that trusts that authority: dot_tpx("servers")."""
    def start(asked, more="", **settings):
        instance = tpx("dns off", wait="armed", capture=BOTH, **settings)
        instance.home.joinpath("ca.pem").write_text(
            authority.path.read_text())
        reconfigure(instance, asked, more)
        return instance
    return start


def reconfigure(instance, asked, more=""):
    instance.configure(
        f"on-failure closed\nlease 2s\nworkers 2\n{BOTH}\n"
        f'dns forward tls {{ {asked} }}\ndns tls-authorities "ca.pem"\n'
        f"dns validate no\n{more}\n")
    instance.ctl("reload")


def answered(net, name=WWW, timeout_s=3):
    return names.texts(names.ask(
        net.client, ANY4, name, timeout_s=timeout_s)) == {names.ADDRESS4}


def upstream_events(instance, text):
    return [row for row in instance.sql(
        "SELECT * FROM events WHERE kind = 'dns-upstream'")
            if text in row["message"]]


def loopback_port(net):
    """That of tpx-dot: the only one of UDP and TCP that is not shared."""
    udp, = {int(found) for found in re.findall(
        r"127\.0\.0\.1:(\d+).*tpx-dot", net.gateway.run(
            "ss", "-Hlunp").stdout)}
    return udp


@pytest.mark.smoke
def test_answers_come_and_nobody_reads_the_question(
        net, dot_server, dot_tpx):
    with Sniffer(net.server, net.OUTSIDE4, net.OUTSIDE6) as seen:
        instance = dot_tpx(f'{net.SERVER4} "{NAME}"')
        proc.wait_until(lambda: answered(net), 5, "an answer by TLS")
        assert names.texts(names.ask(net.gateway, ANY4, WWW, tcp=True)) == {
            names.ADDRESS4}
        ports = {packet.dport for packet in seen.direct()}
    assert 853 in ports and 53 not in ports, ports
    assert len(instance.by_role()["dot"]) == 1


def test_a_wrong_name_is_asked_nothing(net, dot_server, dot_tpx):
    instance = dot_tpx(f'{net.SERVER4} "wrong.test"')
    answer = names.ask(net.client, ANY4, WWW)
    assert names.rcode(answer) == "SERVFAIL" and not names.texts(answer)
    event, = proc.wait_until(
        lambda: upstream_events(instance, "wrong.test")[:1], 5, "an event")
    assert "ostname mismatch" in event["message"], event
    assert event["process"] == "tpx-dot" and event["severity"] == "warning"
    reconfigure(instance, f'{net.SERVER4} "{NAME}"')
    proc.wait_until(lambda: answered(net), 10, "the right one answers")


@pytest.mark.parametrize("option", ["yes", "no"])
def test_letters_of_an_answer_may_be_any(
        net, authority, dot_tpx, option):
    """They are no secret of a server that TLS has made known."""
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    with servers.Server(net.server, 853, dot.answering(
            authority, NAME, upstreams.in_capitals)) as server:
        instance = dot_tpx(f'{net.SERVER4} "{NAME}"',
                           f"dns random-case {option}")
        proc.wait_until(
            lambda: names.texts(names.ask(net.client, ANY4, WWW, timeout_s=3))
            == {upstreams.TRUE4}, 5, "an answer by TLS")
        asked = [query.question[0].name.to_text() for query in server.heard]
    assert asked == [f"{WWW}."]
    assert upstream_events(instance, "") == []


@pytest.mark.parametrize("dies", [0, 1], ids=["first", "second"])
def test_when_one_server_dies_another_answers(
        net, authority, dot_server, dot_tpx, dies):
    """Whichever was asked until then, which is the faster one."""
    with dot.Server(net.server, authority, OTHER, SECOND_PORT) as second:
        dot_tpx(f'{net.SERVER4} "{NAME}" '
                f'{net.SERVER4}@{SECOND_PORT} "{OTHER}"')
        proc.wait_until(lambda: answered(net), 5, "an answer by TLS")
        (dot_server, second)[dies].process.stop()
        for number in range(20):
            assert answered(net, f"host{number}.example.net")


def test_a_killed_one_is_back_soon_on_its_port(net, dot_server, dot_tpx):
    instance = dot_tpx(f'{net.SERVER4} "{NAME}"')
    proc.wait_until(lambda: answered(net), 5, "an answer by TLS")
    port = loopback_port(net)
    old, resolver = (instance.by_role()[role] for role in ("dot", "resolver"))
    proc.kill(old)
    instance.wait_replaced("dot", old, 5)
    numbers = iter(range(50))
    proc.wait_until(
        lambda: answered(net, f"host{next(numbers)}.example.net"), 5,
        "answers again")
    assert loopback_port(net) == port
    assert instance.by_role()["resolver"] == resolver
    assert instance.status()["state"] == "armed"


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM],
                         ids=["udp", "tcp"])
def test_other_users_cannot_ask_it_on_loopback(
        net, dot_server, dot_tpx, kind):
    instance = dot_tpx(f'{net.SERVER4} "{NAME}"')
    proc.wait_until(lambda: answered(net), 5, "an answer by TLS")
    port = loopback_port(net)
    tcp = kind == socket.SOCK_STREAM
    for state in ("armed", "paused"):
        with pytest.raises(OSError):
            names.ask(net.gateway, "127.0.0.1", WWW, port=port, tcp=tcp,
                      timeout_s=0.5)
        # it is there: its own user is answered
        done = net.gateway.run(
            "setpriv", f"--reuid={pwd.getpwnam('tpx').pw_uid}",
            "--clear-groups", "dig", "+short", "+timeout=2", "+tries=1",
            *(["+tcp"] if tcp else []), "-p", str(port), "@127.0.0.1", WWW)
        assert names.ADDRESS4 in done.stdout
        if state == "armed":
            instance.ctl("pause")
            instance.wait_state("paused")


def test_without_tls_there_is_no_such_process(net, dot_server, dot_tpx):
    instance = dot_tpx(f'{net.SERVER4} "{NAME}"')
    proc.wait_until(lambda: answered(net), 5, "an answer by TLS")
    instance.configure(f"on-failure closed\nlease 2s\nworkers 2\n{BOTH}\n"
                       "dns off\n")
    instance.ctl("reload")
    proc.wait_until(lambda: not instance.by_role()["dot"], 5, "it leaves")
    reconfigure(instance, f'{net.SERVER4} "{NAME}"')
    proc.wait_until(lambda: answered(net), 5, "an answer by TLS")
