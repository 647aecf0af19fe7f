# SPDX-License-Identifier: ISC
"""TCP and UDP servers of a test: threads of this process, in a namespace.

A behaviour is a function that gets a connection; every server remembers who
came and when, so that a test can say whether traffic was relayed or direct.
"""

import contextlib
import hashlib
import os
import random
import select
import socket
import struct
import threading
import time
from typing import NamedTuple

BODY_BYTES = 10 << 20
CHUNK_BYTES = 1 << 18
STALL_MS = 200
EXCHANGE = struct.Struct("!II")  # bytes sent up, bytes wanted down


class Visit(NamedTuple):
    """One connection or datagram: when (monotonic), and from where."""
    time: float
    address: str
    port: int


class Body:
    """The bytes that every server sends: reproducible, without a pattern."""

    def __init__(self):
        self.bytes = random.Random(74).randbytes(BODY_BYTES)
        self.fd = os.memfd_create("body")
        os.write(self.fd, self.bytes)

    def send(self, connection, count):
        """Send the first count bytes; the body starts again at its end."""
        while count > 0:
            offset, part = 0, min(count, BODY_BYTES)
            while offset < part:
                offset += os.sendfile(connection.fileno(), self.fd, offset,
                                      part - offset)
            count -= part

    def chunks(self, count):
        """The first count bytes in parts."""
        view = memoryview(self.bytes)
        while count > 0:
            part = min(count, BODY_BYTES)
            for offset in range(0, part, CHUNK_BYTES):
                yield view[offset:min(offset + CHUNK_BYTES, part)]
            count -= part

    def sha256(self, count):
        digest = hashlib.sha256()
        for chunk in self.chunks(count):
            digest.update(chunk)
        return digest.hexdigest()


BODY = Body()


def read_exactly(connection, count):
    """count bytes; EOFError when the peer ends before that."""
    parts = []
    while count > 0:
        part = connection.recv(min(count, CHUNK_BYTES))
        if not part:
            raise EOFError(f"{count} bytes are missing")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_to_end(connection):
    """Everything until the peer's end, as (count, sha256)."""
    digest, count = hashlib.sha256(), 0
    while part := connection.recv(CHUNK_BYTES):
        digest.update(part)
        count += len(part)
    return count, digest.hexdigest()


def reset(connection):
    """Close with a reset (socket(7), SO_LINGER with zero seconds)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    connection.close()


def http(server, connection):
    """GET /bytes/COUNT for curl; one request a connection."""
    request = b""
    while b"\r\n\r\n" not in request:
        part = connection.recv(4096)
        if not part:
            return
        request += part
    count = int(request.split()[1].rpartition(b"/")[2])
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
                       b"Content-Length: %d\r\n\r\n" % count)
    BODY.send(connection, count)


def echo(server, connection):
    """Send everything back until the client's end."""
    while part := connection.recv(CHUNK_BYTES):
        connection.sendall(part)


def digest(server, connection):
    """Read to the client's end; only then answer with COUNT and SHA256."""
    connection.sendall(b"%d %s" % tuple(
        word if isinstance(word, int) else word.encode()
        for word in read_to_end(connection)))


def talk_first(server, connection):
    """Send and end; read to the client's end after that."""
    BODY.send(connection, 100_000)
    connection.shutdown(socket.SHUT_WR)
    server.heard.append(read_to_end(connection))


def exchange(server, connection):
    """Read the bytes announced, send the bytes wanted."""
    up, down = EXCHANGE.unpack(read_exactly(connection, EXCHANGE.size))
    read_exactly(connection, up)
    BODY.send(connection, down)


def reset_after_word(server, connection):
    """Read something, then reset."""
    connection.recv(1)
    reset(connection)


def reset_behind_bytes(server, connection):
    """Read something, answer, and reset at once."""
    connection.recv(1)
    connection.sendall(b"y" * 1000)
    reset(connection)


def stall(server, connection):
    """Read nothing as long as the test runs, or until a reset."""
    poll = select.poll()
    poll.register(connection, 0)  # what is always told of: errors
    while not server.closing.is_set() and not poll.poll(STALL_MS):
        pass


def listen_for_reset(server, connection):
    """Send a word, read until the connection ends; remember how it did."""
    connection.sendall(b"x")
    try:
        while connection.recv(CHUNK_BYTES):
            pass
        server.heard.append("fin")
    except ConnectionResetError:
        server.heard.append("rst")


def last_word(server, connection):
    """Say a word that comes with the end, in one segment."""
    connection.send(b"word", socket.MSG_MORE)


def close_at_once(server, connection):
    """Say nothing; being visited is all that matters."""


class Server:
    """A TCP server on one port, in both families.  A context."""

    def __init__(self, namespace, port, behaviour, backlog=1024):
        self.port = port
        self.behaviour = behaviour
        self.visits = []
        self.heard = []  # what behaviours want to tell the test
        self.closing = threading.Event()
        self._connections = set()
        self._listeners = []
        for family, address in ((socket.AF_INET, "0.0.0.0"),
                                (socket.AF_INET6, "::")):
            listener = namespace.socket(family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6,
                                    socket.IPV6_V6ONLY, 1)
            listener.bind((address, port))
            listener.listen(backlog)
            self._listeners.append(listener)
            threading.Thread(target=self._accept, args=(listener,),
                             daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.closing.set()
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def addresses(self, since=0.0):
        """Who came since then, each once."""
        return {visit.address for visit in list(self.visits)
                if visit.time >= since}

    def served(self, count):
        """Have so many come, and been served to the end?"""
        return len(self.visits) >= count and not self._connections

    def _accept(self, listener):
        while not self.closing.is_set():
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            self._connections.add(connection)
            self.visits.append(Visit(time.monotonic(), peer[0], peer[1]))
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, EOFError), connection:
            self.behaviour(self, connection)
        self._connections.discard(connection)


class UdpServer:
    """Answers every datagram with the same bytes, in both families."""

    def __init__(self, namespace, port):
        self.port = port
        self.visits = []
        self._sockets = []
        for family, address in ((socket.AF_INET, "0.0.0.0"),
                                (socket.AF_INET6, "::")):
            sock = namespace.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address, port))
            sock.settimeout(0.2)
            self._sockets.append(sock)
        self._closing = threading.Event()
        for sock in self._sockets:
            threading.Thread(target=self._serve, args=(sock,),
                             daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self._closing.set()

    def send(self, data, peer):
        """Of its own accord."""
        sock, = (sock for sock in self._sockets
                 if (sock.family == socket.AF_INET6) == (":" in peer[0]))
        sock.sendto(data, peer)

    def _serve(self, sock):
        with sock:
            while not self._closing.is_set():
                try:
                    data, peer = sock.recvfrom(65535)
                    self.visits.append(
                        Visit(time.monotonic(), peer[0], peer[1]))
                    sock.sendto(data, peer)
                except OSError:
                    continue
