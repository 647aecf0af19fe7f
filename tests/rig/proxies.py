# SPDX-License-Identifier: ISC
"""Real proxies, as upstreams of a test: microsocks, tinyproxy, HAProxy."""

import contextlib
import pathlib
import tempfile

from . import proc, traffic

SOCKS5, HTTP, PROXY_V2 = "socks5", "http", "proxy-v2"
KINDS = (SOCKS5, HTTP, PROXY_V2)

TINYPROXY = """\
Port {port}
Listen {address}
Timeout 60
MaxClients 100
DisableViaHeader Yes
{login}
"""
# It sends on to the destination that the header tells.
HAPROXY = """\
global
    maxconn 200
defaults
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend f
    mode tcp
    bind {address}:{port} accept-proxy
    default_backend b
backend b
    mode tcp
    server destination 0.0.0.0
"""
# It answers any request with what the header has told.
HAPROXY_TELLS = """\
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend f
    bind {address}:{port} accept-proxy
    http-request return status 200 content-type text/plain lf-string \
"%[src] %[src_port] %[dst] %[dst_port]"
"""


@contextlib.contextmanager
def running(namespace, address, port, *argv):
    """A program that listens by the time the context begins."""
    with namespace.spawn(*argv) as process:
        def listens():
            assert process.running(), process.output()
            traffic.connect(namespace, address, port).close()
            return True
        proc.wait_until(listens, what=f"{process} listens")
        yield process


@contextlib.contextmanager
def configured(namespace, address, port, text, *argv):
    with tempfile.TemporaryDirectory(prefix="tpx-proxy-") as home:
        path = pathlib.Path(home, "conf")
        path.write_text(text)
        with running(namespace, address, port, *argv, path) as process:
            yield process


def microsocks(namespace, address, port, user=None, password=None):
    login = ["-u", user, "-P", password] if user else []
    return running(namespace, address, port, "microsocks", "-i", address,
                   "-p", port, *login)


def tinyproxy(namespace, address, port, user=None, password=None):
    login = f"BasicAuth {user} {password}" if user else ""
    return configured(
        namespace, address, port,
        TINYPROXY.format(address=address, port=port, login=login),
        "tinyproxy", "-d", "-c")


def haproxy(namespace, address, port, text=HAPROXY):
    return configured(
        namespace, address, port, text.format(address=address, port=port),
        "haproxy", "-db", "-q", "-f")


def start(kind, namespace, address, port):
    """One of that kind, that anybody may use."""
    return {SOCKS5: microsocks, HTTP: tinyproxy,
            PROXY_V2: haproxy}[kind](namespace, address, port)
