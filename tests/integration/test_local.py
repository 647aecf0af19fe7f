# SPDX-License-Identifier: ISC
"""This host's own sockets: captured, and safe to capture over a session."""

import contextlib
import os
import pathlib
import signal
import socket
import time

import pytest

from conftest import CLOSE, ECHO, FORWARDED, LOCAL, configuration, outside_of
from rig import proc, servers, snapshot, traffic
from rig.sniffer import Sniffer

LEASE_S = 1.0
GRACE_S = 0.5
SESSION = 2200
PORTS = range(20000, 20200)  # of sockets that a test wants to know again
USER = 12345


@pytest.fixture(params=["closed", "open"])
def mode(request):
    return request.param


@pytest.fixture
def seen(net):
    """What reaches the server from the gateway's own addresses."""
    with Sniffer(net.server, net.OUTSIDE4, net.OUTSIDE6) as sniffing:
        yield sniffing


def ports(server, since=0.0):
    """The ports from which the server was asked."""
    return {visit.port for visit in list(server.visits) if visit.time >= since}


def bound(net, address, port, device=None):
    """A socket of the gateway that is known by its port."""
    sock = net.gateway.socket(
        socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.settimeout(3)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if device:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE,
                        device.encode())
    sock.bind((outside_of(net, address), port))
    return sock


def direct(seen, since=0.0):
    """Packets of sockets with the ports that only tests use."""
    return [packet for packet in seen.direct(since) if packet.sport in PORTS]


