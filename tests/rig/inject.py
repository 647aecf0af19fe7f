# SPDX-License-Identifier: ISC
"""Makes another process issue a system call of our choice (ptrace(2)).

Only on x86-64, for a process that sleeps in a system call: its instruction
pointer stands behind a syscall instruction, which is executed once more with
other registers.  What the process's own seccomp filter says to that is the
result.
"""

import ctypes
import os
import platform
import signal
import time

SUPPORTED = platform.machine() == "x86_64"
ATTACH, CONT, DETACH, GETREGS, SETREGS, SINGLESTEP = 16, 7, 17, 12, 13, 9
SYSCALL_BYTES = 2
REGISTERS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi "
             "orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs"
             ).split()
LIMIT_S = 5.0


class Registers(ctypes.Structure):
    """struct user_regs_struct of sys/user.h"""
    _fields_ = [(name, ctypes.c_ulonglong) for name in REGISTERS]


def _ptrace(request, pid, data=None):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                            ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, pid, None, data) == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), f"ptrace {request}")


def _wait(pid):
    """The next wait status of a traced process."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG | 0x40000000)  # __WALL
        if found:
            return status
        time.sleep(0.001)
    raise TimeoutError(f"process {pid} does not stop")


def _attach(pid):
    """Attach while it sleeps in a call; its registers."""
    deadline = time.monotonic() + LIMIT_S
    registers = Registers()
    while time.monotonic() < deadline:
        _ptrace(ATTACH, pid)
        _wait(pid)
        _ptrace(GETREGS, pid, ctypes.byref(registers))
        if registers.orig_rax < 2**63:  # not -1: it was in a call
            return registers
        _ptrace(DETACH, pid)
        time.sleep(0.001)
    raise TimeoutError(f"process {pid} is never in a system call")


def syscall(pid, number, *arguments):
    """The signal that killed pid for it, or the result of the call.

    A result is returned as ("returned", value), a death as ("killed",
    signal.Signals).
    """
    saved = _attach(pid)
    try:
        changed = Registers.from_buffer_copy(saved)
        changed.rax = number
        changed.orig_rax = 2**64 - 1  # nothing is to be restarted
        changed.rip -= SYSCALL_BYTES
        padded = (*arguments, 0, 0, 0, 0, 0, 0)
        for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"),
                               padded):
            setattr(changed, name, value % 2**64)
        _ptrace(SETREGS, pid, ctypes.byref(changed))
        _ptrace(SINGLESTEP, pid)
        status = _wait(pid)
        if os.WIFSIGNALED(status):
            return "killed", signal.Signals(os.WTERMSIG(status))
        if os.WSTOPSIG(status) == signal.SIGSYS:  # on its way to die of it
            _ptrace(CONT, pid, signal.SIGSYS)
            status = _wait(pid)
            return "killed", signal.Signals(os.WTERMSIG(status))
        _ptrace(GETREGS, pid, ctypes.byref(changed))
        _ptrace(SETREGS, pid, ctypes.byref(saved))
        return "returned", ctypes.c_longlong(changed.rax).value
    finally:
        try:
            _ptrace(DETACH, pid)
        except OSError:
            pass  # it is dead
