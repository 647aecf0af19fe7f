# SPDX-License-Identifier: ISC
"""Flows by way of upstreams: real proxies, and some that nobody would want."""

import contextlib
import json
import os
import pathlib
import re
import socket
import tempfile
import threading
import time

import pytest

from conftest import (DIGEST, ECHO, EXCHANGE, FORWARDED, LOCAL, REFUSED,
                      TALK_FIRST, client_of, configuration, outside_of)
from rig import proc, proxies, servers, traffic
from rig.servers import BODY

PORT, OTHER = 1080, 1081
BYTES = 1 << 20
SECRET = "correct horse"
TRY_S = 5.0  # for one address of several
LIMIT_S = 30.0


def endpoint(address, port=PORT):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def via(kind, *endpoints, login=""):
    """Everything goes by way of `corp`."""
    return (f"upstream corp {kind} {{ {' '.join(endpoints)} }} {login}\n"
            "default relay via corp")


@pytest.fixture
def password():
    """A file that tpxd may read."""
    user = proc.ensure_user()
    with tempfile.TemporaryDirectory(prefix="tpx-password-") as home:
        os.chmod(home, 0o755)
        path = pathlib.Path(home, "corp.pass")
        path.write_text(SECRET + "\n")
        os.chown(path, 0, user.pw_gid)
        path.chmod(0o640)
        yield path


@pytest.fixture(params=proxies.KINDS)
def kind(request):
    return request.param


@pytest.fixture
def proxy(net, kind):
    with proxies.start(kind, net.server, net.SERVER4, PORT) as process:
        yield process


def works(net, client=None, timeout_s=5.0):
    """Is a client answered?  Some proxies end both ways at the first end."""
    with traffic.connect(
            client or net.client, net.SERVER4, ECHO, timeout_s) as sock:
        return traffic.echoes(sock)


def last_row(instance, count):
    """Of so many rows.  Each relay counts ids of its own."""
    return max(instance.rows(count), key=lambda row: row["start_us"])


def latest(instance):
    """The last row, where no flow is open."""
    return last_row(instance, instance.status()["flows"]["accepted"])


def reset_row(net, instance, address, port=ECHO, timeout_s=5.0, count=1):
    """A client is reset; the last row, which tells of it."""
    assert traffic.outcome(net.client, address, port, timeout_s) == "reset"
    return last_row(instance, count)


@pytest.mark.smoke
def test_bytes_go_through_to_the_original_destination(
        net, server, proxy, kind, tpx, address):
    instance = tpx(via(kind, endpoint(net.SERVER4)))
    with traffic.connect(net.client, address, EXCHANGE) as sock:
        assert sock.getpeername()[0] == address
        sock.sendall(servers.EXCHANGE.pack(0, BYTES))
        assert servers.read_to_end(sock) == (BYTES, BODY.sha256(BYTES))
    with traffic.connect(net.client, address, ECHO) as sock:
        for chunk in BODY.chunks(BYTES):
            sock.sendall(chunk)
            assert servers.read_exactly(sock, len(chunk)) == chunk
    rows = sorted(instance.rows(2), key=lambda row: row["start_us"])
    assert [row["upstream"] for row in rows] == ["corp", "corp"]
    assert [row["rule"] for row in rows] == ["default relay via corp"] * 2
    assert [row["dst"] for row in rows] == [address, address]
    assert rows[0]["down_bytes"] == rows[1]["up_bytes"] == BYTES
    assert rows[0]["up_bytes"] == servers.EXCHANGE.size
    # it was the proxy that came, and not the gateway
    assert outside_of(net, address) not in (
        server[EXCHANGE].addresses() | server[ECHO].addresses())


def test_a_server_that_speaks_first_is_heard(
        net, server, proxy, kind, tpx, address):
    tpx(via(kind, endpoint(net.SERVER4)))
    with traffic.connect(net.client, address, TALK_FIRST) as sock:
        assert servers.read_to_end(sock) == (100_000, BODY.sha256(100_000))