@contextlib.contextmanager
def session(net, address):
    """A connection from the client to a server on the gateway; both ends."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = net.gateway.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("::" if ":" in address else "", SESSION))
    listener.listen()
    gateway = net.GATEWAY6 if ":" in address else net.GATEWAY4
    with listener, traffic.connect(net.client, gateway, SESSION) as there:
        here, _ = listener.accept()
        here.settimeout(5)
        with here:
            yield here, there


def talks(one, other, word=b"are you there"):
    one.sendall(word)
    return servers.read_exactly(other, len(word)) == word


@pytest.mark.smoke
def test_own_connection_is_relayed_and_leaves_its_row(
        net, server, tpx, address, mode):
    instance = tpx(capture=LOCAL, mode=mode)
    with bound(net, address, 20000) as sock:
        sock.connect((address, ECHO))
        assert traffic.echoes(sock)
    row, = instance.rows(1)
    expected = {"action": "relay", "capture": "local", "dst": address,
                "src": outside_of(net, address), "sport": 20000,
                "dport": ECHO, "close": "client-fin", "uid": 0}
    assert {key: row[key] for key in expected} == expected
    assert server[ECHO].addresses() == {outside_of(net, address)}
    assert 20000 not in ports(server[ECHO])
    proc.wait_until(lambda: instance.unaccounted() == 0, 5, "the accounts")


def test_own_connection_is_blocked_by_a_rule(net, server, tpx, address):
    instance = tpx("default block", capture=LOCAL)
    assert traffic.outcome(net.gateway, address, ECHO) == "reset"
    row, = instance.rows(1)
    assert (row["action"], row["capture"]) == ("block", "local")
    assert row["uid"] == 0
    assert not server[ECHO].visits


def test_own_connection_that_passes_goes_direct_and_is_logged(
        net, server, tpx, address):
    instance = tpx("default pass", capture=LOCAL)
    with bound(net, address, 20000) as sock:
        sock.connect((address, ECHO))
        assert traffic.echoes(sock)
    assert ports(server[ECHO]) == {20000}
    row = instance.passed_row()
    assert (row["action"], row["capture"], row["uid"]) == ("pass", "local", 0)


def as_user(net, uid, address, port):
    """Whether a process of that uid is served."""
    program = ("import socket\n"
               f"sock = socket.create_connection(('{address}', {port}), 3)\n"
               "sock.sendall(b'hello'); sock.shutdown(socket.SHUT_WR)\n"
               "print(len(sock.recv(100)))\n")
    done = net.gateway.run(
        "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
        "/usr/bin/python3", "-c", program, check=False)
    return done.returncode == 0 and done.stdout.strip() != "0"


def test_only_the_chosen_users_are_captured(net, server, tpx, address):
    instance = tpx("default block",
                   capture=f"{LOCAL} user {{ nobody {USER}-{USER + 9} }}")
    assert as_user(net, USER + 10, address, ECHO)
    assert as_user(net, 0, address, ECHO)
    assert not as_user(net, USER + 9, address, ECHO)
    assert not as_user(net, 65534, address, ECHO)
    rows = instance.rows(2)
    assert {row["capture"] for row in rows} == {"local"}
    assert [row["uid"] for row in rows] == [USER + 9, 65534]
    os.kill(instance.tpxd.pid, signal.SIGKILL)
    proc.wait_until(lambda: not as_user(net, USER, address, ECHO), LEASE_S + 2,
                    "the user is closed off")
    assert as_user(net, USER + 10, address, ECHO)


def test_both_captures_go_together(net, server, tpx, address, mode):
    instance = tpx(capture=f"{FORWARDED}\n{LOCAL}", mode=mode)
    for namespace in (net.client, net.gateway):
        for _ in range(20):
            assert traffic.outcome(namespace, address, ECHO) == "served"
    assert server[ECHO].addresses() == {outside_of(net, address)}
    rows = instance.rows(40)
    assert [row["capture"] for row in rows].count("local") == 20


def test_nothing_waits_for_what_relays_end_last(net, server, tpx, address):
    """Resets and last acknowledgements of relays' sockets get out, too."""
    instance = tpx(capture=f"{FORWARDED}\n{LOCAL}")
    for namespace in (net.client, net.gateway):
        sock = traffic.connect(namespace, address, ECHO)
        assert traffic.echoes(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1" + bytes(7))
        sock.close()
    assert {row["close"] for row in instance.rows(2)} == {"client-rst"}
    proc.wait_until(lambda: server[ECHO].served(2), 5, "the server to hear")


def test_sessions_go_on_when_capture_is_turned_on(
        net, server, tpx, address, mode):
    """From the first packet, whichever side sends it, and after the end."""
    with session(net, address) as (here, there), \
            traffic.connect(net.gateway, address, ECHO) as out:
        assert talks(there, here) and traffic.echoes(out)
        instance = tpx(capture=LOCAL, mode=mode, lease=f"{LEASE_S:.0f}s")
        assert talks(here, there)
        assert talks(there, here)
        assert traffic.echoes(out)
        os.kill(instance.tpxd.pid, signal.SIGKILL)
        ended = time.monotonic()
        proc.wait_until(lambda: time.monotonic() > ended + LEASE_S + GRACE_S)
        assert talks(here, there)
        assert traffic.echoes(out)


@contextlib.contextmanager
def outgoing(net, address):
    """A connection from the gateway to a server; both ends."""
    with net.server.socket(socket.AF_INET6 if ":" in address
                           else socket.AF_INET) as listener:
        listener.bind(("", SESSION))
        listener.listen()
        with traffic.connect(net.gateway, address, SESSION) as here:
            there, _ = listener.accept()
            there.settimeout(5)
            with there:
                yield here, there


def test_half_a_session_goes_on_that_the_server_has_ended(
        net, tpx, address, mode):
    """This host says more, long after it has heard everything."""
    with outgoing(net, address) as (here, there):
        there.shutdown(socket.SHUT_WR)
        assert here.recv(1) == b""
        instance = tpx(capture=LOCAL, mode=mode, lease=f"{LEASE_S:.0f}s")
        assert talks(here, there)
        os.kill(instance.tpxd.pid, signal.SIGKILL)
        proc.wait_until(lambda: not instance.by_role()["netctl"], 5)
        assert talks(here, there)


def test_half_a_session_goes_on_that_this_host_has_ended(
        net, tpx, address, mode):
    """A download whose request is complete; it asks who is silent."""
    with outgoing(net, address) as (here, there):
        here.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL,
                       socket.TCP_KEEPCNT):
            here.setsockopt(socket.IPPROTO_TCP, option, 1)
        here.shutdown(socket.SHUT_WR)
        assert there.recv(1) == b""
        tpx(capture=LOCAL, mode=mode)
        asked = time.monotonic()  # after 1 s; it ends 1 s after no answer
        proc.wait_until(lambda: time.monotonic() > asked + 3)
        assert talks(there, here)


def test_what_a_program_has_closed_leaves_nothing_behind(net, tpx, address):
    with outgoing(net, address) as (here, there):
        port = here.getsockname()[1]
        here.close()
        assert there.recv(1) == b""
        tpx(capture=LOCAL)
        with net.gateway.inside():
            entries = pathlib.Path(
                "/proc/thread-self/net/nf_conntrack").read_text()
        assert f"sport={port} " not in entries


