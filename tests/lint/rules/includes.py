# SPDX-License-Identifier: ISC
"""A folder includes only what it may, so that borders stay borders."""

import re

SHARED = {"ipc", "policy", "schema", "common"}
# folder: the folders it may include besides its own
FOLDERS = {
    "schema": set(),
    "common": set(),
    "ipc": {"schema", "common"},
    "policy": {"schema", "common"},
    "supervisor": SHARED,
    "netctl": SHARED,
    "relay": SHARED,
    "dnsd": SHARED,
    "flowlog": SHARED,
    "ctl": SHARED,
}
LOOPS = {"ipc", "supervisor", "netctl", "relay", "dnsd", "flowlog", "ctl"}
# beginning of a library's header: the folders that may use it
LIBRARIES = {
    "event": LOOPS,
    "event2/": LOOPS,
    "nftables/": {"netctl", "ctl"},
    "libmnl/": {"netctl", "flowlog", "ctl"},
    "unbound": {"dnsd"},
    "nettle/": {"relay"},
    "openssl/": {"dnsd"},
    "sqlite3.h": {"flowlog", "ctl"},
    "seccomp.h": {"common"},
    "sys/capability.h": {"common"},
    "cmocka.h": set(),
}
BAD = [
    {"relay/a.c": '#include "netctl/nft.h"\n'},
    {"common/a.h": '#include "schema/flow.h"\n'},
    {"relay/a.c": "#include <sqlite3.h>\n"},
    {"flowlog/a.c": "#include <nettle/aes.h>\n"},
    {"policy/a.c": "#include <event2/event.h>\n"},
    {"relay/a.c": '#include "flow.h"\n'},
]


def check(tree):
    for path in tree.matching(".c", ".h"):
        folder = path.partition("/")[0]
        if folder not in FOLDERS:
            continue
        for number, line in enumerate(tree.lines(path), 1):
            found = re.match(r'\s*#\s*include\s+([<"])([^>"]+)', line)
            if not found:
                continue
            kind, header = found.groups()
            wrong = (_own if kind == '"' else _library)(folder, header)
            if wrong:
                yield f"{path}:{number}: {wrong}"


def _own(folder, header):
    if "/" not in header:
        return f'"{header}" is not written from the root'
    if header.partition("/")[0] not in FOLDERS[folder] | {folder}:
        return f"{folder}/ may not include {header}"
    return None


def _library(folder, header):
    for beginning, folders in LIBRARIES.items():
        matches = header.startswith(beginning) if beginning.endswith(
            ("/", ".h")) else header == beginning + ".h"
        if matches and folder not in folders:
            return f"{folder}/ may not use <{header}>"
    return None
