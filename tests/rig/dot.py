# SPDX-License-Identifier: ISC
"""Resolvers of a test that speak DNS over TLS, and who certifies them.

    authority = dot.Authority(home)
    with dot.Server(net.server, authority, "dns.test") as server:
        ...
    with servers.Server(net.server, 853, dot.answering(
            authority, "dns.test", upstreams.in_capitals)) as server:
        server.heard  # the questions
"""

import asyncio
import contextlib
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading

import dns.message

from . import names, proc, servers

DATA = f"""\
  local-zone: "{names.ZONE_NAME}." static
  local-data: "www.{names.ZONE_NAME}. 300 IN A {names.ADDRESS4}"
  local-data: "short.{names.ZONE_NAME}. 1 IN A {names.ADDRESS4}"
  local-zone: "{names.FRESH}." redirect
  local-data: "{names.FRESH}. 300 IN A {names.ADDRESS4}"
""" + "".join(f'  local-data: "host{number}.{names.ZONE_NAME}. 300 IN A '
              f'{names.ADDRESS4}"\n' for number in range(50))


def _stub(port):
    return f"""\
  do-not-query-localhost: no
stub-zone:
  name: {names.ZONE_NAME}
  stub-addr: 127.0.0.1@{port}
"""


def _validator(anchor):
    return f"""\
  module-config: "validator iterator"
  trust-anchor-file: "{anchor}"
"""


def _openssl(*words, cwd):
    subprocess.run(["openssl", *words], cwd=cwd, check=True,
                   capture_output=True)


class Authority:
    """Keys, and a certificate for any name.  path is that of its own."""

    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.path = self.home / "authority.pem"
        self._certify("authority", "/CN=Authority of a test",
                      "-addext", "basicConstraints=critical,CA:TRUE")

    def _certify(self, file, subject, *words):
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                 subject, "-keyout", f"{file}.key", "-out", f"{file}.pem",
                 *words, cwd=self.home)

    def issue(self, name):
        """A certificate for that name; the stem of .key and .pem."""
        _openssl("req", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server",
                 "-keyout", f"{name}.key", "-out", f"{name}.csr",
                 cwd=self.home)
        (self.home / f"{name}.ext").write_text(f"subjectAltName=DNS:{name}\n")
        _openssl("x509", "-req", "-in", f"{name}.csr", "-CA",
                 "authority.pem", "-CAkey", "authority.key",
                 "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext",
                 "-out", f"{name}.pem", cwd=self.home)
        return self.home / name


def answering(authority, name, behaviour):
    """For a server of rig.servers: by TLS, what one of rig.upstreams says."""
    stem = authority.issue(name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{stem}.pem", f"{stem}.key")

    def serve(server, connection):
        with context.wrap_socket(connection, server_side=True) as stream:
            while True:
                count, = struct.unpack("!H", servers.read_exactly(stream, 2))
                query = dns.message.from_wire(
                    servers.read_exactly(stream, count))
                server.heard.append(query)
                for reply in behaviour(query):
                    stream.sendall(struct.pack("!H", len(reply.wire))
                                   + reply.wire)
    return serve


class Server:
    """unbound, with the names of DATA, by TLS alone.  A context.

    stub_port: it asks the server at that port of this host for the zone; 0: it
    has the names of DATA.  anchor: it validates with that file.
    """

    def __init__(self, namespace, authority, name, port=853, stub_port=0,
                 anchor=None):
        self._home = pathlib.Path(tempfile.mkdtemp(prefix="tpx-dot-"))
        stem = authority.issue(name)
        (self._home / "conf").write_text(f"""\
server:
  interface: 0.0.0.0@{port}
  interface: ::0@{port}
  tls-port: {port}
  tls-service-key: "{stem}.key"
  tls-service-pem: "{stem}.pem"
  access-control: 0.0.0.0/0 allow
  access-control: ::0/0 allow
  username: ""
  chroot: ""
  directory: "{self._home}"
  pidfile: ""
  use-syslog: no
  do-daemonize: no
{_validator(anchor) if anchor else '  module-config: "iterator"'}
{_stub(stub_port) if stub_port else DATA}
remote-control:
  control-enable: no
""")
        try:
            self.process = namespace.spawn("unbound", "-d", "-c",
                                           self._home / "conf")

            def listens():
                with namespace.socket(socket.AF_INET,
                                      socket.SOCK_STREAM) as sock:
                    sock.connect(("127.0.0.1", port))
                return True
            proc.wait_until(listens, 10, "unbound listens")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        with contextlib.suppress(AttributeError):
            self.process.stop()
        shutil.rmtree(self._home, ignore_errors=True)


class Speaker:
    """Says by TLS what behaviour(wire) does; None: nothing.  A context.

    Many questions of one connection may wait at a time, and others overtake
    them.
    """

    def __init__(self, namespace, authority, name, behaviour, port=853):
        stem = authority.issue(name)
        self._behaviour = behaviour
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(f"{stem}.pem", f"{stem}.key")
        self._sock = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sock.bind(("0.0.0.0", port))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._loop.run_until_complete(asyncio.start_server(
            self._serve, sock=self._sock, ssl=self._context))
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()
        self._sock.close()

    def _run(self):
        self._loop.run_forever()

    async def _serve(self, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                size, = struct.unpack("!H", await reader.readexactly(2))
                answer = self._behaviour(await reader.readexactly(size))
                if answer is not None:
                    writer.write(struct.pack("!H", len(answer)) + answer)
        writer.close()
