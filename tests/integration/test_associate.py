# SPDX-License-Identifier: ISC
"""UDP by way of SOCKS5 upstreams: Dante, and some that nobody would want."""

import contextlib
import os
import pathlib
import socket
import struct
import threading

import pytest

from conftest import FORWARDED, LOCAL, configuration
from rig import proc, proxies
from rig.servers import UdpServer, read_exactly

PORT, OTHER = 1080, 1081
SERVICE = 5400
RULE = "relay proto udp to any via corp idle 2s"


def via(*endpoints, login=""):
    return f"upstream corp socks5 {{ {' '.join(endpoints)} }} {login}\n{RULE}"


@pytest.fixture
def echo(net):
    with UdpServer(net.server, SERVICE) as service:
        yield service


@contextlib.contextmanager
def talking(net, address=None, namespace=None):
    address = address or net.SERVER4
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (namespace or net.client).socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((address, SERVICE))
        yield sock


def answered(sock, data=b"question"):
    sock.send(data)
    return sock.recv(65535) == data


def row_of(instance, sock):
    row, = instance.rows(1, f"sport = {sock.getsockname()[1]}")
    return row


@pytest.mark.parametrize("place", ["forwarded", "local"])
def test_datagrams_go_through_a_real_server(net, echo, tpx, place):
    instance = tpx(via(f"{net.SERVER4}:{PORT}"),
                   capture=f"{FORWARDED}\n{LOCAL}")
    namespace = net.client if place == "forwarded" else net.gateway
    with proxies.dante(net.server, net.SERVER4, PORT), \
            talking(net, namespace=namespace) as sock:
        for data in (b"one", b"", b"three" * 200):
            assert answered(sock, data)
        row = row_of(instance, sock)
    assert {visit.address for visit in echo.visits} == {net.SERVER4}
    assert (row["action"], row["rule"], row["upstream"], row["close"]) == \
        ("relay", RULE, "corp", "idle")
    assert (row["up_bytes"], row["up_packets"]) == (1003, 3)
    assert (row["down_bytes"], row["down_packets"]) == (1003, 3)


class Associator:
    """A SOCKS5 server for UDP alone, which a test can bend."""

    def __init__(self, net, port=PORT, login=None, reply=b"\x05\x00\x00"):
        self.asked = []  # what came before the request, and that
        self.datagrams = []
        self.connections = []
        self.login = login
        self.reply = reply
        self._listener = net.server.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((net.SERVER4, port))
        self._listener.listen()
        self._udp = net.server.socket(kind=socket.SOCK_DGRAM)
        self._udp.bind((net.SERVER4, 0))
        self.told = (net.SERVER4, self._udp.getsockname()[1])
        for work in (self._accept, self._carry):
            threading.Thread(target=work, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.end()
        for sock in (self._listener, self._udp):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def end(self):
        """Every association."""
        while self.connections:
            self.connections.pop().close()

    def answers(self, data, head):
        """What goes back for a datagram, and the head that it came with."""
        return [head + data]

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,),
                                 daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, EOFError):
            methods = read_exactly(connection, 2)
            methods += read_exactly(connection, methods[1])
            connection.sendall(b"\x05\x02" if self.login else b"\x05\x00")
            if self.login:
                head = read_exactly(connection, 2)
                user = read_exactly(connection, head[1])
                secret = read_exactly(connection,
                                      read_exactly(connection, 1)[0])
                good = (user.decode(), secret.decode()) == self.login
                connection.sendall(b"\x01\x00" if good else b"\x01\x01")
                if not good:
                    connection.close()
                    return
            self.asked.append(read_exactly(connection, 10))
            self.connections.append(connection)
            connection.sendall(
                self.reply + b"\x01" + socket.inet_aton(self.told[0])
                + struct.pack("!H", self.told[1]))

    def _carry(self):
        with contextlib.suppress(OSError):
            while True:
                packet, peer = self._udp.recvfrom(65535)
                if not packet:  # it is shut down
                    return
                size = 10 if packet[3] == 1 else 22
                head, data = packet[:size], packet[size:]
                self.datagrams.append((head, data))
                for answer in self.answers(data, head):
                    self._udp.sendto(answer, peer)


