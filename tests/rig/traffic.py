# SPDX-License-Identifier: ISC
"""A client's traffic: single connections, many at once, and a hammer."""

import contextlib
import errno
import itertools
import select
import socket
import threading
import time

from . import proc, servers

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
# what a call says when the peer's reset has come (ENOTCONN: shutdown(2))
RESETS = (errno.ECONNRESET, errno.ECONNREFUSED, errno.EPIPE, errno.ENOTCONN)
HAMMER_INTERVAL_S = 0.02
HAMMER_PATIENCE_S = 1.5
ECHO_INTERVAL_S = 0.05
UDP_SILENCE_S = 1.0

# an echo request with identifier 1 and sequence 1, its checksum included
# (RFC 792); the kernel fills in that of ICMPv6 (RFC 4443)
PING4 = b"\x08\x00\xf7\xfd\x00\x01\x00\x01"
PING6 = b"\x80\x00\x00\x00\x00\x01\x00\x01"


def connect(namespace, address, port, timeout_s=5.0, buffer_bytes=0, sport=0):
    """A connected socket of the namespace.

    buffer_bytes bounds what it takes in before it is read (SO_RCVBUF); sport
    is the port that it comes from, 0 any.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = namespace.socket(family)
    sock.settimeout(timeout_s)
    if sport:
        _bind(sock, sport)
    if buffer_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    try:
        sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(sock, sport, source=None):
    """To a port, also one of a connection that has ended."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((source or "", sport))


def echoes(sock, word=b"still there"):
    """Does the echo server answer on this connection?"""
    sock.sendall(word)
    return servers.read_exactly(sock, len(word)) == word


def ask(namespace, address, port, sent, timeout_s=5.0):
    """Send, end, and read the whole answer."""
    with connect(namespace, address, port, timeout_s) as sock:
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(servers.CHUNK_BYTES), b""))


def outcome(namespace, address, port, timeout_s=5.0):
    """How a client sees a server: 'served', 'reset', 'timeout' or 'closed'."""
    try:
        answer = ask(namespace, address, port, b"hello", timeout_s)
    except TimeoutError:
        return "timeout"
    except OSError as error:
        if error.errno in RESETS:
            return "reset"
        raise
    return "served" if answer else "closed"


def exchange(namespace, address, port, up, down, timeout_s=20.0):
    """One connection to servers.exchange; the bytes received."""
    with connect(namespace, address, port, timeout_s) as sock:
        sock.sendall(servers.EXCHANGE.pack(up, down)
                     + servers.BODY.bytes[:up])
        return sum(iter(lambda: len(sock.recv(servers.CHUNK_BYTES)), 0))


def ping(namespace, address, timeout_s=3.0):
    """Is an ICMP echo answered?"""
    family, protocol, request = (
        (socket.AF_INET6, socket.IPPROTO_ICMPV6, PING6) if ":" in address
        else (socket.AF_INET, socket.IPPROTO_ICMP, PING4))
    with namespace.socket(family, socket.SOCK_RAW, protocol) as sock:
        sock.settimeout(timeout_s)
        sock.sendto(request, (address, 0))
        try:
            # neighbour discovery may be heard before the answer is
            while sock.recvfrom(1500)[1][0] != address:
                pass
        except TimeoutError:
            return False
    return True


def _unanswered(waiting, now):
    """Those of (when to give up, socket) that still wait; closes the others."""
    poll = select.poll()
    for _, sock in waiting:
        poll.register(sock, select.POLLIN)
    ended = {number for number, _ in poll.poll(0)}
    left = []
    for until, sock in waiting:
        if until < now or sock.fileno() in ended:
            sock.close()
        else:
            left.append((until, sock))
    return left


class Hammer(proc.Background):
    """Opens connections and sends datagrams all the time, in both families.

    Nothing is expected to be answered: what arrives, and from whom, is for the
    server and the sniffer to say.  sources are the addresses to bind to, one
    for each target; ports that it comes from are taken in turn, if there are
    any.  A connection is given up after patience_s.  A context.
    """

    def __init__(self, namespace, targets, port, ports=(),
                 patience_s=HAMMER_PATIENCE_S, sources=None):
        self.rounds = 0
        self.times = []  # when each round began (monotonic)
        self.patience_s = patience_s
        self._ports = itertools.cycle(ports or (0,))
        self._namespace = namespace
        self._pairs = list(zip(targets, sources or [None] * len(targets)))
        self._port = port
        self._knocking = threading.Lock()
        self._begin()

    def held(self):
        """A context in which no round begins."""
        return self._knocking

    def _run(self):
        waiting = []  # (when to give up, socket)
        with self._namespace.inside():
            while not self._closing.wait(HAMMER_INTERVAL_S):
                with self._knocking:
                    waiting = self._round(waiting)
        for _, sock in waiting:
            sock.close()

    def _round(self, waiting):
        """One connection and one datagram to each; who waits then."""
        now = time.monotonic()
        self.times.append(now)
        for target, source in self._pairs:
            waiting.append((now + self.patience_s,
                            self._knock(target, source)))
        self.rounds += 1
        return _unanswered(waiting, now)

    def _knock(self, target, source):
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        sport = next(self._ports)
        with contextlib.suppress(OSError), \
                socket.socket(family, socket.SOCK_DGRAM) as datagram:
            _bind(datagram, sport, source)
            datagram.sendto(b"knock", (target, self._port))
        sock = socket.socket(family)
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            _bind(sock, sport, source)
            sock.connect_ex((target, self._port))
        return sock


class EchoFlow(proc.Background):
    """A connection to an echo server that is never silent for long.

    ended is when it no longer went on (monotonic), or None.
    """

    def __init__(self, namespace, address, port, sport=0):
        self.ended = None
        self.socket = connect(namespace, address, port, sport=sport)
        self.sport = self.socket.getsockname()[1]
        self._begin()

    def close(self):
        super().close()
        self.socket.close()

    def _run(self):
        try:
            while not self._closing.wait(ECHO_INTERVAL_S):
                echoes(self.socket)
        except (OSError, EOFError):
            self.ended = time.monotonic()


class UdpEchoFlow(proc.Background):
    """A connected socket of datagrams that are answered, all the time.

    ended is when it no longer went on (monotonic), or None: when nothing was
    answered for a while, or came to the server from another port than before.
    Single datagrams may be lost.  server is a servers.UdpServer that nobody
    else of that family visits.
    """

    def __init__(self, namespace, address, server, sport=0):
        self.ended = None
        self._server, self._six = server, ":" in address
        self.socket = namespace.socket(
            socket.AF_INET6 if self._six else socket.AF_INET,
            socket.SOCK_DGRAM)
        self.socket.settimeout(ECHO_INTERVAL_S)
        _bind(self.socket, sport)
        self.socket.connect((address, server.port))
        self.sport = self.socket.getsockname()[1]
        self._begin()

    def close(self):
        super().close()
        self.socket.close()

    def _ports(self):
        return {visit.port for visit in list(self._server.visits)
                if (":" in visit.address) == self._six}

    def _answered(self):
        with contextlib.suppress(OSError):
            self.socket.send(b"still there")
            return bool(self.socket.recv(100))
        return False

    def _run(self):
        heard = time.monotonic()
        while not self._closing.wait(ECHO_INTERVAL_S) and not self.ended:
            now = time.monotonic()
            if self._answered():
                heard = now
            if now - heard > UDP_SILENCE_S or len(self._ports()) > 1:
                self.ended = now