def test_each_side_may_end_before_the_other(net, server, tpx, address):
    """HAProxy keeps a half-closed connection; not every proxy does."""
    tpx(via("proxy-v2", endpoint(net.SERVER4)))
    with proxies.haproxy(net.server, net.SERVER4, PORT):
        answer = traffic.ask(net.client, address, DIGEST, BODY.bytes[:BYTES])
        assert answer.decode() == f"{BYTES} {BODY.sha256(BYTES)}"
        with traffic.connect(net.client, address, TALK_FIRST) as sock:
            assert servers.read_to_end(sock)[0] == 100_000
            sock.sendall(b"x" * 1000)
            sock.shutdown(socket.SHUT_WR)
            proc.wait_until(lambda: server[TALK_FIRST].heard,
                            what="the rest arrives")
        assert server[TALK_FIRST].heard[0][0] == 1000


@pytest.mark.parametrize("name", [proxies.SOCKS5, proxies.HTTP])
def test_an_upstream_may_have_an_address_of_ipv6(net, server, tpx, name):
    instance = tpx(via(name, endpoint(net.SERVER6)))
    with proxies.start(name, net.server, net.SERVER6, PORT):
        assert works(net)
    row, = instance.rows(1)
    assert (row["upstream"], row["close"]) == ("corp", "client-fin")


def test_proxy_header_tells_client_and_destination(net, tpx, address):
    instance = tpx(via("proxy-v2", endpoint(net.SERVER4)))
    with proxies.haproxy(net.server, net.SERVER4, PORT,
                         proxies.HAPROXY_TELLS), \
            traffic.connect(net.client, address, 8080) as sock:
        sport = sock.getsockname()[1]
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(4096), b""))
    assert answer.rpartition(b"\r\n")[2].decode() == (
        f"{client_of(net, address)} {sport} {address} 8080")
    row, = instance.rows(1)
    assert row["upstream"] == "corp"


def alarms(instance):
    return instance.status()["alarms"]


def told(instance):
    """What events say of upstreams, in their order."""
    return [row["message"] for row in instance.sql(
        "SELECT message FROM events WHERE kind = 'upstream' ORDER BY id")]


DOWN = "upstream corp: no address of it can be used"
UP = "upstream corp: it can be used again"


def test_a_check_finds_an_upstream_down_and_up_without_any_client(
        net, server, tpx, kind):
    instance = tpx(via(kind, endpoint(net.SERVER4), login="check 1s"))
    proc.wait_until(lambda: DOWN in alarms(instance))
    # no client's flow is the one that finds out
    row = reset_row(net, instance, net.SERVER4)
    assert (row["close"], row["error"]) == ("unreachable", "EHOSTDOWN")
    with proxies.start(kind, net.server, net.SERVER4, PORT):
        proc.wait_until(lambda: alarms(instance) == [], 20)
        assert works(net)
    proc.wait_until(lambda: DOWN in alarms(instance))
    proc.wait_until(lambda: told(instance) == [DOWN, UP, DOWN])
    assert instance.status()["flows"]["accepted"] == 2


def test_a_check_logs_in_and_hears_that_it_may_not(net, tpx):
    """A server that is there and refuses every flow is of no use."""
    with odd(net, lambda connection: connection.recv(3) and
             connection.sendall(b"\x05\xff")):
        instance = tpx(via("socks5", endpoint(net.SERVER4),
                           login="check 1s"))
        proc.wait_until(lambda: DOWN in alarms(instance))


def test_flows_go_to_the_address_that_its_check_finds_good(
        net, server, tpx):
    """And none to the other one, not even to find out."""
    first, second = endpoint(net.SERVER4), endpoint(net.SERVER4, OTHER)
    # one check at the start is all there is
    with proxies.microsocks(net.server, net.SERVER4, OTHER), \
            odd(net, lambda connection: connection.recv(3) and
                connection.sendall(b"\x05\xff")) as refusing:
        instance = tpx(via("socks5", first, second, login="check 1h"),
                       workers=1)

        def left_alone():
            visits = len(refusing.visits)
            assert works(net)
            return len(refusing.visits) == visits
        proc.wait_until(left_alone, what="the check's end")
        assert all(left_alone() for _ in range(8))
        assert latest(instance)["upstream"] == f"corp {second}"
        assert alarms(instance) == []


