# SPDX-License-Identifier: ISC
"""Counts packets that reached an interface from one host, in the kernel's view.

The filter runs in the kernel (socket(7), SO_ATTACH_FILTER), so a test may move
gigabytes beside it and lose nothing that it looks for.
"""

import contextlib
import ctypes
import ipaddress
import select
import socket
import struct
import threading
import time
from typing import NamedTuple

ETH_P_ALL = 0x0003
SOL_PACKET = 263
PACKET_STATISTICS = 6
SO_ATTACH_FILTER = 26
ETHERTYPE_IP, ETHERTYPE_IPV6 = 0x0800, 0x86DD

# bpf(4): load half word and word at an offset, jump if equal, return
LDH, LD, JEQ, RET = 0x28, 0x20, 0x15, 0x06
TRANSPORTS = {socket.IPPROTO_TCP: "tcp", socket.IPPROTO_UDP: "udp"}


class Packet(NamedTuple):
    time: float
    source: str
    protocol: str
    sport: int
    dport: int


def _program(source4, source6):
    """Accept whole IPv4 packets of one source and IPv6 ones of another."""
    word4 = int(ipaddress.IPv4Address(source4))
    words6 = struct.unpack("!4I", ipaddress.IPv6Address(source6).packed)
    code = [(LDH, 0, 0, 12), (JEQ, 0, 2, ETHERTYPE_IP),
            (LD, 0, 0, 26), (JEQ, 9, 10, word4),
            (JEQ, 0, 9, ETHERTYPE_IPV6)]
    for index, word in enumerate(words6):
        # the last match falls through to the return that accepts
        code += [(LD, 0, 0, 22 + 4 * index), (JEQ, 0, 7 - 2 * index, word)]
    return code + [(RET, 0, 0, 0xFFFF), (RET, 0, 0, 0)]


def _attach(sock, code):
    packed = b"".join(struct.pack("HBBI", *row) for row in code)
    buffer = ctypes.create_string_buffer(packed)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack(
        "HL", len(code), ctypes.addressof(buffer)))


def _parse(frame):
    """A Packet, or None for what is neither TCP nor UDP."""
    if struct.unpack_from("!H", frame, 12)[0] == ETHERTYPE_IP:
        source, protocol = ipaddress.IPv4Address(frame[26:30]), frame[23]
        start = 14 + 4 * (frame[14] & 15)
    else:
        source, protocol = ipaddress.IPv6Address(frame[22:38]), frame[20]
        start = 54
    if protocol not in TRANSPORTS or len(frame) < start + 4:
        return None
    return Packet(time.monotonic(), str(source), TRANSPORTS[protocol],
                  *struct.unpack_from("!HH", frame, start))


class Sniffer:
    """TCP and UDP packets from a client, seen on the server's interface.

    ports, if there are any, are those of the client that count.
    """

    def __init__(self, namespace, source4, source6, interface="eth0",
                 ports=()):
        self.packets = []
        self._ports = ports
        with namespace.inside():
            self._socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        _attach(self._socket, _program(source4, source6))
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.setblocking(False)
        # the filter was not there from the first moment: start afresh
        for _ in self._waiting():
            pass
        self._closing = threading.Event()
        self._emptied = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self._closing.set()
        self._thread.join()
        self._socket.close()

    def direct(self, since=0.0):
        """The packets seen since then, all that have arrived among them."""
        # the first time may be that of a look that was over already
        for _ in range(2):
            self._emptied.clear()
            self._emptied.wait()
        lost = struct.unpack("II", self._socket.getsockopt(
            SOL_PACKET, PACKET_STATISTICS, 8))[1]
        assert lost == 0, f"the sniffer lost {lost} packets"
        return [packet for packet in self.packets if packet.time >= since]

    def _waiting(self):
        """The frames in the socket's queue."""
        with contextlib.suppress(BlockingIOError):
            while True:
                yield self._socket.recv(65535)

    def _listen(self):
        while not self._closing.is_set():
            for frame in self._waiting():
                packet = _parse(frame)
                if packet and (not self._ports
                               or packet.sport in self._ports):
                    self.packets.append(packet)
            self._emptied.set()
            select.select([self._socket], [], [], 0.05)
