# SPDX-License-Identifier: ISC
"""Who holds the control socket's door open delays and locks out nobody."""

import contextlib
import os
import pathlib
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
