# SPDX-License-Identifier: ISC
"""A relay that can hold no more flows waits; it is not stuck."""

import itertools
import os
import resource
import signal
import socket

import pytest

from conftest import ECHO, client_of
from rig import names, proc, servers, traffic

pytestmark = pytest.mark.alone

LEASE_S = 1.0
WAITING = 3
# of the descriptors that a test itself needs: two a flow, and some
TEST_FDS = 4096
UDP_PORT = 5420
NAME = "www.example.net"
CPU = 0.1  # most of a core while nothing can be had


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


def overloads(instance):
    return [row["message"] for row in instance.sql(
        "SELECT message FROM events WHERE kind = 'overload' ORDER BY id")]


def open_fds(pid):
    return set(map(int, os.listdir(f"/proc/{pid}/fd")))


@pytest.mark.long
def test_shortage_that_is_over_within_a_lease_leaves_it_armed(
        net, server, tpx, many_descriptors):
    lease_s, lasts_s, limit = 9, 5, 300
    instance = tpx(mode="open", workers=1, lease=f"{lease_s}s",
                   prefix=("prlimit", f"--nofile={limit}:{limit}"))
    flows, first = fill(net.client, net.SERVER4, limit)
    proc.stays(instance.tpxd.running, lasts_s, "tpxd")
    assert alarms(instance, "no room")
    for sock in flows:
        sock.close()
    first.settimeout(5)
    assert first.recv(1) == b"s"
    proc.stays(lambda: instance.status()["state"] == "armed", lease_s, "armed")
    first.close()
    instance.rows(len(flows) + 1)
    assert overloads(instance) == ["has no room for more flows",
                                   "has room again"]
    assert [row["message"] for row in instance.sql(
        "SELECT message FROM events WHERE kind = 'state'")] == [
            "starting to armed: every worker works"]


def leave_room(pid, count):
    """Let a process have so many descriptors more."""
    held = open_fds(pid)
    free = (fd for fd in itertools.count() if fd not in held)
    proc.limit(pid, f"--nofile={next(itertools.islice(free, count, None))}:")


def hold(namespace, address, count):
    """Flows that are relayed."""
    flows = [traffic.connect(namespace, address, ECHO) for _ in range(count)]
    assert all(served(sock, 5) for sock in flows)
    return flows


def alarms(instance, word):
    return [alarm for alarm in instance.status()["alarms"] if word in alarm]


def close_all(socks):
    for sock in socks:
        sock.close()


@pytest.mark.parametrize("spare", [0, 1], ids=["accept", "server socket"])
@pytest.mark.parametrize("mode", ["open", "closed"])
def test_relay_without_descriptors_follows_on_failure(
        net, server, tpx, sniffer, mode, spare):
    """Its limit sinks while it runs, so that the first call to fail is that
    for a client's socket, or the one for a server's."""
    address = net.SERVER4 if spare else net.SERVER6
    instance = tpx(mode=mode, workers=1, lease=f"{LEASE_S:.0f}s")
    instance.wait_running()
    before = instance.by_role()
    relay, = before["relay"]
    flows = hold(net.client, address, 20)
    leave_room(relay, spare)
    if spare:
        assert traffic.outcome(net.client, address, ECHO) == "reset"
    waiting = [traffic.connect(net.client, address, ECHO)
               for _ in range(WAITING)]
    busy = proc.cpu_s(relay)
    proc.wait_until(lambda: alarms(instance, "no descriptors"), 3, "the alarm")
    if mode == "open":
        instance.wait_state("open", timeout_s=3)
        with traffic.connect(net.client, address, ECHO) as direct:
            assert served(direct, 5)
            assert client_of(net, address) in server[ECHO].addresses()
    # a reload needs a descriptor, too, and so does a new flow log
    instance.ctl("reload")
    proc.kill(before["flowlog"])
    instance.wait_replaced("flowlog", before["flowlog"], 5)
    proc.stays(lambda: instance.by_role()["relay"] == [relay], 2 * LEASE_S,
               "the relay")
    assert proc.cpu_s(relay) - busy < 0.1 * 2 * LEASE_S
    assert all(served(sock, 5) for sock in flows), "a relayed flow was cut"
    close_all(flows)
    assert all(served(sock, 5) for sock in waiting)
    instance.wait_state("armed")
    proc.wait_until(lambda: overloads(instance) == [
        "has no descriptors for more flows", "has room again"],
        what="both rows")
    close_all(waiting)
    rows = instance.rows(len(flows) + len(waiting) + spare)
    assert [row["error"] for row in rows if row["close"] == "overload"] == [
        "EMFILE"] * spare
    assert instance.by_role()["relay"] == [relay]
    assert instance.unaccounted() == 0
    if mode == "closed":
        assert sniffer.direct() == []


def is_served(sock):
    """Is it, or has it been reset?"""
    try:
        return served(sock, 5)
    except (ConnectionResetError, BrokenPipeError, EOFError):
        sock.close()
        return False