def test_udp_of_before_is_decided_anew(net, server, tpx, address):
    with net.gateway.socket(socket.AF_INET6 if ":" in address
                            else socket.AF_INET, socket.SOCK_DGRAM) as sock, \
            servers.UdpServer(net.server, ECHO):
        sock.settimeout(5)
        sock.connect((address, ECHO))
        sock.send(b"before")
        assert sock.recv(10) == b"before"
        instance = tpx("default block", capture=LOCAL)
        with pytest.raises(OSError):
            sock.send(b"after")
            sock.recv(10)
        row, = instance.rows(1)
        assert (row["action"], row["capture"]) == ("block", "local")


def test_a_trial_that_locks_out_nobody_returns_by_itself(
        net, server, tpx, address):
    instance = tpx("default block")
    trial = instance.home / "trial.conf"
    instance.configure(configuration("default block", capture=LOCAL), trial)
    with session(net, address) as (here, there), \
            traffic.connect(net.gateway, address, ECHO) as out:
        instance.ctl("apply", "-f", trial, "--confirm", "1")
        assert traffic.outcome(net.gateway, address, ECHO) == "reset"
        assert talks(here, there) and traffic.echoes(out)
        proc.wait_until(lambda: traffic.outcome(
            net.gateway, address, ECHO) == "served", 5, "it returns")
        assert talks(here, there) and traffic.echoes(out)


def test_a_socket_bound_to_a_device_never_goes_direct(
        net, server, tpx, seen, address, mode):
    tpx(capture=LOCAL, mode=mode)
    with bound(net, address, 20000, net.SERVER_IF) as sock:
        with pytest.raises(OSError):
            sock.connect((address, ECHO))
    assert direct(seen) == []


def test_loopback_multicast_and_broadcast_are_left_alone(net, server, tpx):
    tpx("default block", capture=LOCAL)
    with servers.Server(net.gateway, 90, servers.echo):
        for address in ("127.0.0.1", "::1", net.GATEWAY4, net.OUTSIDE6):
            assert traffic.outcome(net.gateway, address, 90) == "served"
    listener = net.server.socket(kind=socket.SOCK_DGRAM)
    listener.bind(("", 91))
    listener.settimeout(5)
    sender = net.gateway.socket(kind=socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    with listener, sender:
        for target in ("10.74.2.255", "255.255.255.255"):
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE,
                              net.SERVER_IF.encode())
            sender.sendto(b"all", (target, 91))
            assert listener.recv(100) == b"all"


def test_a_renewed_dhcp_lease_is_not_blocked(net, tpx):
    tpx("default block", capture=LOCAL)
    server = net.server.socket(kind=socket.SOCK_DGRAM)
    client = net.gateway.socket(kind=socket.SOCK_DGRAM)
    other = net.gateway.socket(kind=socket.SOCK_DGRAM)
    with server, client, other:
        server.bind(("", 67))
        server.settimeout(3)
        client.bind((net.OUTSIDE4, 68))
        with pytest.raises(PermissionError):
            other.sendto(b"other", (net.SERVER4, 67))
        client.sendto(b"renew", (net.SERVER4, 67))
        assert server.recv(100) == b"renew"


def test_a_connection_to_the_listener_itself_is_refused(net, server, tpx):
    instance = tpx(capture=LOCAL)
    listed = net.gateway.run("ss", "-Hltn").stdout
    own = {line.split()[3].rpartition(":") for line in listed.splitlines()
           if line.split()[3].startswith(("127.0.0.1:", "[::1]:"))}
    assert len(own) == 4
    for address, _, port in own:
        assert traffic.outcome(net.gateway, address.strip("[]"),
                               int(port)) in ("reset", "closed")
    assert instance.status()["flows"]["accepted"] == 0


def stop(instance, role):
    roles = instance.by_role()
    proc.kill([pid for name in role for pid in roles[name]], signal.SIGSTOP)


def test_closed_holds_when_the_rules_are_flushed_and_netctl_is_stopped(
        net, server, seen, tpx, address):
    instance = tpx(capture=LOCAL, lease=f"{LEASE_S:.0f}s")
    with session(net, address) as (here, there), traffic.Hammer(
            net.gateway, [net.SERVER4, net.SERVER6], CLOSE, PORTS):
        stop(instance, ["keeper", "netctl"])
        instance.wait_state("closed", timeout_s=LEASE_S + 2)
        net.gateway.run("nft", "flush", "ruleset")
        assert "inet tpx_guard" not in snapshot.tables(
            snapshot.take(net.gateway))
        flushed = time.monotonic()
        proc.stays(lambda: not ports(server[CLOSE], flushed), 1, "closed")
        assert talks(here, there)
    assert direct(seen) == []
