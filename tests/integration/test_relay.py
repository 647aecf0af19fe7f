# SPDX-License-Identifier: ISC
"""The data path: what a client and a server see of each other through tpx."""

import concurrent.futures
import contextlib
import hashlib
import pathlib
import re
import socket
import struct
import threading

import pytest

from conftest import (BEHIND, CLOSE, DIGEST, ECHO, EXCHANGE, HTTP, LISTEN,
                      REFUSED, RESET, STALL, TALK_FIRST, client_of, outside_of)
from rig import conntrack, proc, servers, traffic
from rig.servers import BODY

PARTING = 90
SEGMENTS_IN = 140  # tcpi_segs_in of struct tcp_info
SHORT_CONNECTIONS = 1000
DOWNLOADS = 200
BIG_BYTES = 64 << 20
# each of them has had a pipe in either direction
POOL_FLOWS, POOL_BYTES = 10, 1 << 20
MEMORY_KIB = 16 << 10


def rss_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"^VmRSS:\s+(\d+)", status.read(), re.M)[1])


@pytest.mark.smoke
def test_server_sees_the_gateway_and_client_sees_the_server(
        net, server, sniffer, tpx, address):
    tpx()
    with traffic.connect(net.client, address, ECHO) as sock:
        assert sock.getpeername()[0] == address
        sock.sendall(b"hello")
        assert servers.read_exactly(sock, 5) == b"hello"
    assert server[ECHO].addresses() == {outside_of(net, address)}
    assert sniffer.direct() == []


@pytest.mark.smoke
def test_row_tells_the_flow_as_it_was(net, server, tpx, address):
    instance = tpx("relay proto tcp from any to any port 7")
    with traffic.connect(net.client, address, ECHO) as sock:
        sport = sock.getsockname()[1]
        sock.sendall(b"x" * 1000)
        sock.shutdown(socket.SHUT_WR)
        servers.read_exactly(sock, 1000)
        assert sock.recv(1) == b""
    row, = instance.rows(1)
    expected = {
        "proto": "tcp", "src": client_of(net, address), "sport": sport,
        "dst": address, "dport": ECHO, "capture": "forwarded",
        "action": "relay", "up_bytes": 1000, "down_bytes": 1000,
        "rule": "relay proto tcp from any to any port 7",
        "close": "client-fin", "final": 1, "host": None, "upstream": None,
    }
    assert {key: row[key] for key in expected} == expected
    assert 0 <= row["connect_ms"] < 1000 and row["duration_ms"] < 5000
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
                        row["start"])


