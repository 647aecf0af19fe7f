# SPDX-License-Identifier: ISC
"""Programs that ask for names as hosts have them: the C library, and
systemd-resolved, which contrib/deps unpacks and nobody installs."""

import contextlib
import os
import pathlib
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RESOLVED = (ROOT / "build/debian/systemd-resolved/lib/systemd"
            / "systemd-resolved")
# Mounts belong to the command alone: ip-netns(8) gives it its own.
WITH_SERVER = """
mount -t tmpfs none /mnt && echo "nameserver $0" >/mnt/resolv.conf &&
    mount --bind /mnt/resolv.conf /etc/resolv.conf && exec "$@"
"""
# It takes a user of its own name if it is root; without a bus it goes on.
CAPABILITIES = "+net_bind_service,+net_raw,+setpcap"
START_RESOLVED = f"""
mount -t tmpfs -o mode=755 none /run && mkdir -p /run/systemd/resolve \\
    /run/systemd/resolved.conf.d && chown nobody /run/systemd/resolve &&
    cp "$1" /run/systemd/resolved.conf.d/test.conf &&
    exec setpriv --reuid=nobody --clear-groups --inh-caps={CAPABILITIES} \\
        --ambient-caps={CAPABILITIES} "$0"
"""
RESOLVED_CONF = """\
[Resolve]
DNS={server}
FallbackDNS=
Domains=~.
LLMNR=no
MulticastDNS=no
Cache={cache}
ReadEtcHosts=no
"""
STUB = "127.0.0.53"


def run(namespace, server, *argv):
    """A command whose C library asks that server; its output."""
    return namespace.run("sh", "-c", WITH_SERVER, server, *argv).stdout


def addresses(namespace, server, name):
    """What getaddrinfo(3) says, of both families."""
    lines = run(namespace, server, "getent", "ahosts", name).splitlines()
    return {line.split()[0] for line in lines}


@contextlib.contextmanager
def resolved(namespace, server, *stubs, cache="no"):
    """systemd-resolved asks that server, and answers at STUB and at stubs."""
    with tempfile.TemporaryDirectory(prefix="tpx-resolved-") as home:
        os.chmod(home, 0o755)
        path = pathlib.Path(home, "conf")
        path.write_text(RESOLVED_CONF.format(
            server=server, cache=cache) + "".join(
                f"DNSStubListenerExtra={stub}\n" for stub in stubs))
        with namespace.spawn("sh", "-c", START_RESOLVED, RESOLVED,
                             path) as process:
            yield process
