# SPDX-License-Identifier: ISC
"""All pipes that user tpx may have (pipe(7), pipe-user-pages-soft)."""

import contextlib
import subprocess
import sys

# others of this user may give some back meanwhile: it takes those, too
HOLD = """
import fcntl, os, select, sys
pipes = []
def take():
    size = 1 << 20
    while size >= 1 << 16 and len(pipes) < 512:
        pipes.append(os.pipe())
        try:
            fcntl.fcntl(pipes[-1][1], fcntl.F_SETPIPE_SZ, size)
        except PermissionError:
            # a small one is to be had, until it is smaller than usual
            size = fcntl.fcntl(pipes[-1][1], fcntl.F_GETPIPE_SZ)
    if size < 1 << 16:
        for end in pipes.pop():
            os.close(end)
take()
print("held", flush=True)
while not select.select([sys.stdin], [], [], 0.02)[0]:
    take()
"""


@contextlib.contextmanager
def held():
    """A function that gives them back; the end of the context does, too."""
    holder = subprocess.Popen(
        ["setpriv", "--reuid=tpx", "--regid=tpx", "--clear-groups",
         sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def give_back():
        holder.stdin.close()
        holder.wait(10)
    try:
        assert holder.stdout.readline() == b"held\n"
        yield give_back
    finally:
        give_back()
        holder.stdout.close()
