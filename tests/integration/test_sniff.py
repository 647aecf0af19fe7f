# SPDX-License-Identifier: ISC
"""Names of hosts: found in what clients send, and no flow the worse for it."""

import contextlib
import hashlib
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import time

import pytest

from conftest import DIGEST, ECHO, HTTP, TALK_FIRST
from rig import exposition, proc, servers, traffic

NAME = "www.example.org"
TLS = 443
LIMIT_S = 0.2  # that an incomplete beginning is held
FAST_S = 0.15  # less than that
TRIES = 5  # one of them will not meet a busy machine
MOST_BYTES = 16384
REQUEST = f"GET / HTTP/1.1\r\nHost: {NAME}:80\r\n\r\n".encode()


def extension(kind, body):
    return struct.pack("!HH", kind, len(body)) + body


def hello(name=NAME, padding=0, more=b""):
    """A ClientHello, without records."""
    entry = struct.pack("!BH", 0, len(name)) + name.encode()
    if name:
        more += extension(0, struct.pack("!H", len(entry)) + entry)
    extensions = (extension(0x0a0a, b"") + more
                  + extension(21, bytes(padding)))
    body = (b"\3\3" + bytes(range(32)) + b"\0" + b"\0\2\x13\1" + b"\1\0"
            + struct.pack("!H", len(extensions)) + extensions)
    return b"\1" + len(body).to_bytes(3, "big") + body


def records(message, size=MOST_BYTES):
    """The message in TLS records of at most size bytes."""
    parts = [message[at:at + size] for at in range(0, len(message), size)]
    return b"".join(struct.pack("!BHH", 22, 0x301, len(part)) + part
                    for part in parts)


