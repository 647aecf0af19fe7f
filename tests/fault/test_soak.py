# SPDX-License-Identifier: ISC
"""Mixed traffic for long: nothing is left of it but rows."""

import collections
import contextlib
import hashlib
import random
import socket
import threading
import time

import pytest

from conftest import (CLOSE, DIGEST, ECHO, EXCHANGE, HTTP, REFUSED,
                      TALK_FIRST)
from rig import burden, proc, servers, traffic
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
PATIENCE_S = 60
VISITS_A_SECOND = 10  # at least, on a busy machine as well
# what a process may have grown by, against its state after the first seconds
GROWTH_KIB = 6 * 1024
CPU_MOST = 0.02
PIPES_KEPT = 48  # of a relay, as relay/pipe.c has it
PIPES_OTHERS = 8  # the test's output, event loops


def descriptors(instance):
    """How many each process has, without the pipes that relays keep."""
    counts = {}
    for pid in instance.pids():
        opened = proc.opened(pid)
        pipes = sum(link.startswith("pipe:") for link in opened)
        assert pipes <= 2 * PIPES_KEPT + PIPES_OTHERS, (pid, pipes)
        counts[pid] = len(opened) - pipes
    return counts


def take_whole(net, address, chance):
    down = chance.randrange(2000000)
    assert traffic.exchange(net.client, address, EXCHANGE,
                            chance.randrange(200000), down) == down


def send_whole(net, address, chance):
    sent = b"y" * chance.randrange(100000)
    count, digest = traffic.ask(net.client, address, DIGEST, sent).split()
    assert int(count) == len(sent)
    assert digest.decode() == hashlib.sha256(sent).hexdigest()


def cut(net, address, chance):
    """A reset in the middle of a word."""
    with traffic.connect(net.client, address, ECHO) as sock:
        sock.sendall(b"x" * chance.randrange(1, 100000))
        servers.reset(sock)


def ask_udp(net, address, chance):
    """A datagram may be lost on a busy machine, but not all of them."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with net.client.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((address, UDP_PORT))
        answers = 0
        for _ in range(chance.randrange(2, 20)):
            sock.send(b"x" * chance.randrange(1, 1400))
            with contextlib.suppress(TimeoutError):
                answers += len(sock.recv(2000)) > 0
        assert answers


def go_away(port):
    """Ends, or does not wait for, what a server says."""
    def visit(net, address, chance):
        with traffic.connect(net.client, address, port) as sock:
            sock.settimeout(0.01 * chance.randrange(1, 10))
            with contextlib.suppress(TimeoutError):
                sock.recv(chance.randrange(1, 5000))
    return visit


# kind: how, and whether it may end in a reset
VISITS = {
    "take": (take_whole, False), "send": (send_whole, False),
    "cut": (cut, False), "udp": (ask_udp, False),
    "talk first": (go_away(TALK_FIRST), False),
    "close": (go_away(CLOSE), False), "pass": (go_away(PASSED), False),
    "refused": (go_away(REFUSED), True), "blocked": (go_away(BLOCKED), True),
}


def is_reset(visit, *words):
    try:
        visit(*words)
    except OSError as error:
        if error.errno not in traffic.RESETS:
            raise
        return True
    return False


def visit_until(net, until, seed, visits, failures):
    chance = random.Random(seed)
    while time.monotonic() < until:
        kind, (visit, may_be_reset) = chance.choice(list(VISITS.items()))
        address = chance.choice([net.SERVER4, net.SERVER6])
        try:
            assert not is_reset(visit, net, address, chance) or may_be_reset
        except (AssertionError, EOFError, OSError) as error:
            failures.append((kind, address, error))
        visits[kind] += 1


def load(net, seconds, seed):
    """Visits of every kind; how many."""
    visits, failures = collections.Counter(), []
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=visit_until, args=(
        net, until, seed + i, visits, failures)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:5]
    return visits


def settled(instance):
    """Everything has ended and is accounted for."""
    assert instance.status()["flows"]["open"] == 0
    assert set(instance.accounts().values()) == {0}, instance.accounts()
    return True


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
        memory = burden.memory(instance)
        idle = burden.cpu_share(instance)
        visits = load(net, seconds, 100)
        proc.wait_until(lambda: settled(instance), PATIENCE_S,
                        "the end of flows")
    print(f"visits {dict(visits)}")
    assert set(visits) == set(VISITS)
    assert visits.total() >= seconds * VISITS_A_SECOND
    assert instance.by_role() == processes
    proc.wait_until(lambda: descriptors(instance) == files or None, 30,
                    "descriptors are back")
    print(f"rows {instance.status()['log']['rows']}")
    burden.assert_flat(memory, burden.memory(instance), GROWTH_KIB)
    after = burden.cpu_share(instance)
    print(f"idle CPU before {idle}, after {after}")
    assert max(after[pid] - idle[pid] for pid in idle) < CPU_MOST, after
    assert settled(instance)