# what others than those of every run make of it
OTHERS = {
    "dante": ("socks5", proxies.dante),
    "squid": ("http", proxies.squid),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_proxies_carry_bytes(net, server, tpx, address, name):
    kind, start = OTHERS[name]
    instance = tpx(via(kind, endpoint(net.SERVER4)))
    with start(net.server, net.SERVER4, PORT), \
            traffic.connect(net.client, address, EXCHANGE) as sock:
        sock.sendall(servers.EXCHANGE.pack(0, BYTES))
        assert servers.read_to_end(sock) == (BYTES, BODY.sha256(BYTES))
    row, = instance.rows(1)
    assert (row["upstream"], row["error"], row["down_bytes"]) == \
        ("corp", None, BYTES)


def test_another_server_reads_the_proxy_header(net, tpx, address):
    instance = tpx(via("proxy-v2", endpoint(net.SERVER4)))
    with proxies.nginx(net.server, net.SERVER4, PORT), \
            traffic.connect(net.client, address, 8080) as sock:
        sport = sock.getsockname()[1]
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(4096), b""))
    assert answer.rpartition(b"\r\n")[2].decode() == (
        f"{client_of(net, address)} {sport} {address} 8080")
    row, = instance.rows(1)
    assert row["upstream"] == "corp"


@pytest.mark.long
@pytest.mark.parametrize("name", OTHERS)
def test_other_proxies_carry_many_flows_at_a_time(net, server, tpx, name):
    kind, start = OTHERS[name]
    instance = tpx(via(kind, endpoint(net.SERVER4)))
    count = 100
    with start(net.server, net.SERVER4, PORT), \
            contextlib.ExitStack() as stack:
        socks = [stack.enter_context(traffic.connect(
            net.client, net.SERVER4, ECHO, LIMIT_S)) for _ in range(count)]
        for sock in socks:
            assert traffic.echoes(sock)
    rows = instance.rows(count)
    assert {(row["upstream"], row["error"]) for row in rows} == \
        {("corp", None)}


LOGINS = {
    proxies.SOCKS5: (proxies.microsocks, "socks5: login refused",
                     "socks5: no method in common"),
    proxies.HTTP: (proxies.tinyproxy, "http: 401|http: 407",
                   "http: 401|http: 407"),
    "squid": (proxies.squid, "http: 407", "http: 407"),
}
LOGIN_KINDS = {"squid": proxies.HTTP}


@pytest.mark.parametrize("name", LOGINS)
def test_login_right_wrong_and_missing(net, server, tpx, password, name):
    start, wrong, missing = LOGINS[name]
    name = LOGIN_KINDS.get(name, name)
    words = f'password-file "{password}"'
    good = via(name, endpoint(net.SERVER4), login=f'user "me" {words}')
    bad = via(name, endpoint(net.SERVER4), login=f'user "you" {words}')
    secret = SECRET.replace(" ", "")
    password.write_text(secret + "\n")
    with start(net.server, net.SERVER4, PORT, "me", secret):
        instance = tpx(good)
        assert works(net)
        row, = instance.rows(1)
        assert (row["upstream"], row["error"]) == ("corp", None)
        instance.configure(configuration(bad))
        instance.ctl("reload")
        row = reset_row(net, instance, net.SERVER4, count=2)
        assert row["close"] == "refused"
        assert re.fullmatch(wrong, row["error"]), row["error"]
        instance.configure(configuration(via(name, endpoint(net.SERVER4))))
        instance.ctl("reload")
        row = reset_row(net, instance, net.SERVER4, count=3)
        assert row["close"] == "refused"
        assert re.fullmatch(missing, row["error"]), row["error"]
    shown = instance.ctl("plan").stdout + instance.ctl(
        "--json", "plan").stdout + instance.tpxd.output()
    assert secret not in shown


def test_password_beside_the_configuration_is_read_anew_by_reload(
        net, server, tpx):
    instance = tpx("default relay")
    text = configuration(via("socks5", endpoint(net.SERVER4), login=(
        'user "me" password-file "corp.pass"')))
    path = instance.home / "corp.pass"
    user = proc.ensure_user()
    with proxies.microsocks(net.server, net.SERVER4, PORT, "me", "second"):
        instance.configure(text)
        done = instance.ctl("reload", check=False)
        assert done.returncode == 1
        assert "corp.pass: No such file" in done.stderr
        for content in ("first", "second"):
            path.write_text(content)
            os.chown(path, user.pw_uid, user.pw_gid)
            path.chmod(0o600)
            instance.ctl("reload")
        assert works(net)
    row, = instance.rows(1)
    assert row["upstream"] == "corp"


