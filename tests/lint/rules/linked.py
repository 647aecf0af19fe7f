# SPDX-License-Identifier: ISC
"""A program links only the libraries that it may."""

import re
import subprocess

BASE = {"libc", "libm", "ld-linux-x86-64", "ld-linux-aarch64", "libgcc_s"}
PROCESS = BASE | {"libevent_core-2.1", "libevent-2.1", "libseccomp", "libcap"}
# program: the libraries that its DT_NEEDED may name
PROGRAMS = {
    "tpxd": PROCESS,
    "tpx-netctl": PROCESS | {"libnftables", "libmnl"},
    "tpx-relay": PROCESS | {"libnettle"},
    "tpx-flowlog": PROCESS | {"libsqlite3", "libmnl"},
    "tpx-dnsd": PROCESS,
    "tpx-resolver": PROCESS | {"libunbound"},
    "tpx-dot": PROCESS | {"libevent_openssl-2.1", "libssl", "libcrypto"},
    "tpxctl": PROCESS | {"libsqlite3", "libnftables", "libmnl"},
}
# a program of the system in the place of the relay: it links far more
BAD = [{"tpx-relay": "no program"}]


def needed(program):
    """Names of the libraries of a program, without versions."""
    done = subprocess.run(["readelf", "-d", "-W", program],
                          capture_output=True, text=True)
    if "Dynamic section" not in done.stdout:
        return None
    return {re.sub(r"\.so.*", "", name) for name in re.findall(
        r"\(NEEDED\).*\[([^]]+)\]", done.stdout)}


def check(tree):
    """The build, when there is one."""
    for name, allowed in PROGRAMS.items():
        path = tree.build / name
        if not path.exists():
            if (tree.root / "meson.build").exists():
                yield f"{path} does not exist"
            continue
        found = needed(path)
        if found is None:
            yield f"{path} is no dynamic program"
        for library in sorted((found or set()) - allowed):
            yield f"{name} links {library}"
