# SPDX-License-Identifier: ISC
"""source client: servers see the client's address."""

import contextlib
import pathlib
import re
import socket

import pytest

from conftest import DIGEST, ECHO, FORWARDED, LOCAL, client_of, outside_of
from rig import proc, traffic

RULES = "relay proto tcp to any source client"
IPV6_TRANSPARENT = 75


def row_of(instance, port):
    row, = instance.rows(1, f"sport = {port}")
    return row


def visitors(server, since=0):
    return [(visit.address, visit.port) for visit in server.visits[since:]]


def test_server_sees_address_and_port_of_the_client(
        net, server, tpx, sniffer, address):
    instance = tpx(RULES)
    with traffic.connect(net.client, address, ECHO) as sock:
        assert traffic.echoes(sock)
        source = sock.getsockname()[:2]
        assert visitors(server[ECHO]) == [source]
    row = row_of(instance, source[1])
    assert (row["action"], row["source"], row["rule"], row["close"]) == \
        ("relay", "client", RULES, "client-fin")
    # nobody but the relay has spoken to the server
    assert row["up_packets"] > 0
    assert instance.status()["flows"]["relayed"] == 1


def test_much_goes_through_both_ways(net, server, tpx, address):
    instance = tpx(RULES)
    done = net.client.run("/usr/bin/python3", "-c", UPLOAD, address, DIGEST)
    assert done.stdout.strip() == "same"
    row, = instance.rows(1)
    assert (row["source"], row["up_bytes"]) == ("client", 8 << 20)


UPLOAD = """
import hashlib, socket, sys
data = bytes(range(256)) * 4096 * 8
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) as sock:
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    got = b"".join(iter(lambda: sock.recv(65536), b""))
print("same" if hashlib.sha256(data).hexdigest().encode() in got
      else "another")
"""


@contextlib.contextmanager
def held(net, address, port):
    """A socket of the gateway with an address and port of the client."""
    v6 = ":" in address
    family = socket.AF_INET6 if v6 else socket.AF_INET
    with net.gateway.socket(family) as sock:
        if v6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
        else:
            sock.setsockopt(socket.SOL_IP, socket.IP_TRANSPARENT, 1)
        sock.bind((client_of(net, address), port))
        yield


def test_port_that_is_taken_leads_to_another_one(net, server, tpx, address):
    instance = tpx(RULES)
    port = 23456
    with held(net, address, port), net.client.socket(
            socket.AF_INET6 if ":" in address else socket.AF_INET) as sock:
        sock.settimeout(5)
        sock.bind((client_of(net, address), port))
        sock.connect((address, ECHO))
        assert traffic.echoes(sock)
        (seen, other), = visitors(server[ECHO])
        assert seen == client_of(net, address)
        assert other != port
    assert row_of(instance, port)["source"] == "client-address"


def test_this_host_has_its_own_address_anyway(net, server, tpx, address):
    """Its port is taken, by the client itself."""
    instance = tpx(RULES, capture=f"{FORWARDED}\n{LOCAL}")
    with traffic.connect(net.gateway, address, ECHO) as sock:
        assert traffic.echoes(sock)
        port = sock.getsockname()[1]
        (seen, other), = visitors(server[ECHO])
        assert seen == outside_of(net, address)
        assert other != port
    assert row_of(instance, port)["source"] == "client-address"


def test_same_port_to_many_servers(net, server, tpx, address):
    """A client may use its port once for each of them."""
    tpx(RULES)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    ports = [ECHO, DIGEST, 80, 81]
    with contextlib.ExitStack() as stack:
        for port in ports:
            sock = stack.enter_context(net.client.socket(family))
            sock.settimeout(5)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((client_of(net, address), 23456))
            sock.connect((address, port))
        for port in ports:
            proc.wait_until(lambda p=port: visitors(server[p]) == [
                (client_of(net, address), 23456)], 5, f"port {port}")


def test_flows_go_on_with_another_netctl(net, server, tpx, address):
    instance = tpx(RULES)
    with traffic.connect(net.client, address, ECHO) as before:
        assert traffic.echoes(before)
        old = instance.by_role()["netctl"]
        proc.kill(old)
        instance.wait_replaced("netctl", old, 5)
        proc.wait_until(lambda: instance.status()["state"] == "armed", 5)

        def seen_as_client():
            since = len(server[ECHO].visits)
            with traffic.connect(net.client, address, ECHO) as sock:
                assert traffic.echoes(sock)
                return visitors(server[ECHO], since) == \
                    [sock.getsockname()[:2]]
        proc.wait_until(seen_as_client, 5, "the client's address again")
        assert traffic.echoes(before)


def test_refused_server_is_refused(net, server, tpx, address):
    instance = tpx(RULES)
    with pytest.raises((ConnectionResetError, ConnectionRefusedError)):
        with traffic.connect(net.client, address, 4) as sock:
            sock.recv(1)
    row, = instance.rows(1)
    assert (row["close"], row["source"]) == ("refused", "client")


def test_relays_hold_no_capability_meanwhile(net, server, tpx):
    instance = tpx(RULES)
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            sock = stack.enter_context(
                traffic.connect(net.client, net.SERVER4, ECHO))
            assert traffic.echoes(sock)
        for pid in instance.by_role()["relay"]:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            sets = re.findall(r"^Cap\w+:\s+(\w+)$", status, re.M)
            assert len(sets) == 5
            # the bounding set is no use without the others, and set-uid
            # programs cannot be executed
            assert {value for name, value in re.findall(
                r"^Cap(\w+):\s+(\w+)$", status, re.M) if name != "Bnd"} == \
                {"0" * 16}