def test_what_an_upstream_is_asked_and_sent(net, tpx, address):
    """Zeros, as the port is not known yet; and addresses, not names."""
    tpx(via(f"{net.SERVER4}:{PORT}"))
    v6 = ":" in address
    with Associator(net) as upstream, talking(net, address) as sock:
        for data in (b"one", b"two", b"three"):
            assert answered(sock, data)
        assert upstream.asked == [b"\x05\x03\x00\x01" + bytes(6)]
        packed = socket.inet_pton(
            socket.AF_INET6 if v6 else socket.AF_INET, address)
        head = (b"\0\0\0" + (b"\x04" if v6 else b"\x01") + packed
                + struct.pack("!H", SERVICE))
        assert upstream.datagrams == [
            (head, data) for data in (b"one", b"two", b"three")]


def test_bursts_are_kept_apart(net, tpx):
    """The kernel may give several datagrams as one."""
    tpx(via(f"{net.SERVER4}:{PORT}"))
    with Associator(net), talking(net) as sock:
        assert answered(sock)
        for burst in range(10):
            wanted = [b"%04d %04d" % (burst, i) for i in range(50)]
            for data in wanted:
                sock.send(data)
            assert [sock.recv(100) for _ in wanted] == wanted


def test_what_is_sent_before_the_answer_waits(net, tpx):
    tpx(via(f"{net.SERVER4}:{PORT}"))
    with Associator(net), talking(net) as sock:
        wanted = [b"%d" % number for number in range(10)]
        for data in wanted:
            sock.send(data)
        assert [sock.recv(100) for _ in wanted] == wanted


def test_fragments_strangers_and_nonsense_are_dropped(net, tpx):
    instance = tpx(via(f"{net.SERVER4}:{PORT}"))
    upstream = Associator(net)

    def answers(data, head):
        return [b"\0\0\1" + head[3:] + b"fragment",
                head[:4] + bytes([192, 0, 2, 1]) + head[8:] + b"stranger",
                head[:8] + b"\x01\x01" + b"another port",
                b"\0\0\0\3\4name" + head[8:] + b"name",
                head[:9], b"", b"\1" + head[1:] + b"reserved",
                head + data]
    upstream.answers = answers
    with upstream, talking(net) as sock:
        assert answered(sock)
        assert answered(sock, b"once more")
        row = row_of(instance, sock)
    assert (row["down_packets"], row["down_bytes"]) == (2, 17)


@pytest.mark.parametrize("told", ["127.0.0.1", "10.74.2.1", "0.0.0.0"])
def test_only_the_port_that_an_upstream_tells_counts(net, tpx, told):
    """It would else choose whom this host sends datagrams to."""
    tpx(via(f"{net.SERVER4}:{PORT}"))
    with Associator(net) as upstream, talking(net) as sock:
        upstream.told = (told, upstream.told[1])
        assert answered(sock)


def test_end_of_the_connection_ends_the_flow(net, tpx):
    """What the client sends then begins another one."""
    instance = tpx(via(f"{net.SERVER4}:{PORT}"))
    with Associator(net) as upstream, talking(net) as sock:
        assert answered(sock)
        upstream.end()
        row = row_of(instance, sock)
        assert (row["close"], row["error"], row["upstream"]) == \
            ("server-fin", None, "corp")
        assert answered(sock)
        assert len(upstream.asked) == 2


def test_end_of_a_flow_ends_its_connection(net, tpx):
    instance = tpx(via(f"{net.SERVER4}:{PORT}"))
    with Associator(net) as upstream, talking(net) as sock:
        assert answered(sock)
        connection, = upstream.connections
        connection.settimeout(10)
        assert connection.recv(1) == b""
        assert row_of(instance, sock)["close"] == "idle"


REPLIES = {
    b"\x05\x07\x00": ("unreachable", "socks5: command not supported"),
    b"\x05\x02\x00": ("refused", "socks5: not allowed"),
    b"\x04\x00\x00": ("unreachable", "upstream: not understood"),
}


@pytest.mark.parametrize("reply", REPLIES)
def test_refusal_is_one_row_and_told_to_the_client(net, tpx, reply):
    instance = tpx(via(f"{net.SERVER4}:{PORT}"))
    close, error = REPLIES[reply]
    with Associator(net, reply=reply) as upstream, talking(net) as sock:
        sock.send(b"one")
        proc.wait_until(lambda: upstream.asked)
        for _ in range(50):
            with contextlib.suppress(OSError):
                sock.send(b"more")
        row = row_of(instance, sock)
    assert (row["close"], row["error"], row["upstream"]) == \
        (close, error, "corp")


