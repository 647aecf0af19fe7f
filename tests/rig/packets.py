# SPDX-License-Identifier: ISC
"""IP packets as bytes, and a wire that takes them as they are.

Nothing here asks whether a packet makes sense.  Addresses are text; the family
is that of the source.
"""

import fcntl
import socket
import struct

ETH_P_ALL = 0x0003
PACKET_OUTGOING = 4
SIOCGIFHWADDR = 0x8927
FRAGMENT, DESTINATION = 44, 60  # next headers, RFC 8200
LSRR = 131  # RFC 791
SYN = 2


def packed(address):
    return socket.inet_pton(
        socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def checksum(data):
    """RFC 1071"""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H",
                              data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _sum(source, target, protocol, segment):
    return checksum(packed(source) + packed(target)
                    + struct.pack("!II", len(segment), protocol) + segment)


def udp(source, target, sport, dport, data=b""):
    head = struct.pack("!HHH", sport, dport, 8 + len(data))
    total = _sum(source, target, 17, head + b"\0\0" + data) or 0xFFFF
    return head + struct.pack("!H", total) + data


def tcp(source, target, sport, dport, data=b"", flags=SYN):
    head = struct.pack("!HHIIBBH", sport, dport, 7400, 0, 0x50, flags, 64240)
    total = _sum(source, target, 6, head + bytes(4) + data)
    return head + struct.pack("!HH", total, 0) + data


def icmp_error(source, target, kind, packet, mtu=0):
    """About a packet; kind is (type, code).  RFC 792, 1191 and 4443."""
    v6 = ":" in source
    about = struct.pack("!I", mtu) + packet[:1000 if v6 else 28]
    head = bytes(kind)
    total = _sum(source, target, socket.IPPROTO_ICMPV6, head + b"\0\0" + about
                 ) if v6 else checksum(head + b"\0\0" + about)
    return ip(source, target,
              socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP,
              head + struct.pack("!H", total) + about)


def ip(source, target, protocol, payload, options=b"", fragment=0):
    """One packet; fragment is the field of IPv4 with offset and flags."""
    if ":" in source:
        return (struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
                + packed(source) + packed(target) + payload)
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, 4 * words + len(payload),
                       74, fragment, 64, protocol, 0)
    ends = packed(source) + packed(target) + options
    total = checksum(head + ends)
    return head[:10] + struct.pack("!H", total) + ends + payload


def fragments(source, target, protocol, payload, cut=8, before=b"",
              second=None):
    """Two fragments, cut behind so many bytes, a multiple of 8.

    Only of IPv6: before is put in front of each fragment header, second is the
    protocol that the second one says.
    """
    if ":" not in source:
        return [ip(source, target, protocol, payload[:cut], fragment=0x2000),
                ip(source, target, protocol, payload[cut:],
                   fragment=cut // 8)]
    first = DESTINATION if before else FRAGMENT
    return [ip(source, target, first, before + struct.pack(
                "!BBHI", says, 0, offset | more, 74) + part)
            for says, offset, more, part in (
                (protocol, 0, 1, payload[:cut]),
                (second or protocol, cut, 0, payload[cut:]))]


def atomic(source, target, protocol, payload):
    """A fragment that is the whole packet (RFC 6946)."""
    return ip(source, target, FRAGMENT,
              struct.pack("!BBHI", protocol, 0, 0, 74) + payload)


def options6(following):
    """A header of destination options with nothing but padding in it."""
    return bytes([following, 0, 1, 4, 0, 0, 0, 0])


def loose_route(*addresses):
    """The option LSRR of IPv4, filled up to whole words."""
    route = b"".join(map(packed, addresses))
    return bytes([LSRR, 3 + len(route), 4]) + route + b"\0"


class Wire:
    """Sends packets from an interface to its neighbour.  A context."""

    def __init__(self, namespace, interface, neighbour, its_interface):
        with neighbour.socket(kind=socket.SOCK_DGRAM) as sock:
            self._hardware = fcntl.ioctl(
                sock, SIOCGIFHWADDR,
                struct.pack("256s", its_interface.encode()))[18:24]
        self._interface = interface
        self._socket = namespace.socket(socket.AF_PACKET, socket.SOCK_DGRAM)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._socket.close()

    def send(self, *packets):
        for packet in packets:
            kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
            self._socket.sendto(packet, (self._interface, kind, 0, 0,
                                         self._hardware))


class Tap:
    """The packets that arrive at an interface.  A context."""

    def __init__(self, namespace, interface="eth0"):
        with namespace.inside():
            self._socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.setblocking(False)
        self._packets = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._socket.close()

    def packets(self):
        """All that have arrived so far, without the headers of the link."""
        while True:
            try:
                packet, sender = self._socket.recvfrom(65535)
            except BlockingIOError:
                return self._packets
            if sender[2] != PACKET_OUTGOING:
                self._packets.append(packet)

    def having(self, *words):
        """Those that contain every one of these bytes."""
        return [packet for packet in self.packets()
                if all(word in packet for word in words)]