def segments_in(sock):
    """Of a connection, its SYN's answer among them."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return struct.unpack_from("=I", info, SEGMENTS_IN)[0]


def test_end_comes_in_one_segment_with_the_last_bytes(net, tpx, address):
    tpx()
    with servers.Server(net.server, PARTING, servers.last_word), \
            traffic.connect(net.client, address, PARTING) as sock:
        assert servers.read_exactly(sock, 4) == b"word"
        assert sock.recv(1) == b""
        # the answer to its SYN is the other one
        assert segments_in(sock) == 2


def test_kernel_tells_nobody_of_flows_that_relays_begin(
        net, server, tpx, address):
    tpx()
    with conntrack.beginnings(net.gateway) as began_until:
        with traffic.connect(net.client, address, ECHO) as sock:
            assert traffic.echoes(sock)
        # one of the gateway itself, which is told in its turn
        traffic.connect(net.gateway, address, DIGEST).close()
        assert ECHO not in began_until(DIGEST)


@pytest.mark.parametrize("share", [
    pytest.param(1, marks=pytest.mark.long, id="all"),
    pytest.param(0.1, marks=pytest.mark.smoke, id="tenth")])
def test_parallel_curl_downloads_are_byte_identical(net, server, tpx, share):
    instance = tpx()
    count = int(DOWNLOADS * share)
    script = ""
    for url in (f"http://{net.SERVER4}", f"http://[{net.SERVER6}]"):
        script += (f"for i in $(seq {count // 2}); do (curl -sSf --max-time 90"
                   f" '{url}/bytes/{servers.BODY_BYTES}' | sha256sum) & done\n")
    done = net.client.run("sh", "-c", script + "wait", timeout=120)
    assert done.stderr == ""
    hashes = [line.split()[0] for line in done.stdout.splitlines()]
    assert hashes == [BODY.sha256(servers.BODY_BYTES)] * count
    instance.rows(count)
    assert instance.unaccounted() == 0


@pytest.mark.parametrize("count", [SHORT_CONNECTIONS, pytest.param(
    100, marks=pytest.mark.smoke)])
def test_short_connections_give_one_row_each_with_right_bytes(
        net, server, tpx, count):
    instance = tpx()
    sizes = [(index * 7 % 5003, index * 13 % 4999) for index in range(count)]

    def once(index):
        target = (net.SERVER4, net.SERVER6)[index % 2]
        return traffic.exchange(net.client, target, EXCHANGE, *sizes[index])
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        received = list(pool.map(once, range(count)))
    assert received == [down for _, down in sizes]
    rows = instance.rows(count)
    assert sorted((row["up_bytes"], row["down_bytes"]) for row in rows) == \
        sorted((up + servers.EXCHANGE.size, down) for up, down in sizes)
    assert {row["dst"] for row in rows} == {net.SERVER4, net.SERVER6}
    assert len({row["id"] for row in rows}) == count
    assert instance.unaccounted() == 0


@pytest.mark.smoke
def test_big_download_is_identical(net, server, tpx, address):
    instance = tpx()
    with traffic.connect(net.client, address, EXCHANGE, 60) as sock:
        sock.sendall(servers.EXCHANGE.pack(0, BIG_BYTES))
        assert servers.read_to_end(sock) == (
            BIG_BYTES, BODY.sha256(BIG_BYTES))
    row, = instance.rows(1)
    assert row["down_bytes"] == BIG_BYTES


@pytest.mark.smoke
def test_big_upload_is_identical(net, server, tpx, address):
    instance = tpx()
    with traffic.connect(net.client, address, DIGEST, 60) as sock:
        for chunk in BODY.chunks(BIG_BYTES):
            sock.sendall(chunk)
        sock.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: sock.recv(100), b""))
    assert answer.decode() == f"{BIG_BYTES} {BODY.sha256(BIG_BYTES)}"
    row, = instance.rows(1)
    assert row["up_bytes"] == BIG_BYTES


def test_both_directions_at_once_are_identical(net, server, tpx, address):
    tpx()
    with traffic.connect(net.client, address, ECHO, 60) as sock, \
            concurrent.futures.ThreadPoolExecutor(1) as pool:
        echoed = pool.submit(servers.read_to_end, sock)
        for chunk in BODY.chunks(BIG_BYTES // 2):
            sock.sendall(chunk)
        sock.shutdown(socket.SHUT_WR)
        assert echoed.result(60) == (
            BIG_BYTES // 2, BODY.sha256(BIG_BYTES // 2))


def pipe_ends(instance):
    relay, = instance.by_role()["relay"]
    return [link for link in proc.opened(relay) if link.startswith("pipe:")]


def test_pipes_of_big_flows_are_those_of_flows_before(
        net, server, tpx, address):
    """Of flows that have ended, and of those that rest."""
    instance = tpx(workers=1)
    before = len(pipe_ends(instance))
    with contextlib.ExitStack() as stack:
        for _ in range(POOL_FLOWS):
            sock = stack.enter_context(
                traffic.connect(net.client, address, ECHO))
            # it is answered, as much at a time as there is room for
            for chunk in BODY.chunks(POOL_BYTES):
                assert traffic.echoes(sock, chunk)
        # fewer than one for each flow, of two ends
        resting = pipe_ends(instance)
        assert before < len(resting) < before + 2 * POOL_FLOWS
    for _ in range(POOL_FLOWS):
        traffic.exchange(net.client, address, EXCHANGE, 10, POOL_BYTES)
    assert len(pipe_ends(instance)) <= len(resting)


@pytest.mark.smoke
def test_client_may_end_first_and_still_be_answered(net, server, tpx, address):
    tpx()
    answer = traffic.ask(net.client, address, DIGEST, BODY.bytes[:70_000])
    assert answer.decode() == f"70000 {BODY.sha256(70_000)}"


@pytest.mark.smoke
def test_server_may_end_first_and_still_be_spoken_to(
        net, server, tpx, address):
    instance = tpx()
    with traffic.connect(net.client, address, TALK_FIRST) as sock:
        assert servers.read_to_end(sock) == (100_000, BODY.sha256(100_000))
        sock.sendall(BODY.bytes[:50_000])
    proc.wait_until(lambda: server[TALK_FIRST].heard, 5, "server reads on")
    assert server[TALK_FIRST].heard == [(50_000, BODY.sha256(50_000))]
    row, = instance.rows(1)
    assert row["close"] == "server-fin"
    assert (row["up_bytes"], row["down_bytes"]) == (50_000, 100_000)


def test_server_that_reads_nothing_costs_bounded_memory(
        net, server, tpx, address):
    instance = tpx(workers=1)
    relay, = instance.by_role()["relay"]
    before = rss_kib(relay)
    socks = [traffic.connect(net.client, address, STALL) for _ in range(20)]
    for sock in socks:
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            for chunk in BODY.chunks(256 << 20):
                sock.sendall(chunk)
    assert rss_kib(relay) - before < MEMORY_KIB
    assert instance.by_role()["relay"] == [relay]
    for sock in socks:
        sock.close()


def test_client_that_reads_late_gets_everything(net, server, tpx, address):
    instance = tpx(workers=1)
    relay, = instance.by_role()["relay"]
    before = rss_kib(relay)
    with traffic.connect(net.client, address, EXCHANGE, 60) as sock:
        sock.sendall(servers.EXCHANGE.pack(0, BIG_BYTES))
        # another client is served while this one reads nothing
        assert traffic.ask(net.client, address, ECHO, b"next") == b"next"
        assert rss_kib(relay) - before < MEMORY_KIB
        assert servers.read_to_end(sock) == (
            BIG_BYTES, BODY.sha256(BIG_BYTES))


# what is downloaded, and what the client's kernel takes before it is read
LATE = [(count, buffer_bytes)
        for count in (20_000, 60_000, 70_000, 100_000, 130_000, 150_000,
                      180_000, 200_000, 230_000, 250_000)
        for buffer_bytes in (2048, 4096, 16384, 65536)]


@pytest.mark.smoke
def test_client_that_reads_after_the_servers_end_sees_it(
        net, server, tpx, address):
    instance = tpx(workers=1)
    socks = []
    for count, buffer_bytes in LATE:
        sock = traffic.connect(net.client, address, EXCHANGE, 3, buffer_bytes)
        sock.sendall(servers.EXCHANGE.pack(0, count))
        socks.append((sock, count))
    proc.wait_until(lambda: server[EXCHANGE].served(len(LATE)), 10,
                    "the server has sent and closed everything")
    for sock, count in socks:
        with sock:
            assert servers.read_to_end(sock) == (count, BODY.sha256(count))
    rows = instance.rows(len(LATE))
    assert {row["close"] for row in rows} == {"server-fin"}


def test_idle_limit_of_a_rule_ends_its_flows_only(net, server, tpx, address):
    instance = tpx(f"relay proto tcp from any to any port {ECHO} idle 1s")
    with traffic.connect(net.client, address, STALL) as other, \
            traffic.connect(net.client, address, ECHO) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        try:
            assert sock.recv(1) == b""
        except ConnectionResetError:
            pass
        row, = instance.rows(1)
        assert (row["close"], row["dport"]) == ("idle", ECHO)
        assert 900 <= row["duration_ms"] <= 4000
        other.sendall(b"still here")


def test_reset_of_the_server_reaches_the_client(net, server, tpx, address):
    instance = tpx()
    with traffic.connect(net.client, address, RESET) as sock:
        sock.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    row, = instance.rows(1)
    assert (row["close"], row["up_bytes"]) == ("server-rst", 1)


def test_reset_right_behind_bytes_leaves_no_client_waiting(
        net, server, tpx, address):
    instance = tpx()
    for _ in range(40):
        with traffic.connect(net.client, address, BEHIND) as sock:
            sock.sendall(b"x")
            with contextlib.suppress(ConnectionResetError):
                while sock.recv(4096):
                    pass
    instance.rows(40)
    assert instance.unaccounted() == 0


def test_reset_that_is_seen_with_the_last_bytes_is_passed_on(
        net, tpx, address):
    instance = tpx()
    heard, go, gone = (threading.Event() for _ in range(3))

    def reset_when_told(_server, connection):
        connection.recv(1)
        heard.set()
        go.wait(5)
        connection.sendall(b"y")
        servers.reset(connection)
        gone.set()
    with servers.Server(net.server, PARTING, reset_when_told), \
            traffic.connect(net.client, address, PARTING) as sock:
        sock.sendall(b"x")
        assert heard.wait(5)
        with proc.stopped(instance.by_role()["relay"]):
            go.set()
            assert gone.wait(5)
        assert sock.recv(1) == b"y"
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    row, = instance.rows(1)
    assert row["close"] == "server-rst"


URGENT_AFTER = 512 << 10  # when both directions are spliced


def send_urgent(sock, parts):
    for part in parts[:-1]:
        sock.sendall(part)
        sock.send(b"!", socket.MSG_OOB)
    sock.sendall(parts[-1])


@pytest.mark.parametrize("count", [6, URGENT_AFTER], ids=["little", "much"])
def test_urgent_bytes_of_a_client_go_on_in_their_place(
        net, server, tpx, address, count):
    """And all that is behind them, also with the end right there."""
    instance = tpx()
    parts = [BODY.bytes[:count]] * 3
    sent = b"!".join(parts)
    with traffic.connect(net.client, address, DIGEST) as sock:
        send_urgent(sock, parts)
        sock.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: sock.recv(100), b""))
    assert answer.decode() == \
        f"{len(sent)} {hashlib.sha256(sent).hexdigest()}"
    row, = instance.rows(1)
    assert (row["up_bytes"], row["close"]) == (len(sent), "client-fin")


@pytest.mark.parametrize("count", [6, URGENT_AFTER], ids=["little", "much"])
def test_urgent_bytes_of_a_server_go_on_without_an_end(
        net, tpx, address, count):
    tpx()
    parts = [BODY.bytes[:count]] * 3
    sent = b"!".join(parts)
    over = threading.Event()

    def speak(_server, connection):
        send_urgent(connection, parts)
        over.wait(20)
    with servers.Server(net.server, PARTING, speak), \
            traffic.connect(net.client, address, PARTING) as sock:
        assert servers.read_exactly(sock, len(sent)) == sent
        over.set()


def test_reset_of_the_client_reaches_the_server(net, server, tpx, address):
    instance = tpx()
    with traffic.connect(net.client, address, LISTEN) as sock:
        assert sock.recv(1) == b"x"
        servers.reset(sock)
    proc.wait_until(lambda: server[LISTEN].heard, 5, "server sees the end")
    assert server[LISTEN].heard == ["rst"]
    row, = instance.rows(1)
    assert row["close"] == "client-rst"


def descriptors(instance):
    relay, = instance.by_role()["relay"]
    return len(list(pathlib.Path(f"/proc/{relay}/fd").iterdir()))


@pytest.mark.parametrize("said", [b"", b"request"], ids=["silent", "speaking"])
def test_client_that_resets_does_not_wait_for_its_server(
        net, tpx, address, said):
    """Else whoever keeps no state could fill a relay."""
    instance = tpx(workers=1)
    net.server.nft(f"table inet t {{\n chain c {{\n"
                   f"type filter hook input priority 0\n"
                   f"tcp dport {REFUSED} drop\n}}\n}}\n")
    socks = [traffic.connect(net.client, address, REFUSED) for _ in range(20)]
    proc.wait_until(
        lambda: instance.status()["flows"]["open"] == len(socks))
    held = descriptors(instance)
    for sock in socks:
        sock.sendall(said)
        servers.reset(sock)
    rows = instance.rows(len(socks), timeout_s=10)
    assert {(row["close"], row["error"]) for row in rows} == \
        {("client-rst", "ECONNRESET")}
    assert max(row["duration_ms"] for row in rows) < 3000
    # one of its own may come or go meanwhile
    proc.wait_until(
        lambda: descriptors(instance) <= held - 2 * len(socks) + 2)


# what the server's host does with the connection, and what the row says
FAILURES = {
    "refused": ("", "refused"),
    "unreachable": (f"table inet t {{\n chain c {{\n"
                    f"type filter hook input priority 0\n"
                    f"tcp dport {REFUSED} reject with icmpx type "
                    f"host-unreachable\n}}\n}}\n", "unreachable"),
}


@pytest.mark.parametrize("rules, close", FAILURES.values(), ids=FAILURES)
def test_client_of_a_dead_server_gets_a_reset(
        net, tpx, address, rules, close):
    instance = tpx()
    if rules:
        net.server.nft(rules)
    assert traffic.outcome(net.client, address, REFUSED) == "reset"
    row, = instance.rows(1)
    assert row["close"] == close
    assert row["error"] and row["connect_ms"] is None
    assert (row["up_bytes"], row["down_bytes"]) in ((0, 0), (5, 0))
    assert instance.unaccounted() == 0


@pytest.mark.smoke
def test_nothing_is_lost_in_the_accounts(net, server, tpx):
    """Accepted = rows + drops + open, whatever the flows came to."""
    instance = tpx()
    for target in (net.SERVER4, net.SERVER6):
        for port in (ECHO, DIGEST, RESET, CLOSE, REFUSED, HTTP):
            traffic.outcome(net.client, target, port)
    with traffic.connect(net.client, net.SERVER4, LISTEN):
        instance.rows(12)
        flows = instance.status()["flows"]
        assert (flows["accepted"], flows["open"]) == (13, 1)
        assert instance.unaccounted() == 0
    instance.rows(13)
    assert instance.status()["flows"]["open"] == 0
    assert instance.unaccounted() == 0
