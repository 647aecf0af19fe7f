# SPDX-License-Identifier: ISC
"""Network namespaces: a client, a gateway and a server in a row.

    client  eth0 ─── client0  gateway  server0 ─── eth0  server
       .2   10.74.1.0/24   .1            .1   10.74.2.0/24   .2
      ::2   fd00:74:1::/64 ::1          ::1   fd00:74:2::/64 ::2

The gateway forwards both families and has no nftables rule.  The names of the
namespaces carry a random tag, so several runs may live side by side.

    with Topology() as net:
        net.server.spawn("nginx", ...)
        net.client.run("curl", f"http://{net.SERVER4}/")
"""

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess

from . import proc

RUN_TIMEOUT_S = 30


class Namespace:
    """One network namespace with its loopback interface up.

    delete() ends by pid whatever still runs in it.
    """

    def __init__(self, name):
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)
        try:
            self.ip("link", "set", "lo", "up")
            # addresses have to be usable at once
            self.sysctl("net.ipv6.conf.default.accept_dad", 0)
        except BaseException:
            self.delete()
            raise

    def delete(self):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        subprocess.run(["ip", "netns", "delete", self.name], check=True)

    def pids(self):
        """Processes whose network this is, without the caller."""
        listed = subprocess.run(["ip", "netns", "pids", self.name],
                                check=True, capture_output=True, text=True)
        return [int(pid) for pid in listed.stdout.split()
                if int(pid) != os.getpid()]

    def run(self, *argv, check=True, timeout=RUN_TIMEOUT_S, **options):
        """Run a command to its end; a CompletedProcess with text output."""
        words = ["ip", "netns", "exec", self.name, *map(str, argv)]
        done = subprocess.run(words, text=True, capture_output=True,
                              timeout=timeout, **options)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(words)}: status {done.returncode}\n"
                               f"{done.stdout}{done.stderr}")
        return done

    def spawn(self, *argv, **popen):
        """Start a command and return its proc.Process."""
        return proc.Process(*argv, netns=self.name, **popen)

    @contextlib.contextmanager
    def inside(self):
        """Move the calling thread in: sockets made meanwhile belong here."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            there = os.open(f"/run/netns/{self.name}",
                            os.O_RDONLY | os.O_CLOEXEC)
            try:
                _setns(there)
            finally:
                os.close(there)
            try:
                yield self
            finally:
                _setns(home)
        finally:
            os.close(home)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, proto=0):
        """A socket that lives in this namespace, for any thread to use."""
        with self.inside():
            return socket.socket(family, kind, proto)

    def ip(self, *words):
        """Output of one `ip` command."""
        words = ["ip", "-n", self.name, *map(str, words)]
        done = subprocess.run(words, text=True, capture_output=True,
                              timeout=RUN_TIMEOUT_S)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
        return done.stdout

    def nft(self, ruleset):
        """Load text as one nft transaction."""
        self.run("nft", "-f", "-", input=ruleset)

    def sysctl(self, key, value):
        self.run("sysctl", "-qw", f"{key}={value}")


def _setns(fd):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "setns")


class Topology:
    """client, gateway and server; a context that removes them at its end."""

    CLIENT4, CLIENT6 = "10.74.1.2", "fd00:74:1::2"
    SERVER4, SERVER6 = "10.74.2.2", "fd00:74:2::2"
    # the gateway's addresses, as seen from the client and from the server
    GATEWAY4, GATEWAY6 = "10.74.1.1", "fd00:74:1::1"
    OUTSIDE4, OUTSIDE6 = "10.74.2.1", "fd00:74:2::1"
    # the gateway's interfaces: the captured one and the one to the server
    CLIENT_IF, SERVER_IF = "client0", "server0"

    def __init__(self):
        self.tag = "tpx-" + secrets.token_hex(4)
        self._stack = contextlib.ExitStack()
        try:
            self.client = self._namespace("client")
            self.gateway = self._namespace("gateway")
            self.server = self._namespace("server")
            self.wire_client()
            self.wire(self.server, self.SERVER_IF, "10.74.2", "fd00:74:2:")
            self.gateway.sysctl("net.ipv4.ip_forward", 1)
            self.gateway.sysctl("net.ipv6.conf.all.forwarding", 1)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Remove all namespaces, also when removing one of them fails."""
        self._stack.close()

    def wire_client(self):
        """Also once more, when the captured interface was deleted."""
        self.wire(self.client, self.CLIENT_IF, "10.74.1", "fd00:74:1:")

    def _namespace(self, role):
        namespace = Namespace(f"{self.tag}-{role}")
        self._stack.callback(namespace.delete)
        return namespace

    def wire(self, host, interface, prefix4, prefix6):
        """Join host's eth0 to an interface of the gateway, both addressed."""
        self.gateway.ip("link", "add", interface, "type", "veth", "peer",
                        "name", "eth0", "netns", host.name)
        ends = ((self.gateway, interface, 1), (host, "eth0", 2))
        for namespace, name, number in ends:
            namespace.ip("address", "add", f"{prefix4}.{number}/24",
                         "dev", name)
            namespace.ip("address", "add", f"{prefix6}:{number}/64",
                         "dev", name, "nodad")
            namespace.ip("link", "set", name, "up")
        host.ip("route", "add", "default", "via", f"{prefix4}.1")
        host.ip("-6", "route", "add", "default", "via", f"{prefix6}:1")
