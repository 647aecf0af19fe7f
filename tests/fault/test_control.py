# SPDX-License-Identifier: ISC
"""Who holds the control socket's door open delays and locks out nobody."""

import contextlib
import grp
import os
import pathlib
import pwd
import re
import socket
import struct
import time

import pytest

from conftest import ECHO
from rig import proc, traffic

pytestmark = pytest.mark.alone

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLOODERS = 24
MOST = 32  # clients that tpxd serves at a time
MANY_FDS = 253  # the most that unix(7) takes, SCM_MAX_FD
LINGER_S = 20


def request(command):
    """The bytes of a CTL_REQUEST (schema/msg.def)."""
    schema = (ROOT / "schema/msg.def").read_text()
    messages = re.search(r"#define IPC_MESSAGES.*?\n\n", schema, re.S)
    kind = re.findall(r"X\((\w+),", messages.group()).index("CTL_REQUEST")
    commands = re.search(r"#define IPC_CTL_COMMANDS.*?\n\n", schema, re.S)
    number = re.findall(r"X\((\w+),", commands.group()).index(command)
    return struct.pack("IIIIQ", kind + 1, 8, 1, 0, number)


@contextlib.contextmanager
def clients(instance, count):
    socks = []
    try:
        for _ in range(count):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            socks.append(sock)
            sock.connect(str(instance.socket))
        yield socks
    finally:
        for sock in socks:
            sock.close()


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def push(sock, word):
    """Send until it takes no more."""
    with contextlib.suppress(BlockingIOError, ConnectionError):
        while True:
            sock.send(word, socket.MSG_DONTWAIT)


def drain(sock):
    with contextlib.suppress(BlockingIOError, ConnectionError):
        while sock.recv(1 << 16, socket.MSG_DONTWAIT):
            pass


def test_flood_of_requests_waits_behind_heartbeats(net, server, tpx):
    """Some read their answers, some do not."""
    instance = tpx(workers=1, lease="1s")
    before = instance.by_role()
    word = request("STATUS")
    with clients(instance, FLOODERS) as socks:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            for index, sock in enumerate(socks):
                push(sock, word)
                if index % 2:
                    drain(sock)
        since = time.monotonic()
        assert instance.status()["state"] == "armed"
        assert time.monotonic() - since < 2
        assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"
    assert instance.by_role() == before
    states = instance.sql("SELECT message FROM events WHERE kind = 'state'")
    assert [row["message"] for row in states] == [
        "starting to armed: every worker works"]


def test_descriptors_that_nobody_asked_for_are_closed(tpx):
    instance = tpx(workers=1)
    tpxd = instance.tpxd.pid
    instance.status()
    base = descriptors(tpxd)
    for _ in range(20):
        with clients(instance, 1) as (sock,):
            socket.send_fds(sock, [request("STATUS")], [0] * MANY_FDS)
            sock.settimeout(5)
            with contextlib.suppress(ConnectionError):
                assert sock.recv(1 << 16) == b""
    proc.wait_until(lambda: descriptors(tpxd) <= base, 5, "all closed")
    assert instance.status()["state"] == "armed"


@contextlib.contextmanager
def group_tpx():
    """Whoever connects meanwhile may read, and is not root."""
    os.setegid(grp.getgrnam("tpx").gr_gid)
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@contextlib.contextmanager
def lingering(namespace):
    """A socket whose last close(2) waits for a peer that reads nothing."""
    with namespace.inside():
        listener = socket.create_server(("127.0.0.1", 0))
        sock = socket.create_connection(listener.getsockname())
    with listener, listener.accept()[0]:
        push(sock, bytes(1 << 16))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, LINGER_S))
        yield sock


def send_with(sock, word, passed):
    """Of a socket that is not read any more: behind words that wait there."""
    push(sock, word)
    descriptor = struct.pack("i", passed.fileno())
    while True:
        with contextlib.suppress(BlockingIOError):
            sock.sendmsg([word], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                   descriptor)], socket.MSG_DONTWAIT)
            return
        sock.recv(1 << 16)


@pytest.mark.parametrize("reads", [True, False], ids=["reads", "leaves"])
def test_descriptor_that_would_be_waited_for_is_not(net, tpx, reads):
    """Whoever may only read makes tpxd close what blocks whoever closes it."""
    instance = tpx(workers=1, lease="1s")
    with lingering(net.gateway) as passed:
        with group_tpx(), clients(instance, 1) as (sock,):
            send_with(sock, request("STATUS"), passed)
            passed.close()
            if reads:
                sock.settimeout(5)
                with contextlib.suppress(ConnectionError):
                    while sock.recv(1 << 16):
                        pass
        assert instance.status()["state"] == "armed"
    instance.rows(1, "kind = 'state'", view="events")


@pytest.mark.parametrize("spare", [None, 4], ids=["plenty", "few descriptors"])
def test_clients_that_stay_lock_nobody_out(tpx, spare):
    instance = tpx(workers=1)
    tpxd = instance.tpxd.pid
    instance.status()
    base = descriptors(tpxd)
    if spare:
        highest = max(map(int, os.listdir(f"/proc/{tpxd}/fd")))
        proc.limit(tpxd, f"--nofile={highest + 1 + spare}:")
    with clients(instance, 2 * MOST):
        assert instance.status()["state"] == "armed"
        assert descriptors(tpxd) <= base + MOST + 1
        before = proc.cpu_s(tpxd)
        proc.stays(instance.tpxd.running, 1, "tpxd")
        assert proc.cpu_s(tpxd) - before < 0.2
    assert instance.status()["state"] == "armed"
