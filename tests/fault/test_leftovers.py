# SPDX-License-Identifier: ISC
"""With `on-failure open' nothing stays behind, however hard the end was."""

import contextlib
import re
import signal
import socket
import struct

import pytest

from rig import proc, snapshot

NFLOG_GROUP = 74
NETLINK_NETFILTER = 12
NFULNL_CONFIG = 4 << 8 | 1  # NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG
REQUEST_ACK = 5
CFG_CMD, CFG_CMD_BIND = 1, 1
# rules of somebody else's, so that the settings of conntrack are there
OTHER = """table inet other {
	chain input {
		type filter hook input priority filter; policy accept;
		ct state new accept
	}
}
"""


def term(instance):
    instance.tpxd.send_signal(signal.SIGTERM)


def worker_killed_then_term(instance):
    proc.kill(instance.by_role()["netctl"])
    term(instance)


def term_then_worker_killed(instance):
    worker = instance.by_role()["netctl"]
    term(instance)
    proc.kill(worker)


def worker_killed_before_it_read_stop(instance):
    worker = instance.by_role()["netctl"]
    proc.kill(worker, signal.SIGSTOP)
    term(instance)
    instance.wait_state("stopping")
    proc.kill(worker)


def successor_reads_stop_before_anything_else(instance):
    """tpxd is stopped, too, so that it tells the new worker nothing."""
    tpxd, keeper = instance.tpxd.pid, instance.by_role()["keeper"][0]
    worker = proc.children(keeper)
    proc.kill(worker, signal.SIGSTOP)
    term(instance)
    instance.wait_state("stopping")
    proc.kill([tpxd], signal.SIGSTOP)
    proc.kill(worker)
    with contextlib.suppress(TimeoutError):  # it may ask for more first
        proc.wait_until(lambda: not proc.alive(keeper), 1, "the new worker")
    proc.kill([tpxd], signal.SIGCONT)


ENDS = [worker_killed_then_term, term_then_worker_killed,
        worker_killed_before_it_read_stop,
        successor_reads_stop_before_anything_else]


@pytest.mark.parametrize("rules", ["", "pass to any port 9"],
                         ids=["", "pass"])
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_nothing_is_left_when_netctls_worker_dies_during_a_stop(
        net, tpx, end, rules):
    """With a pass, settings of conntrack are among what is put back."""
    net.gateway.nft(OTHER)
    before = snapshot.take(net.gateway)
    instance = tpx(rules, mode="open", workers=1)
    if rules:
        assert "sysctl" in snapshot.difference(
            before, snapshot.take(net.gateway))
    pids = instance.pids()
    end(instance)
    assert instance.tpxd.wait(10) == 0
    assert snapshot.difference(before, snapshot.take(net.gateway)) == ""
    proc.wait_until(lambda: not any(map(proc.alive, pids)), 2,
                    "every process is gone")


@pytest.mark.parametrize("mode", ["open", "closed"])
@pytest.mark.parametrize("rules", ["", "pass to any port 9"],
                         ids=["", "pass"])
def test_a_killed_tpxd_leaves_no_more_than_a_stopped_one(
        net, tpx, rules, mode):
    """With `on-failure closed' that is the guard."""
    net.gateway.nft(OTHER)
    instance = tpx(rules, mode=mode, workers=1)
    assert instance.stop() == 0
    before = snapshot.take(net.gateway)
    assert snapshot.tables(before) == {"inet other"} | (
        {"inet tpx_guard"} if mode == "closed" else set())
    instance.start()
    instance.wait_state("armed")
    assert ("sysctl" in snapshot.difference(
        before, snapshot.take(net.gateway))) == bool(rules)
    pids = instance.pids()
    proc.kill([instance.tpxd.pid])
    proc.wait_until(lambda: not any(map(proc.alive, pids)), 2,
                    "every process is gone")
    left = snapshot.difference(before, snapshot.take(net.gateway))
    assert not left, left


@contextlib.contextmanager
def nflog_group(namespace, group):
    """Somebody else's hold of a group (linux/netfilter/nfnetlink_log.h)."""
    command = struct.pack("HHB3x", 5, CFG_CMD, CFG_CMD_BIND)
    body = struct.pack("!BBH", socket.AF_UNSPEC, 0, group) + command
    with namespace.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                          NETLINK_NETFILTER) as holder:
        holder.bind((0, 0))
        holder.send(struct.pack("IHHII", 16 + len(body), NFULNL_CONFIG,
                                REQUEST_ACK, 1, 0) + body)
        error, = struct.unpack_from("i", holder.recv(4096), 16)
        assert error == 0, f"bind of NFLOG group {group}: {error}"
        yield


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_taken_nflog_group_is_named_and_nothing_is_left(net, tpx, mode):
    before = snapshot.take(net.gateway)
    with nflog_group(net.gateway, NFLOG_GROUP):
        instance = tpx(mode=mode, workers=1, wait=None)
        assert instance.tpxd.wait(10) == 1
    assert re.search(rf"NFLOG group {NFLOG_GROUP}\b",
                     instance.tpxd.output(), re.I)
    if mode == "closed":  # what is asked for: closed until unblock
        assert "inet tpx_guard" in snapshot.tables(
            snapshot.take(net.gateway))
        instance.unblock()
    assert snapshot.difference(before, snapshot.take(net.gateway)) == ""
