# SPDX-License-Identifier: ISC
"""What every process holds, read from the kernel, and what kills it."""

import errno
import os
import pathlib
import pwd
import re
import signal
import socket
import stat

import pytest

from conftest import ECHO
from rig import inject, proc, traffic

CAP_NET_BIND_SERVICE, CAP_NET_ADMIN = 10, 12
NETCTL_CAPS = 1 << CAP_NET_ADMIN | 1 << CAP_NET_BIND_SERVICE
CAPABILITIES = {"tpxd": 0, "relay": 0, "flowlog": 0,
                "dnsd": 0, "resolver": 0, "dot": 0,
                "keeper": NETCTL_CAPS, "netctl": NETCTL_CAPS}
DNS = 'dns forward tls { 10.74.2.2 "dns.test" }'

# numbers of x86-64; pointers are 0: the filter looks before the kernel does
SYSCALLS = {
    "execve": (59,), "fork": (57,), "clone": (56, 17), "ptrace": (101, 16, 1),
    "mount": (165,), "bpf": (321,), "io_uring_setup": (425, 1, 0),
    "userfaultfd": (323, 0), "memfd_secret": (447, 0), "setuid": (105, 0),
    "process_vm_readv": (310, 1), "kexec_load": (246,), "chroot": (161,),
    "open a file": (257, -100, 0, 0), "unlink": (87, 0),
    "kill": (62, 1, 0), "setns": (308, -1, 0), "unshare": (272, 0),
    "socket AF_PACKET": (41, socket.AF_PACKET, socket.SOCK_RAW, 0),
    "socket AF_NETLINK": (41, socket.AF_NETLINK, socket.SOCK_RAW, 12),
    "socket AF_UNIX": (41, socket.AF_UNIX, socket.SOCK_STREAM, 0),
    "socket AF_INET": (41, socket.AF_INET, socket.SOCK_STREAM, 0),
    "connect": (42, -1, 0, 0), "bind": (49, -1, 0, 0),
    "listen": (50, -1, 0), "accept": (288, -1, 0, 0, 0),
    "set SO_MARK": (54, -1, socket.SOL_SOCKET, 36, 0, 4),
    # whoever closes such a socket last may wait for as long as its maker likes
    "set SO_LINGER": (54, -1, socket.SOL_SOCKET, socket.SO_LINGER, 0, 8),
    # a listener, that its next owner gets
    "shutdown SHUT_RDWR": (48, -1, socket.SHUT_RDWR),
    "map as code": (9, 0, 4096, 5, 0x22, -1, 0),
    "tgkill": (234, 1, 1, 0), "F_SETOWN": (72, 0, 8, 1),
    "F_SETSIG": (72, 0, 10, 9),
    "sendto": (44, -1, 0, 0, 0, 0, 0),
    "sendto MSG_FASTOPEN": (44, -1, 0, 0, socket.MSG_FASTOPEN, 0, 0),
    "sendmsg MSG_FASTOPEN": (46, -1, 0, socket.MSG_FASTOPEN),
}
EVERYBODY = ("ptrace", "mount", "bpf", "io_uring_setup", "userfaultfd",
             "memfd_secret", "setuid", "process_vm_readv", "kexec_load",
             "chroot", "setns", "unshare", "socket AF_PACKET")
CHILDREN = EVERYBODY + ("execve", "map as code", "socket AF_UNIX",
                        "F_SETOWN", "F_SETSIG")
DENIED = {
    # what it starts inherits its filter, which cannot be the narrower
    "tpxd": EVERYBODY + ("socket AF_NETLINK",),
    # as the keeper's worker does
    "keeper": CHILDREN + ("unlink", "kill"),
    "netctl": CHILDREN + ("fork", "clone", "unlink", "kill", "tgkill"),
    "relay": CHILDREN + ("fork", "clone", "open a file", "unlink", "kill",
                         "tgkill", "socket AF_NETLINK", "set SO_LINGER",
                         "shutdown SHUT_RDWR"),
    "flowlog": CHILDREN + ("fork", "clone", "kill", "tgkill",
                           "socket AF_INET", "socket AF_NETLINK"),
    "dnsd": CHILDREN + ("fork", "clone", "open a file", "unlink", "kill",
                        "tgkill", "socket AF_INET", "socket AF_NETLINK",
                        "connect", "bind", "set SO_MARK", "set SO_LINGER",
                        "sendto", "sendmsg MSG_FASTOPEN",
                        "shutdown SHUT_RDWR"),
    "resolver": CHILDREN + ("fork", "clone", "open a file", "unlink", "kill",
                            "tgkill", "socket AF_NETLINK", "listen", "accept",
                            "set SO_MARK", "set SO_LINGER",
                            "sendto MSG_FASTOPEN"),
    "dot": CHILDREN + ("fork", "clone", "open a file", "unlink", "kill",
                       "tgkill", "socket AF_NETLINK", "bind", "listen",
                       "set SO_MARK", "set SO_LINGER", "shutdown SHUT_RDWR",
                       "sendto MSG_FASTOPEN", "sendmsg MSG_FASTOPEN"),
}


# refused with EACCES: the C library asks for nscd, and goes on without it
REFUSED = {("netctl", "socket AF_UNIX"), ("keeper", "socket AF_UNIX")}


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(re.findall(r"^(\w+):[ \t]*(.*)$", text, re.M))


def descriptors(pid):
    """What the descriptors of a process are, as text."""
    folder = f"/proc/{pid}/fd"
    return [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)]


