# SPDX-License-Identifier: ISC
"""Upstreams that are given names, and how long a flow waits for its own."""

import contextlib
import socket
import time

import pytest

from conftest import (ECHO, HTTP, REFUSED, TALK_FIRST, client_of,
                      configuration)
from rig import proc, proxies, traffic
from rig.hosts import Hosts
from rig.servers import read_exactly, reset
from test_sniff import (FAST_S, LIMIT_S, MOST_BYTES, NAME, TRIES, hello,
                        hello_of, records)

PORT = 1080
NOWHERE = "198.51.100.9"  # only by its name can anybody be reached there
HELLO = records(hello())
LONGEST = records(hello_of(MOST_BYTES), 1)
SLOW_S = 5 * LIMIT_S  # less than that also on a busy machine
REQUEST = f"GET / HTTP/1.0\r\nHost: {NAME}\r\n\r\n".encode()


def via(kind, address, names="names yes"):
    return (f"upstream corp {kind} {address}:{PORT} {names}\n"
            "default relay via corp")


@contextlib.contextmanager
def knowing(kind, net, folder, where=None):
    """A proxy that knows where the name is, by default at SERVER4."""
    namespace = Hosts(net.server, folder / "hosts",
                      {NAME: where or net.SERVER4})
    with proxies.start(kind, namespace, net.SERVER4, PORT) as process:
        yield process


def echoed(net, address, sent, pause_s=0):
    """Does it come back, and how long did that take from the connection on?"""
    with traffic.connect(net.client, address, ECHO) as sock:
        begin = time.monotonic()
        sock.sendall(sent)
        assert read_exactly(sock, len(sent)) == sent
        return time.monotonic() - begin


@pytest.mark.smoke
@pytest.mark.parametrize("kind", [proxies.SOCKS5, proxies.HTTP])
def test_upstream_connects_to_the_name(net, server, tpx, tmp_path, kind):
    instance = tpx(via(kind, net.SERVER4))
    with knowing(kind, net, tmp_path):
        for sent in (HELLO, REQUEST, LONGEST):
            with traffic.connect(net.client, NOWHERE, ECHO) as sock:
                sock.sendall(sent)
                assert read_exactly(sock, len(sent)) == sent
    rows = sorted(instance.rows(3), key=lambda row: row["start_us"])
    assert [(row["dst"], row["host"], row["host_source"], row["upstream"],
             row["up_bytes"]) for row in rows] == [
        (NOWHERE, NAME, "sni", "corp", len(HELLO)),
        (NOWHERE, NAME, "http", "corp", len(REQUEST)),
        (NOWHERE, NAME, "sni", "corp", len(LONGEST))]


@pytest.mark.parametrize("kind", [proxies.SOCKS5, proxies.HTTP])
@pytest.mark.parametrize("names, sent", [
    ("names no", HELLO), ("", HELLO), ("names yes", b"no hello")],
    ids=["no", "default", "no-name"])
def test_upstream_connects_to_the_address(
        net, server, tpx, kind, names, sent):
    """Nobody knows where the name is."""
    instance = tpx(via(kind, net.SERVER4, names))
    with proxies.start(kind, net.server, net.SERVER4, PORT):
        echoed(net, net.SERVER4, sent)
    row, = instance.rows(1)
    assert row["host"] == (NAME if sent == HELLO else None)


@pytest.mark.smoke
def test_header_tells_the_name_beside_the_destination(net, tpx, address):
    instance = tpx(via("proxy-v2", net.SERVER4))
    tells = proxies.HAPROXY_TELLS.replace(
        "%[dst_port]", "%[dst_port] %[fc_pp_authority]")
    with proxies.haproxy(net.server, net.SERVER4, PORT, tells):
        for names, host in (("names yes", [NAME]), ("names no", [])):
            instance.configure(
                configuration(via("proxy-v2", net.SERVER4, names)))
            instance.ctl("reload")
            with traffic.connect(net.client, address, HTTP) as sock:
                sport = sock.getsockname()[1]
                sock.sendall(REQUEST)
                answer = b"".join(iter(lambda: sock.recv(4096), b""))
            assert answer.rpartition(b"\r\n")[2].decode().split() == [
                client_of(net, address), str(sport), address, str(HTTP),
                *host]