def test_login_right_and_wrong(net, tpx):
    instance = tpx("default relay")
    path = instance.home / "corp.pass"
    path.write_text("secret")
    user = proc.ensure_user()
    path.chmod(0o640)
    os.chown(path, 0, user.pw_gid)
    for password, good in (("secret", True), ("other", False)):
        with Associator(net, login=("me", password)):
            instance.configure(configuration(via(
                f"{net.SERVER4}:{PORT}",
                login=f'user "me" password-file "{path}"')))
            instance.ctl("reload")
            with talking(net) as sock:
                if good:
                    assert answered(sock)
                    continue
                sock.send(b"question")
                row = row_of(instance, sock)
                assert (row["close"], row["error"]) == \
                    ("refused", "socks5: login refused")


def test_upstream_that_is_not_there_gives_way_to_the_next(net, tpx):
    instance = tpx(via(f"{net.SERVER4}:{PORT}", f"{net.SERVER4}:{OTHER}"))
    with Associator(net, OTHER), talking(net) as sock:
        assert answered(sock)
        row = row_of(instance, sock)
    assert row["upstream"] == f"corp {net.SERVER4}:{OTHER}"


def test_client_whose_flows_wait_leaves_room_for_those_of_others(net, tpx):
    """An upstream that says nothing keeps what is sent for half a minute."""
    instance = tpx(f"upstream silent socks5 {net.SERVER4}:{OTHER}\n"
                   f"upstream corp socks5 {net.SERVER4}:{PORT}\n"
                   f"relay proto udp to any port {SERVICE} via corp\n"
                   f"relay proto udp to any via silent", workers=1)
    other = net.CLIENT4.rpartition(".")[0] + ".77"
    net.client.ip("address", "add", f"{other}/24", "dev", "eth0")
    with contextlib.ExitStack() as stack, Associator(net), \
            net.server.socket() as silent:
        silent.bind((net.SERVER4, OTHER))
        silent.listen(1000)
        for number in range(300):
            sock = stack.enter_context(
                net.client.socket(kind=socket.SOCK_DGRAM))
            sock.bind((net.CLIENT4, 0))
            sock.sendto(b"%d" % number, (net.SERVER4, SERVICE + 1))
        proc.wait_until(lambda: instance.status()["flows"]["open"] == 300)
        with net.client.socket(kind=socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.bind((other, 0))
            sock.connect((net.SERVER4, SERVICE))
            assert answered(sock)
        # what is held is 256 flows'
        assert instance.status()["flows"]["refused"] == 300 + 1 - 256


def test_nobody_there_is_told_in_the_row(net, echo, tpx, sniffer):
    instance = tpx(via(f"{net.SERVER4}:{PORT}"))
    with talking(net) as sock:
        sock.send(b"question")
        row = row_of(instance, sock)
    assert (row["close"], row["error"]) == ("refused", "ECONNREFUSED")
    assert echo.visits == [] and sniffer.direct() == []


def test_flows_are_bounded_and_descriptors_come_back(net, tpx):
    """More than a relay may hold: older ones make room."""
    instance = tpx(via(f"{net.SERVER4}:{PORT}").replace("idle 2s", "idle 1m"),
                   workers=1, prefix=("prlimit", "--nofile=400:400"))
    relay, = instance.by_role()["relay"]
    before = len(list(pathlib.Path(f"/proc/{relay}/fd").iterdir()))
    with Associator(net) as upstream, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(talking(net)) for _ in range(60)]
        for sock in socks:
            assert answered(sock)
        held = len(list(pathlib.Path(f"/proc/{relay}/fd").iterdir()))
        assert held - before <= (400 - 160) // 4 + 1
        assert len(upstream.asked) == len(socks)
        assert answered(socks[0])
        instance.ctl("kill", "--client", net.CLIENT4)
        proc.wait_until(lambda: len(list(
            pathlib.Path(f"/proc/{relay}/fd").iterdir())) <= before + 1)
    assert instance.by_role()["relay"] == [relay]