def test_passwords_survive_a_trial_and_a_dead_relay(
        net, server, tpx, password):
    secret = "battery"
    password.write_text(secret)
    text = via("socks5", endpoint(net.SERVER4), login=(
        f'user "me" password-file "{password}"'))
    with proxies.microsocks(net.server, net.SERVER4, PORT, "me", secret):
        instance = tpx(text)
        other = instance.home / "other.conf"
        instance.configure(configuration("default block"), other)
        password.write_text("another")
        instance.ctl("apply", "-f", other, "--confirm", "1")
        proc.wait_until(
            lambda: instance.status()["config"]["generation"] == 3,
            what="the configuration before comes back")
        assert works(net), "the password is not the one of before"
        relays = instance.by_role()["relay"]
        proc.kill(relays)
        instance.wait_replaced("relay", relays, 10)
        instance.wait_state("armed")
        assert works(net), "a new relay has no password"


@pytest.mark.smoke
def test_next_address_is_tried_and_the_first_comes_back(
        net, server, kind, tpx):
    first, second = endpoint(net.SERVER4), endpoint(net.SERVER4, OTHER)
    instance = tpx(via(kind, first, second), workers=1)
    with proxies.start(kind, net.server, net.SERVER4, OTHER):
        for count in (1, 2):
            assert works(net)
            row = last_row(instance, count)
            assert row["upstream"] == f"corp {second}"
        with proxies.start(kind, net.server, net.SERVER4, PORT):
            def returned():
                assert works(net)
                return instance.sql(
                    "SELECT 1 FROM flows WHERE upstream = ?",
                    f"corp {first}")
            proc.wait_until(returned, what="the first address is used")
            # and it is good again, not only tried once in a while
            for _ in range(3):
                assert works(net)
                assert latest(instance)["upstream"] == f"corp {first}"


def test_when_all_are_down_the_client_is_reset_and_the_row_says_why(
        net, server, kind, tpx, address):
    second = endpoint(net.SERVER6, OTHER)
    instance = tpx(via(kind, endpoint(net.SERVER4), second))
    row = reset_row(net, instance, address)
    assert (row["close"], row["error"]) == ("refused", "ECONNREFUSED")
    assert row["upstream"] == f"corp {second}"
    assert server[ECHO].visits == []
    down = "upstream corp: no address of it can be used"
    proc.wait_until(lambda: down in instance.status()["alarms"],
                    what="the alarm")
    event, = proc.wait_until(lambda: instance.sql(
        "SELECT * FROM events WHERE message = ?", down), what="the event")
    assert (event["severity"], event["kind"]) == ("warning", "upstream")


@pytest.mark.parametrize("name,error", [
    (proxies.SOCKS5, "socks5: connection refused"),
    (proxies.HTTP, "http: 5.."),
])
def test_a_destination_that_refuses_is_not_the_upstreams_fault(
        net, server, tpx, name, error):
    first, second = endpoint(net.SERVER4), endpoint(net.SERVER4, OTHER)
    instance = tpx(via(name, first, second), workers=1)
    with proxies.start(name, net.server, net.SERVER4, PORT), \
            proxies.start(name, net.server, net.SERVER4, OTHER):
        row = reset_row(net, instance, net.SERVER4, REFUSED)
        assert re.fullmatch(error, row["error"]), row["error"]
        assert row["close"] in ("refused", "unreachable")
        assert row["upstream"] == f"corp {first}"
        assert works(net)
    assert last_row(instance, 2)["upstream"] == f"corp {first}"


