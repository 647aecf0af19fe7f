# SPDX-License-Identifier: ISC
"""Questions of DNS all the time, over UDP and TCP, of both families.

Half of them are for one name, which is cached wherever anything is; the others
are for names that nobody has asked for before.  None waits for another one.
"""

import contextlib
import itertools
import select
import socket
import struct
import time

import dns.message

from . import names, proc

INTERVAL_S = 0.03
PATIENCE_S = 3.0
CACHED = f"www.{names.ZONE_NAME}"
DIGITS = 8
HEADER_BYTES = 12


class Question:
    """asked and answered are monotonic; rcode is None without an answer.

    source is the address and port of who asks.
    """

    def __init__(self, family, tcp, cached):
        self.family, self.tcp, self.cached = family, tcp, cached
        self.source = None
        self.asked = time.monotonic()
        self.answered = None
        self.rcode = None

    def good(self):
        return self.rcode == 0

    def who(self):
        """As the log names who asks, and how."""
        return *self.source, "tcp" if self.tcp else "udp"


class _Open:
    """The socket of a question that is not answered yet."""

    def __init__(self, question, sock, wire):
        self.question, self.sock = question, sock
        self.unsent = struct.pack("!H", len(wire)) + wire
        self._heard = b""

    def on_writable(self):
        self.sock.send(self.unsent)
        self.unsent = b""

    def on_readable(self):
        """Has it ended, with an answer or without one?"""
        part = self.sock.recv(65535)
        self._heard += part
        start = 2 if self.question.tcp else 0
        if len(self._heard) >= start + HEADER_BYTES:
            self.question.rcode = self._heard[start + 3] & 15
            self.question.answered = time.monotonic()
            return True
        return not part


class Inquirer(proc.Background):
    """Asks one server of each family, from one address of each.  A context.

    targets and sources are addresses by family, 4 and 6.  At its end the last
    ones are still waited for.
    """

    def __init__(self, namespace, targets, sources):
        self.all = []
        self._namespace = namespace
        self._targets, self._sources = targets, sources
        self._serial = itertools.count()
        self._query = {cached: dns.message.make_query(
            CACHED if cached else f"{'x' * DIGITS}.{names.FRESH}",
            "A").to_wire() for cached in (True, False)}
        self._begin()

    def of(self, family, tcp, cached):
        return [question for question in list(self.all)
                if (question.family, question.tcp, question.cached)
                == (family, tcp, cached)]

    def answered(self):
        """Is all that is asked from now on answered well?  A condition."""
        since = time.monotonic()
        return lambda: all(
            any(question.asked >= since and question.good()
                for question in self.of(*kind))
            for kind in itertools.product((4, 6), (True, False),
                                          (True, False)))

    def _run(self):
        waiting, poll = {}, select.poll()
        due = time.monotonic()
        with self._namespace.inside():
            while waiting or not self._closing.is_set():
                now = time.monotonic()
                if now >= due and not self._closing.is_set():
                    due = now + INTERVAL_S
                    self._ask_all(waiting, poll)
                for number, events in poll.poll(1000 * INTERVAL_S / 3):
                    self._on_event(waiting, poll, number, events)
                self._give_up(waiting, poll, now - PATIENCE_S)

    def _ask_all(self, waiting, poll):
        number = next(self._serial)
        cached = number % 2 == 0
        for place, (family, tcp) in enumerate(itertools.product(
                (4, 6), (True, False))):
            wire = bytearray(self._query[cached])
            wire[:2] = number.to_bytes(4, "big")[2:]
            if not cached:
                label = f"{place}{number:0{DIGITS - 1}}".encode()
                wire[HEADER_BYTES + 1:HEADER_BYTES + 1 + DIGITS] = label
            question = Question(family, tcp, cached)
            self.all.append(question)
            with contextlib.suppress(OSError):
                self._ask(waiting, poll, question, bytes(wire))

    def _ask(self, waiting, poll, question, wire):
        sock = socket.socket(
            socket.AF_INET6 if question.family == 6 else socket.AF_INET,
            socket.SOCK_STREAM if question.tcp else socket.SOCK_DGRAM)
        sock.setblocking(False)
        # the end of a connection leaves no state behind
        if question.tcp:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
        waiting[sock.fileno()] = _Open(question, sock, wire)
        poll.register(sock, select.POLLOUT if question.tcp
                      else select.POLLIN)
        sock.bind((self._sources[question.family], 0))
        question.source = sock.getsockname()[:2]
        # of TCP it goes on when the socket can be written to
        sock.connect_ex((self._targets[question.family], names.PORT))
        if not question.tcp:
            sock.send(wire)

    def _on_event(self, waiting, poll, number, events):
        found = waiting[number]
        ended = True
        with contextlib.suppress(OSError):
            if events & select.POLLOUT and found.unsent:
                found.on_writable()
                poll.modify(number, select.POLLIN)
                ended = False
            else:
                ended = found.on_readable()
        if ended:
            self._close(waiting, poll, number)

    def _give_up(self, waiting, poll, before):
        for number, found in list(waiting.items()):
            if found.question.asked < before:
                self._close(waiting, poll, number)

    def _close(self, waiting, poll, number):
        poll.unregister(number)
        waiting.pop(number).sock.close()
