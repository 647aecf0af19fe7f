# SPDX-License-Identifier: ISC
"""What a worker does to sockets that outlive it ends with it."""

import os
import re
import socket
import struct

import pytest

from conftest import ECHO
from rig import inject, proc, traffic
from rig.servers import UdpServer

pytestmark = pytest.mark.skipif(not inject.SUPPORTED, reason="x86-64 only")

# x86-64, as for rig/inject.py
CONNECT, FCNTL, F_SETFL = 42, 72, 4
LISTENS, HEARS = "0A", "07"  # states of proc_net_tcp(5)
SPARE_BYTES = 64 << 10  # of a stack, below what is in use


def listeners(namespace, pid):
    """Descriptors of a process, of sockets that everybody may send to."""
    tables = namespace.run("cat", *(f"/proc/net/{name}" for name in
                                    ("tcp", "tcp6", "udp", "udp6"))).stdout
    inodes = {line.split()[9] for line in tables.splitlines()
              if re.search(rf":0000 ({LISTENS}|{HEARS}) ", line)}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        held = os.readlink(f"/proc/{pid}/fd/{fd}")
        if held[len("socket:["):-1] in inodes:
            yield int(fd)


def put(pid, data):
    """Bytes where nobody in that process looks; their address."""
    with open(f"/proc/{pid}/maps") as maps:
        end = re.search(r"^\w+-(\w+) .*\[stack\]$", maps.read(), re.M)[1]
    address = int(end, 16) - SPARE_BYTES
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(address)
        memory.write(data)
    return address


def disconnect(pid, fd):
    """Of one that listens: it does not any more."""
    inject.syscall(pid, CONNECT, fd, put(pid, bytes(16)), 16)


def connect(pid, fd):
    """Of UDP: it then hears of nobody else."""
    nobody = struct.pack("=HHI8x", socket.AF_INET, 9, 0x0100007f)
    inject.syscall(pid, CONNECT, fd, put(pid, nobody), len(nobody))


def block(pid, fd):
    assert inject.syscall(pid, FCNTL, fd, F_SETFL, 0) == ("returned", 0)


def answered(namespace, address, port):
    """Does a server of UDP answer?"""
    with namespace.socket(traffic.FAMILIES[6 if ":" in address else 4],
                          socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        sock.sendto(b"question", (address, port))
        return bool(sock.recv(100))


@pytest.mark.parametrize("spoil", [disconnect, connect, block])
def test_listeners_of_a_relay_are_sound_for_the_next(net, server, tpx, spoil):
    instance = tpx(workers=1)
    relay = instance.by_role()["relay"]
    found = list(listeners(net.gateway, relay[0]))
    assert len(found) == 8, "four of TCP, four of UDP"
    for fd in found:
        spoil(relay[0], fd)
    proc.kill(relay)
    instance.wait_replaced("relay", relay, 5)
    instance.wait_state("armed")
    with UdpServer(net.server, ECHO):
        for address in (net.SERVER4, net.SERVER6):
            assert traffic.outcome(
                net.client, address, ECHO, 2) == "served", address
            assert answered(net.client, address, ECHO), address
    # it waits for clients, and is not busy with what they cannot be
    new, = instance.by_role()["relay"]
    before = proc.cpu_s(new)
    proc.stays(instance.tpxd.running, 0.3, "tpxd")
    assert proc.cpu_s(new) - before < 0.1


def test_listeners_of_a_dnsd_are_sound_for_the_next(net, tpx):
    instance = tpx("dns recurse", workers=1)
    dnsd = instance.by_role()["dnsd"]
    found = list(listeners(net.gateway, dnsd[0]))
    assert len(found) == 8, "four of TCP, four of UDP"
    for fd in found:
        block(dnsd[0], fd)
    proc.kill(dnsd)
    new, = instance.wait_replaced("dnsd", dnsd, 5)
    for fd in listeners(net.gateway, new):
        with open(f"/proc/{new}/fdinfo/{fd}") as info:
            flags = re.search(r"^flags:\s*(\d+)", info.read(), re.M)[1]
        assert int(flags, 8) & os.O_NONBLOCK, fd