def test_only_what_a_rule_says_goes_through(net, server, tpx):
    instance = tpx(f"upstream corp socks5 {endpoint(net.SERVER4)}\n"
                   f"relay proto tcp to any port {ECHO} via corp\n"
                   "default relay")
    with proxies.microsocks(net.server, net.SERVER4, PORT):
        assert works(net)
        assert traffic.outcome(net.client, net.SERVER4, DIGEST) == "served"
    plan = json.loads(instance.ctl("--json", "plan").stdout)
    assert plan["upstreams"] == [{"name": "corp", "kind": "socks5",
                                  "addresses": [endpoint(net.SERVER4)]}]
    shown = instance.ctl("plan", "-f", instance.config).stdout
    assert f"# corp, socks5: {endpoint(net.SERVER4)}\n" in shown
    assert f"# relay proto tcp to any port {ECHO} via corp\n" in shown
    rows = {row["dport"]: row["upstream"] for row in instance.rows(2)}
    assert rows == {ECHO: "corp", DIGEST: None}


def test_relays_own_way_to_the_upstream_is_not_captured(net, server, tpx):
    """What this host captures of itself is not captured again."""
    instance = tpx(via("socks5", endpoint(net.SERVER4)),
                   capture=f"{FORWARDED}\n{LOCAL}")
    with proxies.microsocks(net.server, net.SERVER4, PORT):
        assert works(net, net.gateway)
    row, = instance.rows(1)
    assert (row["capture"], row["upstream"]) == ("local", "corp")
    assert row["dport"] == ECHO


SOCKS5_GOOD = b"\5\0", b"\5\0\0\1\0\0\0\0\0\0"
HTTP_GOOD = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"


def hear(connection, kind):
    """What a relay says first."""
    if kind == proxies.SOCKS5:
        return servers.read_exactly(connection, 3)
    heard = b""
    while not heard.endswith(b"\r\n\r\n"):
        heard += servers.read_exactly(connection, 1)
    return heard


def answer_well(connection, kind, send, behind=b""):
    hear(connection, kind)
    if kind == proxies.HTTP:
        send(connection, HTTP_GOOD + behind)
        return
    send(connection, SOCKS5_GOOD[0])
    servers.read_exactly(connection, 10)
    send(connection, SOCKS5_GOOD[1] + behind)


def byte_by_byte(connection, data):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(len(data)):
        connection.sendall(data[at:at + 1])


@contextlib.contextmanager
def odd(net, behaviour, port=PORT):
    """An upstream that does what behaviour(connection) does."""
    with servers.Server(
            net.server, port, lambda self, connection: behaviour(
                connection)) as server:
        yield server


ANSWERING = pytest.mark.parametrize("name", [proxies.SOCKS5, proxies.HTTP])


@ANSWERING
@pytest.mark.parametrize("send", [byte_by_byte, socket.socket.sendall],
                         ids=["byte by byte", "at once"])
def test_no_byte_behind_the_handshake_is_lost(net, tpx, name, send):
    def behaviour(connection):
        answer_well(connection, name, send, b"first words")
        servers.digest(None, connection)
    tpx(via(name, endpoint(net.SERVER4)))
    with odd(net, behaviour), \
            traffic.connect(net.client, net.SERVER4, ECHO) as sock:
        assert servers.read_exactly(sock, 11) == b"first words"
        sock.sendall(BODY.bytes[:BYTES])
        sock.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: sock.recv(100), b""))
    assert answer.decode() == f"{BYTES} {BODY.sha256(BYTES)}"


def garbage(connection):
    connection.sendall(b"SSH-2.0-nobody\r\n")
    connection.recv(1 << 16)


def flood(connection):
    with contextlib.suppress(OSError):
        connection.sendall(BODY.bytes[:BYTES])
    connection.recv(1 << 16)


def endless_head(connection):
    hear(connection, proxies.HTTP)
    with contextlib.suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"x" * BYTES)
    connection.recv(1 << 16)