@pytest.mark.parametrize("room", [0, 1])
def test_sockets_of_netctl_without_room_are_the_loss_of_their_flows(
        net, server, tpx, address, room):
    """They come by messages, which the kernel delivers without them then."""
    instance = tpx("relay proto tcp to any source client", workers=1,
                   lease="30s")
    instance.wait_running()
    before = instance.by_role()
    relay, = before["relay"]
    flows = hold(net.client, address, 20)
    held = len(open_fds(relay))
    # whose questions would have the relay see what it lacks
    with proc.stopped(before["tpxd"]):
        with proc.stopped(before["netctl"]):
            more = [traffic.connect(net.client, address, ECHO)
                    for _ in range(WAITING)]
            proc.wait_until(lambda: len(open_fds(relay)) == held + WAITING,
                            what="all are accepted")
            leave_room(relay, room)
        more = list(filter(is_served, more))
        lost = WAITING - len(more)
        # the first one's loss may be the next one's room
        assert lost
        proc.limit(relay, "--nofile=1024:")
    # netctl is still heard
    flows += more + hold(net.client, address, 1)
    # and nobody has got another one's
    assert {visit[1:] for visit in server[ECHO].visits} == {
        sock.getsockname()[:2] for sock in flows}
    assert [(row["close"], row["error"]) for row in instance.rows(lost)] == [
        ("overload", "EMFILE")] * lost
    assert instance.by_role() == before
    close_all(flows)
    instance.rows(lost + len(flows))
    assert instance.unaccounted() == 0


def test_way_back_to_a_client_of_udp_without_room_is_the_loss_of_its_flow(
        net, server, tpx, address):
    """Answers have the server's address, and netctl makes a socket for it."""
    instance = tpx(workers=1, lease="30s")
    instance.wait_running()
    before = instance.by_role()
    relay, = before["relay"]
    flows = hold(net.client, address, 20)
    with servers.UdpServer(net.server, UDP_PORT) as echo, net.client.socket(
            flows[0].family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((address, UDP_PORT))
        with proc.stopped(before["tpxd"]):
            leave_room(relay, 1)
            sock.send(b"lost")
            row, = instance.rows(1)
            assert (row["close"], row["error"]) == ("overload", "EMFILE")
            # it was the answer that found no way
            assert len(echo.visits) == 1
            proc.limit(relay, "--nofile=1024:")
        sock.send(b"answered")
        assert sock.recv(100) == b"answered"
        assert all(served(flow, 5) for flow in flows)
        assert instance.by_role() == before
    close_all(flows)


def ask_by_tcp(namespace, address):
    """A question on its way; the socket, and its size is in front of it."""
    sock = traffic.connect(namespace, address, names.PORT)
    wire = names.question(NAME).to_wire()
    sock.sendall(len(wire).to_bytes(2, "big") + wire)
    return sock


@pytest.mark.long
def test_dnsd_without_descriptors_lets_the_idle_go_or_waits(
        net, tpx, address):
    instance = tpx(f"dns forward {net.SERVER4}\ndns validate no",
                   workers=1, lease="30s")
    dnsd, = instance.by_role()["dnsd"]
    with names.Server(net.server):
        assert names.texts(names.ask(net.client, address, NAME))
        # it has been given every channel
        base = proc.settled(lambda: len(open_fds(dnsd)), 0.3)
        before = instance.by_role()
        with traffic.connect(net.client, address, names.PORT) as idle:
            proc.wait_until(lambda: len(open_fds(dnsd)) > base, 5, "a client")
            leave_room(dnsd, 0)
            assert names.texts(names.ask(net.client, address, NAME, tcp=True))
            idle.settimeout(5)
            assert idle.recv(1) == b""
        proc.wait_until(lambda: len(open_fds(dnsd)) == base, 5, "none")
        leave_room(dnsd, 0)
        busy = proc.cpu_s(dnsd)
        with ask_by_tcp(net.client, address) as waiting:
            # who asks by datagrams is answered meanwhile
            proc.stays(lambda: names.texts(names.ask(
                net.client, address, NAME)), 0.5, "answers")
            assert proc.cpu_s(dnsd) - busy < 0.5 * CPU
            waiting.settimeout(0.01)
            with pytest.raises(TimeoutError):
                waiting.recv(1)
            proc.limit(dnsd, "--nofile=1024:")
            waiting.settimeout(5)
            assert servers.read_exactly(waiting, 2)
    assert instance.by_role() == before


def test_log_file_on_standard_error_kills_nobody(net, server, tpx):
    """A limit on the size of files would: write(2) then raises SIGXFSZ."""
    instance = tpx(workers=1, lease="1s")
    instance.wait_running()
    before = instance.by_role()
    relay, netctl = before["relay"][0], before["netctl"][0]
    for pid in (relay, netctl):
        assert os.path.isfile(f"/proc/{pid}/fd/2")
    flows = hold(net.client, net.SERVER4, 20)
    leave_room(relay, 0)
    with traffic.connect(net.client, net.SERVER4, ECHO):
        instance.tpxd.wait_output(r"tpx-relay\[0\]: accepting pauses")
    close_all(flows)
    proc.kill(before["tpxd"], signal.SIGSTOP)
    instance.tpxd.wait_output("tpx-netctl: heartbeats stopped")
    proc.kill(before["tpxd"], signal.SIGCONT)
    instance.wait_state("armed")
    assert instance.by_role() == before