@contextlib.contextmanager
def tls_server(net, folder):
    """HTTP over TLS, with a certificate that nobody trusts."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         f"/CN={NAME}", "-keyout", folder / "key", "-out", folder / "cert"],
        check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")

    def behave(server, connection):
        with context.wrap_socket(connection, server_side=True) as secure:
            read = b""
            while b"\r\n\r\n" not in read:
                read += secure.recv(4096)
            secure.sendall(b"HTTP/1.0 200 OK\r\n\r\nsecure")
    with servers.Server(net.server, TLS, behave) as server:
        yield server


def named(instance, count=1):
    """(host, host_source) of so many rows; in their order with one worker."""
    return [(row["host"], row["host_source"])
            for row in instance.rows(count)]


def send_pieces(net, pieces, port=ECHO):
    """Sends each by itself; True when the echo is the same again."""
    with traffic.connect(net.client, net.SERVER4, port) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            sock.sendall(piece)
        whole = b"".join(pieces)
        return servers.read_exactly(sock, len(whole)) == whole


def answer_time(net, port, sent):
    """How long the first byte of an answer takes, from the connection on."""
    with traffic.connect(net.client, net.SERVER4, port) as sock:
        begin = time.monotonic()
        sock.sendall(sent)
        assert sock.recv(1)
        return time.monotonic() - begin


@pytest.mark.smoke
def test_curl_to_a_tls_server_gives_the_server_name(
        net, tpx, address, tmp_path):
    instance = tpx()
    target = f"[{address}]" if ":" in address else address
    with tls_server(net, tmp_path):
        done = net.client.run(
            "curl", "-ksS", "--max-time", "20", "--resolve",
            f"{NAME}:{TLS}:{target}", f"https://{NAME}/")
    assert done.stdout == "secure"
    assert named(instance) == [(NAME, "sni")]


@pytest.mark.smoke
def test_openssl_client_without_a_name_has_none(net, tpx, tmp_path):
    instance = tpx()
    with tls_server(net, tmp_path):
        # what it thinks of an end without a word of TLS does not matter
        done = net.client.run(
            "sh", "-c", "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | openssl s_client"
            f" -quiet -noservername -connect {net.SERVER4}:{TLS}", check=False)
    assert done.stdout.endswith("secure")
    assert named(instance) == [(None, None)]


@pytest.mark.smoke
def test_curl_to_a_web_server_gives_the_host(net, server, tpx, address):
    instance = tpx(workers=1)
    target = f"[{address}]" if ":" in address else address
    for url in (f"http://{NAME}/bytes/10", f"http://{target}/bytes/10"):
        net.client.run("curl", "-sSfo", "/dev/null", "--max-time", "20",
                       "--resolve", f"{NAME}:{HTTP}:{target}", url)
    assert named(instance, 2) == [(NAME, "http"), (None, None)]


@pytest.mark.smoke
@pytest.mark.parametrize("whole, source", [
    (records(hello()), "sni"), (records(hello(), 1), "sni"),
    (records(hello(), 100), "sni"), (REQUEST, "http"),
], ids=["hello", "records-of-a-byte", "records", "request"])
def test_name_is_found_however_its_bytes_are_cut(
        net, server, tpx, whole, source):
    instance = tpx(workers=1)
    for count in range(1, TRIES + 1):
        pieces = [whole[at:at + 1] for at in range(len(whole))]
        assert send_pieces(net, [*pieces, b"and more"])
        found = named(instance, count)[-1]
        if found == (NAME, source):
            return
        # all the bytes were not sent within the limit
        assert found == (None, None)
    pytest.fail("no name")


def long_hellos(instance):
    """As metrics and the status count them."""
    counted = exposition.parse(instance.ctl("metrics").stdout).value(
        "tpx_flows_long_hello_total")
    assert instance.status()["flows"]["long_hello"] == counted
    return counted


def hello_of(size):
    whole = hello(padding=size - len(hello()))
    assert len(whole) == size
    return whole


@pytest.mark.smoke
@pytest.mark.parametrize("size", [MOST_BYTES, 100, 1])
def test_hello_of_16_kib_is_read_and_a_longer_one_passes_as_it_is(
        net, server, tpx, size):
    instance = tpx(workers=1)
    whole = records(hello_of(MOST_BYTES), size)
    for count in range(1, TRIES + 1):
        assert send_pieces(net, [whole[:5000], whole[5000:]])
        if named(instance, count)[-1] == (NAME, "sni"):
            break
    else:
        pytest.fail("no name")
    assert long_hellos(instance) == 0
    for more in (MOST_BYTES + 1, 3 * MOST_BYTES):
        assert send_pieces(net, [records(hello_of(more), size)])
    assert named(instance, count + 2)[-2:] == [(None, None)] * 2
    assert long_hellos(instance) == 2


@pytest.mark.smoke
@pytest.mark.parametrize("sent", [
    records(hello())[:-1], records(hello())[:1], REQUEST[:-1], b"G"],
    ids=["hello", "first-byte", "request", "letter"])
def test_beginning_that_stays_incomplete_goes_on_after_the_limit(
        net, server, tpx, sent):
    instance = tpx()
    with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
        begin = time.monotonic()
        sock.sendall(sent)
        assert servers.read_exactly(sock, len(sent)) == sent
        took = time.monotonic() - begin
        assert LIMIT_S * 0.95 <= took < 4
        # and from then on nothing is waited for
        assert min(echo_time(sock, b"\x16") for _ in range(TRIES)) < FAST_S
    row, = instance.rows(1)
    assert (row["host"], row["up_bytes"]) == (None, len(sent) + TRIES)


def echo_time(sock, sent):
    """How long an echo takes on a connection that is there."""
    begin = time.monotonic()
    sock.sendall(sent)
    assert servers.read_exactly(sock, len(sent)) == sent
    return time.monotonic() - begin


@pytest.mark.smoke
def test_end_of_the_client_does_not_wait_for_the_limit(net, server, tpx):
    tpx()
    sent = records(hello())[:-1]
    times = []
    for _ in range(TRIES):
        begin = time.monotonic()
        answer = traffic.ask(net.client, net.SERVER4, DIGEST, sent)
        times.append(time.monotonic() - begin)
        assert answer.decode() == (
            f"{len(sent)} {hashlib.sha256(sent).hexdigest()}")
    assert min(times) < FAST_S


@pytest.mark.smoke
@pytest.mark.parametrize("port, sent", [
    pytest.param(TALK_FIRST, b"", id="server-speaks-first"),
    pytest.param(ECHO, b"\0", id="byte"),
    pytest.param(ECHO, b"hello", id="word"),
    pytest.param(ECHO, b"\x80\x2e\1", id="ssl2"),
    pytest.param(ECHO, b"SSH-2.0-x\r\n", id="ssh"),
    pytest.param(ECHO, b"EHLO example.org\r\n", id="smtp"),
    pytest.param(ECHO, b"\x16\3\1\0\5\2", id="no-client-hello"),
    pytest.param(ECHO, records(hello()), id="hello"),
    pytest.param(ECHO, REQUEST, id="request"),
    pytest.param(ECHO, records(hello(padding=30000)), id="too-long"),
])
def test_what_lacks_nothing_is_not_delayed(net, server, tpx, port, sent):
    tpx()
    assert min(answer_time(net, port, sent) for _ in range(TRIES)) < FAST_S


def others_go_on(net):
    """Is all else served while two clients stall, and are they after that?"""
    part = records(hello())[:50]
    with traffic.connect(net.client, net.SERVER4, ECHO) as other, \
            traffic.connect(net.client, net.SERVER4, ECHO) as sock, \
            traffic.connect(net.client, net.SERVER4, TALK_FIRST) as talker:
        talker.sendall(part)
        sock.sendall(part)
        assert talker.recv(1)
        assert traffic.echoes(other)
        sock.setblocking(False)
        try:
            waits = not sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            waits = True
        sock.settimeout(5)
        assert servers.read_exactly(sock, len(part)) == part
        return waits


@pytest.mark.smoke
def test_server_and_other_flows_do_not_wait_for_a_stalled_client(
        net, server, tpx):
    tpx(workers=1)
    assert any(others_go_on(net) for _ in range(TRIES))


@pytest.mark.smoke
def test_garbage_passes_as_it_is(net, server, tpx):
    instance = tpx(workers=1)
    good = records(hello())
    garbage = [good[:at] + bytes([good[at] ^ 0xff]) + good[at + 1:]
               for at in range(0, len(good), 7)]
    garbage += [servers.BODY.bytes[at:at + 3000]
                for at in range(0, 60000, 3000)]
    garbage += [b"GET / HTTP/1.1\r\nHost: a\x1b[2J.example\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: a'; DROP TABLE flow\r\n\r\n",
                b"GET / HTTP/1.1\r\nHost: a.b\r\nHost: c.d\r\n\r\n"]
    for sent in garbage:
        assert send_pieces(net, [sent])
    for host, source in named(instance, len(garbage)):
        assert (host is None) == (source is None)
        assert host is None or set(host) <= set(
            "abcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert named(instance, len(garbage))[-3:] == [(None, None)] * 3
    assert instance.unaccounted() == 0


def open_flows(instance, *words):
    done = instance.ctl("--json", "flows", "--live", *words)
    return [(row["host"], row["host_source"])
            for row in json.loads(done.stdout)]


@pytest.mark.smoke
def test_tpxctl_shows_and_finds_names_live_and_logged(net, server, tpx):
    instance = tpx()
    long_name = ".".join(["a" * 63] * 3 + ["b" * 61])
    with contextlib.ExitStack() as stack:
        for name in (NAME, long_name):
            sock = stack.enter_context(
                traffic.connect(net.client, net.SERVER4, ECHO))
            assert traffic.echoes(sock, records(hello(name)))
        proc.wait_until(lambda: len(open_flows(instance)) == 2, 5, "both")
        assert sorted(open_flows(instance)) == sorted(
            [(NAME, "sni"), (long_name, "sni")])
        for pattern in (NAME, NAME.upper(), "*.example.org", "*.org"):
            assert open_flows(instance, "--host", pattern) == [(NAME, "sni")]
        assert open_flows(instance, "--host", "*.www.example.org") == []
        assert len(open_flows(instance, "--host", net.SERVER4)) == 2
        lines = instance.ctl("flows", "--live").stdout
        assert f"{NAME}:{ECHO}" in lines and f"{long_name}:{ECHO}" in lines
    instance.rows(2)
    for pattern in (long_name, f"*.{'b' * 61}"):
        done = instance.ctl("--json", "flows", "--host", pattern)
        assert [row["host"] for row in json.loads(done.stdout)] == [long_name]


@pytest.mark.smoke
def test_encrypted_client_hello_is_told(net, server, tpx):
    instance = tpx(workers=1)
    ech = extension(0xfe0d, b"\0\0\1\0\1\7\0\0\0\0")
    with contextlib.ExitStack() as stack:
        for name, more in ((NAME, ech), ("", ech), (NAME, b"")):
            sock = stack.enter_context(
                traffic.connect(net.client, net.SERVER4, ECHO))
            assert traffic.echoes(sock, records(hello(name, more=more)))
        shown = instance.ctl("--json", "flows", "--live").stdout
    expected = [(NAME, 1), (None, 1), (NAME, 0)]
    assert sorted((row["host"] or "", row["ech"])
                  for row in json.loads(shown)) == sorted(
                      (host or "", ech) for host, ech in expected)
    rows = sorted(instance.rows(3), key=lambda row: row["start_us"])
    assert [(row["host"], row["ech"]) for row in rows] == expected
    shown = instance.ctl("--json", "flows").stdout
    assert sum(row["ech"] for row in json.loads(shown)) == 2


def test_names_survive_a_killed_relay(net, server, tpx):
    instance = tpx(workers=1)
    with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
        assert traffic.echoes(sock, records(hello()))
        relay, = instance.by_role()["relay"]
        os.kill(relay, signal.SIGKILL)
        row, = instance.rows(1)
    assert (row["host"], row["close"]) == (NAME, "worker-lost")
