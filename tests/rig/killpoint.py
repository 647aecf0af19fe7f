# SPDX-License-Identifier: ISC
"""Kills a process before its Nth message to the kernel or to another process.

    python3 killpoint.py PID N WHAT FILE

Follows PID and the children that it will have (ptrace(2)), returns once it
does, and counts their calls of sendto(2) and sendmsg(2).  The one that makes
the Nth is killed before the call is carried out, if WHAT is "worker"; with
"both" its parent is killed, too, if that is the same program.  FILE is made
then, with its pid.  N below 1 kills nothing.

Others of WHAT kill nobody.  With "hold" it is stopped (SIGSTOP) once that call
is carried out; with "hold-rules" only transactions of nftables are counted.
With "refuse-rules" they are, too, and with "refuse-routes" changes of routes
and routing rules, and the Nth is made one that the kernel refuses.  Needs root,
and no more than the standard library.
"""

import ctypes
import os
import pathlib
import platform
import signal
import struct
import subprocess
import sys

SUPPORTED = platform.machine() in ("x86_64", "aarch64")
SENDS = (44, 46) if platform.machine() == "x86_64" else (206, 211)
SENDTO, SENDMSG = SENDS
BATCH_BEGIN, UNKNOWN_TYPE = 16, 0xff  # linux/netfilter/nfnetlink.h
ROUTE_CHANGES = (24, 25, 32, 33)  # RTM_NEWROUTE and so on
SYSCALL, SEIZE, INTERRUPT, LISTEN = 24, 0x4206, 0x4207, 0x4208
SYSCALL_INFO, ENTRY, EVENT_STOP = 0x420E, 1, 128
# syscall stops are marked; fork, vfork and clone are followed
OPTIONS = 1 | 2 | 4 | 8
ALL = 0x40000000  # __WALL
STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


class Info(ctypes.Structure):
    """struct ptrace_syscall_info of linux/ptrace.h, as it is at an entry"""
    _fields_ = [("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3),
                ("arch", ctypes.c_uint32), ("ip", ctypes.c_uint64),
                ("sp", ctypes.c_uint64), ("nr", ctypes.c_uint64),
                ("arguments", ctypes.c_uint64 * 6)]


def _ptrace(request, pid, address=0, data=None):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                            ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, pid, address, data) == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _call(pid):
    """The call before which it has stopped."""
    info = Info()
    _ptrace(SYSCALL_INFO, pid, ctypes.sizeof(info), ctypes.byref(info))
    return info


def _sends(pid):
    info = _call(pid)
    return info.op == ENTRY and info.nr in SENDS


def _transaction(pid):
    """Where its first command lies, if that is a transaction of nftables."""
    info = _call(pid)
    if info.op != ENTRY or info.nr != SENDMSG:
        return None
    with open(f"/proc/{pid}/mem", "rb") as memory:
        memory.seek(info.arguments[1])  # struct msghdr
        name, _, parts = struct.unpack("QQQ", memory.read(24))
        if not name:
            return None  # a message to another process
        memory.seek(parts)
        base, = struct.unpack("Q", memory.read(8))
        memory.seek(base)
        length, kind = struct.unpack("IH", memory.read(6))
    return base + (length + 3) // 4 * 4 if kind == BATCH_BEGIN else None


def _route_change(pid):
    """Where it lies, if that is one."""
    info = _call(pid)
    if info.op != ENTRY or info.nr != SENDTO:
        return None
    with open(f"/proc/{pid}/mem", "rb") as memory:
        memory.seek(info.arguments[1])
        _, kind = struct.unpack("IH", memory.read(6))
    return info.arguments[1] if kind in ROUTE_CHANGES else None


def _refuse(pid, command):
    """Give it a type that there is not: all that comes with it fails."""
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(command + 4)  # struct nlmsghdr: nlmsg_type
        memory.write(bytes([UNKNOWN_TYPE]))


def _go_on(pid, status):
    number, event = os.WSTOPSIG(status), status >> 16
    if event == EVENT_STOP and number in STOPS:
        _ptrace(LISTEN, pid)
        return
    # a stop of ptrace's own is no signal
    own = event or number == signal.SIGTRAP | 0x80
    _ptrace(SYSCALL, pid, 0, 0 if own else number)


def _program(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text()


def _kill(pid, both):
    parent = int(pathlib.Path(f"/proc/{pid}/stat").read_text()
                 .rpartition(")")[2].split()[1])
    # the keeper first, so that it starts nobody
    if both and _program(parent) == _program(pid):
        os.kill(parent, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)


def _hold(pid, _):
    """Pending until the call returns, as nobody follows it any more."""
    os.kill(pid, signal.SIGSTOP)


# which calls count, and what becomes of who makes the Nth
WHATS = {
    "worker": (_sends, lambda pid, _: _kill(pid, both=False)),
    "both": (_sends, lambda pid, _: _kill(pid, both=True)),
    "hold": (_sends, _hold),
    "hold-rules": (_transaction, _hold),
    "refuse-rules": (_transaction, _refuse),
    "refuse-routes": (_route_change, _refuse),
}


def _tell(file, pid):
    """At once with all that is in it."""
    begun = pathlib.Path(f"{file}.begun")
    begun.write_text(str(pid))
    begun.rename(file)


def _follow(count, what, file):
    counts, act = WHATS[what]
    while True:
        try:
            pid, status = os.waitpid(-1, ALL)
        except ChildProcessError:
            return  # all have ended
        if not os.WIFSTOPPED(status):
            continue
        try:
            found = (os.WSTOPSIG(status) == signal.SIGTRAP | 0x80
                     and counts(pid))
            if found:
                count -= 1
                if count == 0:
                    act(pid, found)
                    _tell(file, pid)
                    return  # which lets go of the others
            _go_on(pid, status)
        except ProcessLookupError:
            pass  # somebody else has killed it


def main(pid, count, what, file):
    # what it was started with is not its own
    os.closerange(3, 1024)
    ready, told = os.pipe()
    if os.fork():
        os.close(told)
        os.read(ready, 1)
        return
    os.close(ready)
    _ptrace(SEIZE, pid, 0, OPTIONS)
    _ptrace(INTERRUPT, pid)
    _, status = os.waitpid(pid, ALL)
    _go_on(pid, status)
    os.close(told)
    _follow(count, what, file)


def attach(pid, count, what, file):
    """Have another process do that to a running one."""
    subprocess.run([sys.executable, __file__, str(pid), str(count), what,
                    str(file)], check=True, stdout=subprocess.DEVNULL)


def wrap(program, real, count, what, file):
    """Make program a script that runs real like that, from its start."""
    program.unlink()
    program.write_text(
        f"#!/bin/sh\n{sys.executable} {__file__} $$ {count} {what} {file}"
        f' >/dev/null\nexec {real} "$@"\n')
    program.chmod(0o755)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
