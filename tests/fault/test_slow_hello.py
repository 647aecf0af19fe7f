# SPDX-License-Identifier: ISC
"""A client that sends its hello byte by byte is not waited for.

What becomes of it then is the policy's: it is relayed as it is, or, where a
name is demanded, blocked.
"""

import socket
import time

import pytest

from conftest import ECHO, EXCHANGE
from rig import burden, proxies, traffic
from rig.servers import read_exactly

PORT = 1080
NAME = "www.example.org"
REQUEST = f"GET / HTTP/1.0\r\nHost: {NAME}\r\n\r\n".encode()
LIMIT_S = 0.2
LATE_S = 2 * LIMIT_S
ECHOES = 20  # that another client has within the limit
TRIES = 5  # one of them will not meet a busy machine
MOST_S = 5  # of one that is
BYTES = 16000
# a record of handshake with the beginning of a ClientHello, and more to come
HELLO = b"\x16\3\1\x3f\x00\1\0\x3e\xfc\3\3" + bytes(BYTES)

RULES = {
    "direct": "default relay",
    "named": "upstream corp socks5 {address}:{port} names yes\n"
             "default relay via corp",
}
BLOCKED = f'domains <good> {{ "{NAME}" }}\nrelay domain <good>\ndefault block'


def send_until(sock, other, done):
    """Byte by byte, while another flow goes on; how many, and how long."""
    begin = time.monotonic()
    for count in range(len(HELLO)):
        if done():
            return count, time.monotonic() - begin
        try:
            sock.sendall(HELLO[count:count + 1])
        except (ConnectionResetError, BrokenPipeError):
            return count, time.monotonic() - begin
        # its answer paces the bytes, and shows that it is not held up
        asked = time.monotonic()
        assert traffic.echoes(other)
        assert time.monotonic() - asked < MOST_S
    pytest.fail("the whole hello was waited for")


def in_time(visit):
    """The port of a client that was waited for no longer than is said.

    And meanwhile all went on as usual for another one.
    """
    for _ in range(TRIES):
        sport, count, took = visit()
        if took < LATE_S and count >= ECHOES:
            return sport
    return pytest.fail(f"{took} s, in which another had {count} answers")


def relayed_s(net, other):
    """A client whose bytes come back, how many, and how long that took."""
    with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
        sport = sock.getsockname()[1]
        sock.setblocking(False)

        def comes_back():
            try:
                return sock.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                return b""
        count, took = send_until(sock, other, comes_back)
        assert took >= LIMIT_S * 0.95
        sock.settimeout(MOST_S)
        assert read_exactly(sock, count) == HELLO[:count]
        # what follows is not waited for
        assert traffic.echoes(sock)
    return sport, count, took


@pytest.mark.parametrize("rules", RULES)
def test_hello_byte_by_byte_is_relayed_at_the_limit(net, server, tpx, rules):
    instance = tpx(RULES[rules].format(address=net.SERVER4, port=PORT),
                   workers=1)
    with proxies.microsocks(net.server, net.SERVER4, PORT), \
            traffic.connect(net.client, net.SERVER4, ECHO) as other:
        assert traffic.echoes(other)
        sport = in_time(lambda: relayed_s(net, other))
        # nor does it matter to the next client
        assert traffic.exchange(net.client, net.SERVER4, EXCHANGE, 1000, 1000)
    row, = instance.rows(1, f"sport = {sport}")
    assert (row["host"], row["close"]) == (None, "client-fin")
    burden.assert_accounted(instance)


def is_reset(sock):
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    pytest.fail("a server has answered")


def blocked_s(net, other):
    """A client that is reset, behind how many bytes, and how long that took.
    """
    with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
        sport = sock.getsockname()[1]
        sock.setblocking(False)
        count, took = send_until(sock, other, lambda: is_reset(sock))
        assert took >= LIMIT_S * 0.95
    return sport, count, took


def test_hello_byte_by_byte_is_blocked_at_the_limit(net, server, tpx):
    """Where only a good name is let through, none may not be waited for."""
    instance = tpx(BLOCKED, workers=1)
    with traffic.connect(net.client, net.SERVER4, ECHO) as other:
        assert traffic.echoes(other, REQUEST)
        visits = len(server[ECHO].visits)
        sport = in_time(lambda: blocked_s(net, other))
        assert len(server[ECHO].visits) == visits
        # nor does it matter to the next client
        with traffic.connect(net.client, net.SERVER4, ECHO) as good:
            assert traffic.echoes(good, REQUEST)
    row, = instance.rows(1, f"sport = {sport}")
    assert (row["host"], row["action"], row["close"], row["up_bytes"]) == (
        None, "block", "policy", 0)
    burden.assert_accounted(instance)
