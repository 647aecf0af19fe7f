# SPDX-License-Identifier: ISC
"""Real proxies, as upstreams of a test: microsocks, tinyproxy, HAProxy; and
Dante, Squid and nginx, for what those do not have."""

import contextlib
import os
import pathlib
import subprocess
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

# It sends on UDP as well.
DANTE = """\
logoutput: stderr
internal: {address} port = {port}
external: eth0
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 0/0 to: 0/0 }}
socks pass {{
    from: 0/0 to: 0/0
    command: bind connect udpassociate bindreply udpreply
}}
"""
SQUID = """\
http_port {address}:{port}
pid_filename none
cache deny all
access_log none
cache_log {home}/log
coredump_dir {home}
netdb_filename none
pinger_enable off
shutdown_lifetime 0 seconds
{login}
http_access allow all
"""
SQUID_LOGIN = """\
auth_param basic program /usr/lib/squid/basic_ncsa_auth {home}/passwords
auth_param basic children 1
acl known proxy_auth REQUIRED
http_access deny !known
"""
NGINX = """\
daemon off;
worker_processes 1;
pid {home}/pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    server {{
        listen {address}:{port} proxy_protocol;
        location / {{
            return 200 "$proxy_protocol_addr $proxy_protocol_port \
$proxy_protocol_server_addr $proxy_protocol_server_port";
        }}
    }}
}}
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
def configured(namespace, address, port, text, *argv, files=None):
    """{home} in the text is a directory that anybody may use, with files."""
    with tempfile.TemporaryDirectory(prefix="tpx-proxy-") as home:
        os.chmod(home, 0o777)
        for name, content in (files or {}).items():
            pathlib.Path(home, name).write_text(content)
        path = pathlib.Path(home, "conf")
        path.write_text(text.replace("{home}", home))
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


def dante(namespace, address, port):
    return configured(
        namespace, address, port, DANTE.format(address=address, port=port),
        "danted", "-f")


def squid(namespace, address, port, user=None, password=None):
    """Without a login anybody may use it."""
    login = SQUID_LOGIN if user else ""
    files = {}
    if user:
        hashed = subprocess.run(
            ["openssl", "passwd", "-apr1", password], check=True, text=True,
            capture_output=True).stdout
        files["passwords"] = f"{user}:{hashed}"
    return configured(
        namespace, address, port,
        SQUID.format(address=address, port=port, login=login, home="{home}"),
        "squid", "-N", "-f", files=files)


def nginx(namespace, address, port):
    """Answers any request with what the header has told."""
    return configured(
        namespace, address, port,
        NGINX.format(address=address, port=port, home="{home}"),
        "nginx", "-c")


def start(kind, namespace, address, port):
    """One of that kind, that anybody may use."""
    return {SOCKS5: microsocks, HTTP: tinyproxy,
            PROXY_V2: haproxy}[kind](namespace, address, port)
