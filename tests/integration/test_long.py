# SPDX-License-Identifier: ISC
"""Acceptance: big transfers, many flows, ends held for long, slow peers.

What has no short form here has one among the tests of relays.
"""

import contextlib
import hashlib
import resource
import socket
import threading
import time

import pytest

from conftest import DIGEST, ECHO, EXCHANGE, TALK_FIRST
from rig import proc, servers, traffic
from rig.servers import BODY, CHUNK_BYTES, Server

LONG = pytest.mark.long
MIB, GIB = 1 << 20, 1 << 30
GREET_PORT = 5430
SLOW_PORT = 5440
TIMEOUT_S = 600
# what servers that speak first say, and what a client says then
GREETINGS = {
    "ssh": (b"SSH-2.0-OpenSSH_9.2p1\r\n", b"SSH-2.0-client\r\n"),
    "smtp": (b"220 mail.example ESMTP\r\n", b"EHLO client.example\r\n"),
    "ftp": (b"220 ftp.example ready\r\n", b"USER anonymous\r\n"),
}
# no greeting waits for a client's first bytes, for which others wait longer
GREETING_S = 0.15
TRIES = 5  # one of them will not meet a busy machine


@LONG
@pytest.mark.parametrize("direction", ["up", "down"])
def test_five_gigabytes_have_the_same_hash_at_both_ends(
        net, server, tpx, address, direction):
    count = 5 * GIB
    instance = tpx()

    def give(server, connection):
        BODY.send(connection, count)
    if direction == "up":
        with traffic.connect(net.client, address, DIGEST, TIMEOUT_S) as sock:
            for chunk in BODY.chunks(count):
                sock.sendall(chunk)
            sock.shutdown(socket.SHUT_WR)
            words = b"".join(iter(lambda: sock.recv(200), b"")).split()
            found = int(words[0]), words[1].decode()
    else:
        with Server(net.server, SLOW_PORT, give), traffic.connect(
                net.client, address, SLOW_PORT, TIMEOUT_S) as sock:
            found = servers.read_to_end(sock)
    assert found == (count, BODY.sha256(count))
    row, = instance.rows(1)
    assert row[f"{direction}_bytes"] >= count


@pytest.fixture
def many_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Silent:
    """A server in a process of its own, which answers one byte with one."""

    PROGRAM = """
import select, socket, sys, resource
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
listener = socket.create_server(("::", int(sys.argv[1])), backlog=4096,
    family=socket.AF_INET6, dualstack_ipv6=True)
poll = select.epoll()
poll.register(listener, select.EPOLLIN)
socks = {}
print("listening", flush=True)
while True:
    for fd, what in poll.poll():
        if fd == listener.fileno():
            sock, _ = listener.accept()
            socks[sock.fileno()] = sock
            poll.register(sock, select.EPOLLIN)
            continue
        try:
            word = socks[fd].recv(100)
        except OSError:
            word = b""
        if word:
            socks[fd].sendall(word)
        else:
            socks.pop(fd).close()
"""

    def __init__(self, net, port):
        self.process = net.server.spawn(
            "/usr/bin/python3", "-c", self.PROGRAM, port)

    def __enter__(self):
        self.process.wait_output("listening")
        return self

    def __exit__(self, *exception):
        self.process.stop()


@pytest.mark.parametrize("count", [
    1000, pytest.param(10000, marks=LONG)])
def test_many_flows_are_open_at_once(
        net, tpx, many_descriptors, count):
    assert many_descriptors > count + 500
    instance = tpx(workers=4)
    with Silent(net, SLOW_PORT), contextlib.ExitStack() as stack:
        socks = []
        for i in range(count):
            socks.append(stack.enter_context(traffic.connect(
                net.client, (net.SERVER4, net.SERVER6)[i % 2], SLOW_PORT,
                30)))
        proc.wait_until(lambda: instance.status()["flows"]["open"] == count,
                        60, "every flow is open")
        for sock in socks:
            sock.sendall(b"?")
        assert all(sock.recv(1) == b"?" for sock in socks)
    proc.wait_until(lambda: instance.status()["flows"]["open"] == 0, 60,
                    "the end of all")
    rows = instance.rows(count, timeout_s=60)
    assert {row["worker"] for row in rows} == {0, 1, 2, 3}
    assert {(row["up_bytes"], row["down_bytes"]) for row in rows} == {(1, 1)}
    assert instance.unaccounted() == 0