@pytest.fixture
def running(net, server, tpx):
    """An instance that has served, so that every process is past set-up."""
    instance = tpx(DNS)
    for target in (net.SERVER4, net.SERVER6):
        assert traffic.ask(net.client, target, ECHO, b"hello") == b"hello"
    instance.rows(2)
    return instance


@pytest.mark.smoke
def test_every_role_is_there(running):
    roles = running.by_role()
    assert {role: len(pids) for role, pids in roles.items()} == {
        "tpxd": 1, "keeper": 1, "netctl": 1, "relay": 2, "flowlog": 1,
        "dnsd": 2, "resolver": 1, "dot": 1}
    listed = {row["pid"] for row in running.status()["processes"]}
    for role in ("netctl", "relay", "flowlog", "dnsd", "resolver", "dot"):
        pids = set(roles[role]) | (
            set(roles["keeper"]) if role == "netctl" else set())
        assert pids & listed, f"status does not know {role}"


def each(running):
    for role, pids in running.by_role().items():
        for pid in pids:
            yield role, pid, status_of(pid)


def test_every_process_is_user_tpx_without_groups(running):
    user = pwd.getpwnam("tpx")
    for role, _, status in each(running):
        assert status["Uid"].split() == [str(user.pw_uid)] * 4, role
        assert status["Gid"].split() == [str(user.pw_gid)] * 4, role
        assert set(status["Groups"].split()) <= {str(user.pw_gid)}, role


def test_capabilities_are_exactly_those_stated(running):
    for role, _, status in each(running):
        for kind in ("CapPrm", "CapEff"):
            assert int(status[kind], 16) == CAPABILITIES[role], (role, kind)
        # this tpxd was started as root, which may empty the bounding set
        for kind in ("CapInh", "CapAmb", "CapBnd"):
            assert int(status[kind], 16) == 0, (role, kind)


def test_every_process_is_under_seccomp_and_no_new_privs(running):
    for role, _, status in each(running):
        assert status["Seccomp"] == "2", role
        assert int(status["Seccomp_filters"]) >= 1, role
        assert status["NoNewPrivs"] == "1", role


def test_no_process_is_dumpable(running):
    """proc(5): the files of one that is not dumpable belong to root."""
    for role, pid, _ in each(running):
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0, role
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"^Max core file size +0 +0 ", limits, re.M), role


def test_who_works_in_bulk_does_not_push_others_aside(running):
    for role, pid, _ in each(running):
        assert os.sched_getscheduler(pid) == (
            os.SCHED_BATCH if role in ("resolver", "flowlog")
            else os.SCHED_OTHER), role


def test_only_the_flow_log_holds_a_file(running):
    for role, pid, _ in each(running):
        files = [name for name in descriptors(pid)
                 if name.startswith("/") and not name.startswith("/memfd:")
                 and not name.startswith("/dev/")
                 # standard error, as this test gave it
                 and not name.endswith(" (deleted)")]
        if role == "flowlog":
            assert files and all(
                name.startswith(str(running.log)) for name in files)
        elif role != "tpxd":
            assert files == [], role


def test_descriptors_of_the_parent_do_not_leak(tpx):
    """Whatever tpxd was started with beyond 0, 1 and 2 ends there."""
    instance = tpx(prefix=("sh", "-c", 'exec "$@" 9</etc/hostname', "sh"))
    for role, pid, _ in each(instance):
        assert "/etc/hostname" not in descriptors(pid), role


@pytest.mark.parametrize("closed", ["</etc/hostname", "<&-", "2>&-",
                                    "<&- >&- 2>&-"],
                         ids=["none", "input", "error", "all"])
def test_standard_descriptors_are_no_others(tpx, closed):
    """Input may be a terminal; a closed one would be taken by a socket."""
    instance = tpx(DNS, prefix=("sh", "-c", f'exec "$@" {closed}', "sh"))
    for role, pids in instance.by_role().items():
        for pid in pids:
            standard = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)]
            assert standard[0] == "/dev/null", role
            assert all(name.startswith("/") and "memfd" not in name
                       for name in standard), (role, standard)


@pytest.mark.skipif(not inject.SUPPORTED, reason="x86-64 only")
@pytest.mark.parametrize("roles", [
    # each is still there, or there again, when it is its turn
    ("relay", "flowlog", "dnsd", "resolver", "dot", "netctl", "keeper"),
    ("tpxd",)],
    ids=["children", "tpxd"])
@pytest.mark.parametrize("name", SYSCALLS)
def test_denied_call_kills_the_process(tpx, name, roles):
    instance = tpx(DNS)
    for role in roles:
        if name not in DENIED[role]:
            continue
        pids = proc.wait_until(lambda: all(instance.by_role().values())
                               and instance.by_role(), 5, "every role")
        expected = (("returned", -errno.EACCES) if (role, name) in REFUSED
                    else ("killed", signal.SIGSYS))
        assert inject.syscall(
            pids[role][0], *SYSCALLS[name]) == expected, role


@pytest.mark.skipif(not inject.SUPPORTED, reason="x86-64 only")
def test_permitted_call_returns(running):
    """The injection itself works: getpid is allowed everywhere."""
    for role in ("relay", "flowlog", "dnsd", "resolver", "dot", "netctl"):
        pid = running.by_role()[role][0]
        assert inject.syscall(pid, 39) == ("returned", pid)


def test_control_socket_and_log_are_closed_to_others(running):
    mode = stat.S_IMODE(os.stat(running.log / "flows.db").st_mode)
    assert mode & 0o007 == 0, oct(mode)
    assert os.stat(running.log / "flows.db").st_uid == pwd.getpwnam(
        "tpx").pw_uid
    assert stat.S_ISSOCK(os.stat(running.socket).st_mode)
