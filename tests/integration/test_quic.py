# SPDX-License-Identifier: ISC
"""QUIC through a relay, by a real client and server: whole, and with a name."""

import contextlib
import hashlib
import socket
import subprocess

import pytest

from rig import proc
from rig.hosts import Hosts
from rig.servers import BODY, UdpServer

NAME = "quic.example.org"
PORT, OTHER = 4433, 4434
BYTES = 100_000
DATAGRAM = 1200
# its key share alone has 1024 bytes, so the hello takes two datagrams
LONG_HELLO = "--groups=-GROUP-ALL:+GROUP-X25519:+GROUP-FFDHE8192"


@pytest.fixture
def quic(net, tmp_path, address):
    """A server of HTTP/3 with one file."""
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "file").write_bytes(BODY.bytes[:BYTES])
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         f"/CN={NAME}", "-keyout", tmp_path / "key", "-out",
         tmp_path / "cert"], check=True, capture_output=True)
    with net.server.spawn("gtlsserver", "-q", "-d", pages, address, PORT,
                          tmp_path / "key", tmp_path / "cert") as process:
        proc.wait_until(lambda: listens(net.server), what=f"{process} listens")
        yield tmp_path


def listens(namespace):
    return f":{PORT} " in namespace.run("ss", "-Huln").stdout


def fetch(net, folder, address, *options):
    """The digest of the file as the client got it."""
    got = folder / "got"
    got.mkdir()
    # it says a name that it has resolved, and no other
    client = Hosts(net.client, folder / "hosts", {NAME: address})
    client.run(
        "timeout", "50", "gtlsclient", "-q", "--download", got,
        "--exit-on-all-streams-close", *options, NAME, PORT,
        f"https://{NAME}:{PORT}/file")
    return hashlib.sha256((got / "file").read_bytes()).hexdigest()


@pytest.mark.smoke
@pytest.mark.parametrize("address, options", [(4, []), (6, [LONG_HELLO])],
                         ids=["v4-one-datagram", "v6-two-datagrams"],
                         indirect=["address"])
def test_file_comes_whole_and_the_row_names_the_host(
        net, tpx, quic, sniffer, address, options):
    instance = tpx("relay proto udp to any idle 1s")
    assert fetch(net, quic, address, *options) == BODY.sha256(BYTES)
    row, = instance.rows(1, "proto = 'udp'")
    assert (row["host"], row["host_source"]) == (NAME, "quic")
    assert (row["dst"], row["dport"]) == (address, PORT)
    assert row["down_bytes"] > BYTES
    assert sniffer.direct() == []


def test_what_only_looks_like_quic_passes_and_has_no_name(net, tpx):
    instance = tpx("relay proto udp to any idle 1s")
    initial = b"\xc3\0\0\0\1\x08" + bytes(8) + b"\0\0\x44\x9e"
    sent = [initial + BODY.bytes[:DATAGRAM - len(initial)],
            initial[:DATAGRAM], b"\xff" * DATAGRAM,
            BODY.bytes[:DATAGRAM]]
    with UdpServer(net.server, OTHER), contextlib.ExitStack() as stack:
        for data in sent:
            sock = stack.enter_context(net.client.socket(
                socket.AF_INET, socket.SOCK_DGRAM))
            sock.settimeout(5)
            sock.connect((net.SERVER4, OTHER))
            for _ in range(20):
                sock.send(data)
                assert sock.recv(65535) == data
        rows = instance.rows(len(sent))
    assert {(row["host"], row["host_source"]) for row in rows} == {(None, None)}
    assert {row["up_packets"] for row in rows} == {20}