def endless_reply(connection):
    hear(connection, proxies.SOCKS5)
    with contextlib.suppress(OSError):
        connection.sendall(b"\5\0" * (BYTES // 2))
    connection.recv(1 << 16)


def leave(connection):
    connection.recv(1)


def half_an_answer(connection):
    hear(connection, proxies.HTTP)
    connection.sendall(HTTP_GOOD[:-3])
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1 << 16)


HOSTILE = {
    "garbage to socks5": (proxies.SOCKS5, garbage, "not understood"),
    "garbage to http": (proxies.HTTP, garbage, "not understood"),
    "flood to socks5": (proxies.SOCKS5, flood, "not understood"),
    "flood to http": (proxies.HTTP, flood, "not understood"),
    "endless head": (proxies.HTTP, endless_head, "not understood"),
    "endless reply": (proxies.SOCKS5, endless_reply, "not understood"),
    "end before socks5": (proxies.SOCKS5, leave, "ended too early|RESET"),
    "end within http": (proxies.HTTP, half_an_answer, "ended too early"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("name,behaviour,error", HOSTILE.values(),
                         ids=list(HOSTILE))
def test_a_hostile_upstream_ends_its_flow_at_once(
        net, server, tpx, name, behaviour, error):
    instance = tpx(via(name, endpoint(net.SERVER4)))
    began = time.monotonic()
    with odd(net, behaviour):
        row = reset_row(net, instance, net.SERVER4)
    assert time.monotonic() - began < TRY_S
    assert re.search(error, row["error"]), row["error"]
    assert row["close"] != "timeout" and row["up_bytes"] == 0
    assert instance.unaccounted() == 0


@pytest.mark.smoke
def test_a_handshake_outlives_the_configuration_that_began_it(
        net, server, tpx):
    heard, answer = threading.Event(), threading.Event()

    def behaviour(connection):
        hear(connection, proxies.HTTP)
        heard.set()
        answer.wait(LIMIT_S)
        connection.sendall(HTTP_GOOD + b"first words")
        connection.recv(1)
    instance = tpx(via("http", endpoint(net.SERVER4)))
    with odd(net, behaviour), \
            traffic.connect(net.client, net.SERVER4, ECHO) as sock:
        assert heard.wait(LIMIT_S)
        for _ in range(3):
            instance.configure(configuration("default relay"))
            instance.ctl("reload")
        answer.set()
        assert servers.read_exactly(sock, 11) == b"first words"
    assert instance.rows(1)[0]["upstream"] == "corp"
    assert works(net)
    assert last_row(instance, 2)["upstream"] is None


@ANSWERING
def test_a_handshake_that_breaks_goes_to_the_next_address(
        net, server, tpx, name):
    second = endpoint(net.SERVER4, OTHER)
    instance = tpx(via(name, endpoint(net.SERVER4), second))
    with odd(net, garbage), \
            proxies.start(name, net.server, net.SERVER4, OTHER):
        assert works(net)
    row, = instance.rows(1)
    assert (row["upstream"], row["error"]) == (f"corp {second}", None)


def test_a_silent_upstream_is_left_for_the_next_one(net, server, tpx):
    second = endpoint(net.SERVER4, OTHER)
    instance = tpx(via("socks5", endpoint(net.SERVER4), second), workers=1)
    with odd(net, lambda connection: connection.recv(1 << 16) and
             connection.recv(1)), \
            proxies.microsocks(net.server, net.SERVER4, OTHER):
        began = time.monotonic()
        assert works(net, timeout_s=LIMIT_S)
        assert TRY_S <= time.monotonic() - began < TRY_S + 4
        assert works(net)
    assert {row["upstream"] for row in instance.rows(2)} == {f"corp {second}"}


@pytest.mark.long
@ANSWERING
@pytest.mark.parametrize("slow", [False, True], ids=["silent", "drop by drop"])
def test_an_upstream_that_takes_too_long_is_ended_by_the_limit(
        net, server, tpx, name, slow):
    def behaviour(connection):
        hear(connection, name)
        at = 0
        good = HTTP_GOOD if name == proxies.HTTP else SOCKS5_GOOD[0]
        while slow and at < len(good) - 1:
            connection.settimeout(2)
            with contextlib.suppress(TimeoutError):
                return connection.recv(1)
            connection.sendall(good[at:at + 1])
            at += 1
        connection.settimeout(None)
        return connection.recv(1)
    instance = tpx(via(name, endpoint(net.SERVER4)))
    began = time.monotonic()
    with odd(net, behaviour):
        row = reset_row(net, instance, net.SERVER4, timeout_s=LIMIT_S + 10)
    assert LIMIT_S <= time.monotonic() - began < LIMIT_S + 5
    assert (row["close"], row["error"]) == ("timeout", "ETIMEDOUT")
