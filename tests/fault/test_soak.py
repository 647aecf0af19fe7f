# SPDX-License-Identifier: ISC
"""Mixed traffic for long: nothing is left of it but rows."""

import contextlib
import os
import random
import socket
import threading
import time

import pytest

from conftest import (CLOSE, DIGEST, ECHO, EXCHANGE, HTTP, REFUSED,
                      TALK_FIRST)
from rig import proc, servers, traffic
from rig.servers import UdpServer

UDP_PORT = 5420
BLOCKED = 5421
PASSED = HTTP
RULES = f"""\
block proto tcp to any port {BLOCKED}
pass proto tcp to any port {PASSED}
relay proto udp to any idle 1s
default relay
"""
THREADS = 6
WARM_S = 3.0
IDLE_S = 2.0
PATIENCE_S = 60
# what a process may have grown by, against its state after the first seconds
GROWTH_KIB = 6 * 1024
CPU_MOST = 0.02
PIPES_KEPT = 48  # of a relay, as relay/pipe.c has it
PIPES_OTHERS = 8  # the test's output, event loops


def links(pid):
    """What a process has open; of what was closed meanwhile nothing."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(f"/proc/{pid}/fd/{fd}")


def descriptors(instance):
    """How many each process has, without the pipes that relays keep."""
    counts = {}
    for pid in instance.pids():
        opened = list(links(pid))
        pipes = sum(link.startswith("pipe:") for link in opened)
        assert pipes <= 2 * PIPES_KEPT + PIPES_OTHERS, (pid, pipes)
        counts[pid] = len(opened) - pipes
    return counts


def cut(net, address, chance):
    """A reset in the middle of a word."""
    with traffic.connect(net.client, address, ECHO) as sock:
        sock.sendall(b"x" * chance.randrange(1, 100000))
        servers.reset(sock)


def ask_udp(net, address, chance):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with net.client.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((address, UDP_PORT))
        for _ in range(chance.randrange(1, 20)):
            sock.send(b"x" * chance.randrange(1, 1400))
            with contextlib.suppress(TimeoutError):
                sock.recv(2000)


def go_away(port):
    """Ends, or does not wait for, what a server says."""
    def visit(net, address, chance):
        with traffic.connect(net.client, address, port) as sock:
            sock.settimeout(0.01 * chance.randrange(1, 10))
            with contextlib.suppress(TimeoutError):
                sock.recv(chance.randrange(1, 5000))
    return visit


VISITS = [
    lambda net, address, chance: traffic.exchange(
        net.client, address, EXCHANGE, chance.randrange(200000),
        chance.randrange(2000000)),
    lambda net, address, chance: traffic.ask(
        net.client, address, DIGEST, b"y" * chance.randrange(100000)),
    cut, ask_udp, go_away(TALK_FIRST), go_away(CLOSE),
    go_away(PASSED), go_away(REFUSED), go_away(BLOCKED),
]


def visit_until(net, until, seed, failures):
    chance = random.Random(seed)
    while time.monotonic() < until:
        visit = chance.choice(VISITS)
        address = chance.choice([net.SERVER4, net.SERVER6])
        try:
            visit(net, address, chance)
        except OSError as error:
            if error.errno not in traffic.RESETS:
                failures.append(error)
        except EOFError as error:
            failures.append(error)


def load(net, seconds, seed):
    failures = []
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=visit_until, args=(
        net, until, seed + i, failures)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:5]


def settled(instance):
    """Everything has ended and is accounted for."""
    assert instance.status()["flows"]["open"] == 0
    assert set(instance.accounts().values()) == {0}, instance.accounts()
    return True


def cpu_share(instance):
    before = {pid: proc.cpu_s(pid) for pid in instance.pids()}
    proc.stays(lambda: True, IDLE_S, "nothing")
    return {pid: (proc.cpu_s(pid) - spent) / IDLE_S
            for pid, spent in before.items()}


@pytest.mark.parametrize("seconds", [
    4, pytest.param(1260, marks=pytest.mark.long)])
def test_everything_is_back_after_mixed_traffic(net, server, tpx, seconds):
    instance = tpx(RULES)
    with UdpServer(net.server, UDP_PORT):
        load(net, WARM_S, 1)
        proc.wait_until(lambda: settled(instance), PATIENCE_S,
                        "the end of flows")
        processes = instance.by_role()
        files = descriptors(instance)
        memory = {pid: proc.pss_kib(pid) for pid in instance.pids()}
        idle = cpu_share(instance)
        load(net, seconds, 100)
        proc.wait_until(lambda: settled(instance), PATIENCE_S,
                        "the end of flows")
    assert instance.by_role() == processes
    proc.wait_until(lambda: descriptors(instance) == files or None, 30,
                    "descriptors are back")
    grown = {proc.name(pid): proc.pss_kib(pid) - before
             for pid, before in memory.items()}
    print(f"rows {instance.status()['log']['rows']}, grown by KiB {grown}")
    assert max(grown.values()) < GROWTH_KIB, grown
    after = cpu_share(instance)
    print(f"idle CPU before {idle}, after {after}")
    assert max(after[pid] - idle[pid] for pid in idle) < CPU_MOST, after
    assert settled(instance)
