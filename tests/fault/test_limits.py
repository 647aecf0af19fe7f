# SPDX-License-Identifier: ISC
"""A relay that can hold no more flows waits; it is not stuck."""

import resource

import pytest

from conftest import ECHO
from rig import proc, traffic

LEASE_S = 1.0
WAITING = 3
# of the descriptors that a test itself needs: two a flow, and some
TEST_FDS = 4096


@pytest.fixture
def many_descriptors():
    """The test holds both ends of many flows."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE,
                       (max(before[0], min(TEST_FDS, before[1])), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def served(sock, timeout_s):
    """Is there an answer within this time?"""
    sock.settimeout(timeout_s)
    try:
        return traffic.echoes(sock)
    except TimeoutError:
        return False


def fill(namespace, address, most):
    """Open flows until one is not served; those, and that one."""
    flows = []
    while len(flows) < most:
        sock = traffic.connect(namespace, address, ECHO)
        if not served(sock, 0.3):
            return flows, sock
        flows.append(sock)
    raise AssertionError(f"{most} flows and no end")


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_full_relay_is_kept_and_its_clients_wait(
        net, server, tpx, many_descriptors, address, mode):
    limit = 400
    instance = tpx(mode=mode, workers=1, lease=f"{LEASE_S:.0f}s",
                   prefix=("prlimit", f"--nofile={limit}:{limit}"))
    before = instance.by_role()
    flows, first = fill(net.client, address, limit)
    waiting = [first]
    waiting += [traffic.connect(net.client, address, ECHO)
                for _ in range(WAITING - 1)]
    proc.stays(lambda: instance.by_role() == before, 2 * LEASE_S,
               "every process")
    assert instance.status()["flows"]["open"] == len(flows)
    assert all(served(sock, 5) for sock in flows)
    for sock in flows[:WAITING]:
        sock.close()
    # the first has asked already
    first.settimeout(5)
    assert first.recv(1) == b"s"
    assert all(served(sock, 5) for sock in waiting[1:] + flows[WAITING:])
    assert instance.by_role() == before
    for sock in waiting + flows:
        sock.close()
    instance.wait_state("armed")
    instance.rows(len(flows) + WAITING)
    assert instance.unaccounted() == 0


def test_soft_limit_of_descriptors_is_raised(
        net, server, tpx, many_descriptors):
    instance = tpx(workers=1, prefix=("prlimit", "--nofile=300:4096"))
    flows = [traffic.connect(net.client, net.SERVER4, ECHO)
             for _ in range(420)]
    assert all(served(sock, 5) for sock in flows)
    assert instance.status()["flows"]["open"] == len(flows)
    for sock in flows:
        sock.close()
