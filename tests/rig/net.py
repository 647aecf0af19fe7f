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
import fcntl
import os
import secrets
import signal
import socket
import struct
import subprocess

from . import proc

RUN_TIMEOUT_S = 30
# umount(2), netdevice(7)
MNT_DETACH = 2
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


class Namespace:
    """One network namespace with its loopback interface up.

    delete() ends by pid whatever still runs in it.
    """

    def __init__(self, name):
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)
        try:
            self._up("lo")
            # addresses have to be usable at once
            self.sysctl("net.ipv6.conf.default.accept_dad", 0)
        except BaseException:
            self.delete()
            raise

    def delete(self):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # as ip-netns(8) does it
        if _libc.umount2(self._path().encode(), MNT_DETACH) != 0:
            raise _error("umount2")
        os.unlink(self._path())

    def pids(self):
        """Processes whose network this is, without the caller."""
        own = os.stat(self._path())
        return [pid for pid in map(int, filter(str.isdigit,
                                               os.listdir("/proc")))
                if pid != os.getpid() and _is_in(pid, own)]

    def _path(self):
        return f"/run/netns/{self.name}"

    def _up(self, interface):
        flags = struct.pack("16sH", interface.encode(), IFF_UP)
        with self.socket(kind=socket.SOCK_DGRAM) as sock:
            fcntl.ioctl(sock, SIOCSIFFLAGS, flags)

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
            there = os.open(self._path(), os.O_RDONLY | os.O_CLOEXEC)
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

    def ip(self, *words, **options):
        """Output of one `ip` command."""
        words = ["ip", "-n", self.name, *map(str, words)]
        done = subprocess.run(words, text=True, capture_output=True,
                              timeout=RUN_TIMEOUT_S, **options)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
        return done.stdout

    def ips(self, *lines):
        """Several `ip` commands by one process: to start one costs more."""
        self.ip("-batch", "-", input="\n".join(lines) + "\n")

    def nft(self, ruleset):
        """Load text as one nft transaction."""
        self.run("nft", "-f", "-", input=ruleset)

    def sysctl(self, key, value):
        # /proc/sys/net is that of the thread which opens it
        with self.inside(), open("/proc/sys/" + key.replace(".", "/"),
                                 "w") as file:
            file.write(str(value))

    def counter(self, name):
        """One of the kernel's, called as by nstat(8)."""
        with self.inside():
            # /proc/net would be that of the main thread
            lines = [line.split() for file in ("snmp", "netstat")
                     for line in open(f"/proc/thread-self/net/{file}")]
        found = {}
        for names, values in zip(lines[::2], lines[1::2]):
            group = names[0].rstrip(":")
            found |= {group + key: int(value) for key, value
                      in zip(names[1:], values[1:])}
        return found[name]


_libc = ctypes.CDLL(None, use_errno=True)


def _error(call):
    error = ctypes.get_errno()
    return OSError(error, os.strerror(error), call)


def _setns(fd):
    if _libc.setns(fd, 0) != 0:
        raise _error("setns")


def _is_in(pid, namespace):
    """Whether a process is there; one that has ended meanwhile is not."""
    try:
        its = os.stat(f"/proc/{pid}/ns/net")
    except OSError:
        return False
    return (its.st_dev, its.st_ino) == (namespace.st_dev, namespace.st_ino)


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
        self.gateway.ips(
            f"link add {interface} type veth peer name eth0 netns {host.name}",
            *_addressed(interface, f"{prefix4}.1/24", f"{prefix6}:1/64"))
        host.ips(
            *_addressed("eth0", f"{prefix4}.2/24", f"{prefix6}:2/64"),
            f"route add default via {prefix4}.1",
            f"route add default via {prefix6}:1")


def _addressed(interface, *addresses):
    """Lines that give an interface addresses and set it up."""
    for address in addresses:
        nodad = " nodad" if ":" in address else ""
        yield f"address add {address} dev {interface}{nodad}"
    yield f"link set {interface} up"
