# SPDX-License-Identifier: ISC
"""What the guard cannot read does not pass it."""

import json
import socket
import struct

import pytest

from rig import proc

ETH_P_IPV6 = 0x86DD
OPTIONS, FRAGMENT, UDP, NOTHING = 60, 44, 17, 59
MARKER = b"marker-of-the-end"
PORTS = struct.pack("!HHHH", 5000, 53, 16, 0) + b"captured"

# chains of headers behind the IPv6 header: the first one's number, and bytes
BROKEN = {
    # 2048 bytes long, it says
    "options beyond the packet": (
        OPTIONS, struct.pack("!BB6x", UDP, 255) + PORTS),
    "options cut in the middle": (OPTIONS, struct.pack("!BB", UDP, 0)),
    "options that are not there": (OPTIONS, b""),
    "fragment header cut in the middle": (FRAGMENT, struct.pack("!BB", UDP, 0)),
    "fragment that is not the first": (
        FRAGMENT, struct.pack("!BBHI", UDP, 0, 64 << 3, 7) + PORTS),
    "fragment that says it is of another protocol": (
        FRAGMENT, struct.pack("!BBHI", NOTHING, 0, 64 << 3, 9) + PORTS),
    "options, then such a fragment": (
        OPTIONS, struct.pack("!BBBB4x", FRAGMENT, 0, 1, 4)
        + struct.pack("!BBHI", UDP, 0, 64 << 3, 8) + PORTS),
}
# what the guard lets pass: other protocols, behind options as well
SOUND = OPTIONS, struct.pack("!BBBB4x", NOTHING, 0, 1, 4) + MARKER


def packet(net, chain):
    """RFC 8200."""
    first, rest = chain
    return struct.pack("!IHBB", 6 << 28, len(rest), first, 64) + b"".join(
        socket.inet_pton(socket.AF_INET6, address)
        for address in (net.CLIENT6, net.SERVER6)) + rest


def send(net, *chains):
    """Out of the client's interface, whatever its kernel thinks of them."""
    link, = json.loads(net.gateway.run(
        "ip", "-j", "link", "show", net.CLIENT_IF).stdout)
    with net.client.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as sock:
        for chain in chains:
            sock.sendto(packet(net, chain), (
                "eth0", ETH_P_IPV6, 0, 0,
                bytes.fromhex(link["address"].replace(":", ""))))


def arrivals(net, *chains):
    """Payloads that reach the server, the sound packet's being the last."""
    with net.server.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as sock:
        sock.bind(("eth0", ETH_P_IPV6))
        sock.settimeout(5)
        send(net, *chains, SOUND)
        source = socket.inet_pton(socket.AF_INET6, net.CLIENT6)
        found = []
        while not found or not found[-1].endswith(MARKER):
            data = sock.recv(65535)
            # neighbours look for each other meanwhile
            if data[8:24] == source and data[6] != socket.IPPROTO_ICMPV6:
                found.append(data[40:])
        return found


@pytest.mark.parametrize("chain", BROKEN.values(), ids=BROKEN)
def test_broken_chain_of_headers_does_not_pass_the_guard(net, tpx, chain):
    # without a guard it does
    assert len(arrivals(net, chain)) == 2
    instance = tpx(workers=1)
    proc.kill_at_once(instance.pids())
    proc.wait_until(lambda: not instance.tpxd.running(), 5, "its end")
    # nor does it need its second line for that
    for line in net.gateway.ip("-6", "rule").splitlines():
        priority = line.partition(":")[0]
        if 74 < int(priority) < 80:
            net.gateway.ip("-6", "rule", "del", "priority", priority)
    assert arrivals(net, chain) == [SOUND[1]]