@pytest.mark.parametrize("seconds", [2, pytest.param(180, marks=LONG)])
def test_half_closed_flows_stay_for_as_long_as_peers_want(
        net, server, tpx, address, seconds):
    """Longer than a kernel keeps an orphan: nothing of tpx may hurry them."""
    instance = tpx()
    with traffic.connect(net.client, address, DIGEST, seconds + 30) as asked, \
            traffic.connect(net.client, address, TALK_FIRST) as told:
        # the server has ended; its client still speaks
        count, _ = servers.read_to_end(told)
        assert count == 100_000
        # the client has sent, and its server does not answer before the end
        asked.sendall(b"half")
        with Server(net.server, SLOW_PORT, answer_late(seconds)), \
                traffic.connect(net.client, address, SLOW_PORT,
                                seconds + 30) as late:
            late.sendall(b"question")
            late.shutdown(socket.SHUT_WR)
            proc.stays(lambda: instance.status()["flows"]["open"] == 3,
                       seconds, "every flow")
            assert late.recv(100) == b"question"
            assert late.recv(1) == b""
        told.sendall(b"y" * 1000)
        told.shutdown(socket.SHUT_WR)
        asked.shutdown(socket.SHUT_WR)
        assert asked.recv(200).startswith(b"4 ")
    rows = instance.rows(3)
    assert {row["close"] for row in rows} == {"client-fin", "server-fin"}
    # the relay may know of the end before the server does
    proc.wait_until(lambda: server[TALK_FIRST].heard, what="the server's end")
    assert server[TALK_FIRST].heard[0][0] == 1000


def answer_late(seconds):
    def behaviour(server, connection):
        question = b""
        while part := connection.recv(CHUNK_BYTES):
            question += part
        server.closing.wait(seconds + 0.5)
        connection.sendall(question)
    return behaviour


@pytest.mark.parametrize("protocol", GREETINGS)
def test_servers_that_speak_first_are_heard_at_once(
        net, tpx, address, protocol):
    greeting, word = GREETINGS[protocol]

    def greet(server, connection):
        connection.sendall(greeting)
        server.heard.append(servers.read_exactly(connection, len(word)))
        connection.sendall(b"250 ok\r\n")
    instance = tpx()
    # each is a server that nothing is known of
    for port in range(GREET_PORT, GREET_PORT + TRIES):
        with Server(net.server, port, greet) as server:
            begun = time.monotonic()
            with traffic.connect(net.client, address, port) as sock:
                assert servers.read_exactly(sock, len(greeting)) == greeting
                took = time.monotonic() - begun
                sock.sendall(word)
                assert servers.read_exactly(sock, 8) == b"250 ok\r\n"
            assert server.heard == [word]
        if took < GREETING_S:
            break
    else:
        pytest.fail(f"it was heard after {took} s")
    row, = instance.rows(1, f"dport = {port}")
    assert (row["down_bytes"], row["host"]) == (len(greeting) + 8, None)


@LONG
def test_reader_with_a_closed_window_gets_everything_in_the_end(
        net, server, tpx, address):
    """Zero windows: the sender probes, and nobody gives up or buffers all."""
    seconds, count = 90, 128 * MIB
    instance = tpx()
    relays = instance.by_role()["relay"]
    before = sum(map(proc.pss_kib, relays))
    with traffic.connect(net.client, address, EXCHANGE, 60,
                         buffer_bytes=4096) as sock:
        sock.sendall(servers.EXCHANGE.pack(0, count))
        proc.stays(lambda: instance.status()["flows"]["open"] == 1, seconds,
                   "the flow")
        assert sum(map(proc.pss_kib, relays)) - before < 8 * 1024
        assert servers.read_to_end(sock) == (count, BODY.sha256(count))
    row, = instance.rows(1)
    assert row["down_bytes"] == count


@pytest.mark.parametrize("count", [2000, pytest.param(200_000, marks=LONG)])
def test_writes_of_one_byte_arrive_in_order(
        net, server, tpx, address, count):
    instance = tpx()
    sent = bytes(i * 7 % 251 for i in range(count))
    digest = hashlib.sha256()
    with traffic.connect(net.client, address, ECHO, 60) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def write():
            for i in range(count):
                sock.send(sent[i:i + 1])
            sock.shutdown(socket.SHUT_WR)
        writer = threading.Thread(target=write)
        writer.start()
        got = 0
        while part := sock.recv(CHUNK_BYTES):
            digest.update(part)
            got += len(part)
        writer.join()
    assert (got, digest.hexdigest()) == (
        count, hashlib.sha256(sent).hexdigest())
    row, = instance.rows(1)
    assert (row["up_bytes"], row["down_bytes"]) == (count, count)