def first_word_s(net, port, address):
    """How long it takes until a server that speaks first is heard."""
    begin = time.monotonic()
    with traffic.connect(net.client, address, port) as sock:
        assert sock.recv(1)
    return time.monotonic() - begin


@pytest.mark.smoke
def test_server_that_speaks_first_is_waited_for_once(net, server, tpx):
    tpx(via("socks5", net.SERVER4), workers=1)
    with proxies.microsocks(net.server, net.SERVER4, PORT):
        # each of the two addresses is a server that nothing is known of
        first, second = ([first_word_s(net, TALK_FIRST, address)
                          for address in (net.SERVER4, net.SERVER6)]
                         for _ in range(2))
        assert LIMIT_S * 0.95 <= min(first) < SLOW_S, first
        assert min(second) < FAST_S, second
        # what is known of it tells nothing of others
        with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
            begin = time.monotonic()
            with traffic.connect(net.client, net.SERVER4, REFUSED) as other:
                other.settimeout(5)
                with pytest.raises(ConnectionResetError):
                    other.recv(1)
            assert time.monotonic() - begin >= LIMIT_S * 0.95
            assert traffic.echoes(sock)


@pytest.mark.smoke
def test_client_that_is_slow_once_does_not_cost_others_their_names(
        net, server, tpx, tmp_path):
    """Only a server can say that it speaks first."""
    tpx(via("socks5", net.SERVER4), workers=1)
    with knowing(proxies.SOCKS5, net, tmp_path, net.SERVER6), \
            traffic.connect(net.client, net.SERVER4, ECHO) as sock:
        # it says nothing until the upstream has connected to the address
        proc.wait_until(lambda: server[ECHO].visits, 5, "a connection")
        sock.sendall(HELLO)
        assert read_exactly(sock, len(HELLO)) == HELLO
        for _ in range(TRIES):
            with traffic.connect(net.client, net.SERVER4, ECHO) as late:
                # the relay has seen that it says nothing yet
                assert traffic.echoes(sock)
                late.sendall(HELLO)
                assert read_exactly(late, len(HELLO)) == HELLO
        assert [":" in visit.address for visit in server[ECHO].visits] == [
            False] + [True] * TRIES


@pytest.mark.smoke
def test_beginning_that_stays_incomplete_is_waited_for_once(net, server, tpx):
    tpx(via("socks5", net.SERVER4))
    with proxies.microsocks(net.server, net.SERVER4, PORT):
        took = min(echoed(net, net.SERVER4, HELLO[:50]) for _ in range(TRIES))
    assert LIMIT_S * 0.95 <= took < 2 * LIMIT_S * 0.95


@pytest.mark.smoke
def test_name_that_comes_in_time_is_not_waited_for(net, server, tpx, tmp_path):
    tpx(via("socks5", net.SERVER4))
    with knowing(proxies.SOCKS5, net, tmp_path):
        for sent in (HELLO, REQUEST, b"\0"):
            assert min(echoed(net, net.SERVER4, sent)
                       for _ in range(TRIES)) < FAST_S


@pytest.mark.smoke
def test_end_of_the_client_is_not_waited_for(net, server, tpx):
    instance = tpx(via("socks5", net.SERVER4))
    with proxies.microsocks(net.server, net.SERVER4, PORT):
        with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1) == b""
        with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
            reset(sock)
    rows = instance.rows(2)
    assert sorted(row["close"] for row in rows) == ["client-fin", "client-rst"]
    assert instance.unaccounted() == 0
