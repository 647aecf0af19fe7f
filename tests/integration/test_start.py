# SPDX-License-Identifier: ISC
"""How tpxd starts and stops, with which rights, and what it leaves behind."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import ECHO, EXCHANGE, configuration
from rig import proc, snapshot, traffic
from rig.net import Topology
from rig.tpx import Tpx

# as a service manager starts it: User=tpx, AmbientCapabilities=
AMBIENT = ("setpriv --reuid tpx --regid tpx --clear-groups "
           "--inh-caps +net_admin,+net_bind_service "
           "--ambient-caps +net_admin,+net_bind_service "
           "--bounding-set -all,+net_admin,+net_bind_service "
           "--no-new-privs").split()
# somebody else's rules, which are none of tpx's business
FOREIGN = "table inet foreign {\n chain c {\n counter\n }\n}\n"
WITHOUT_RIGHTS = {
    "user without capabilities":
        "setpriv --reuid tpx --regid tpx --clear-groups".split(),
    "root without net_admin":
        "setpriv --bounding-set -net_admin --inh-caps -net_admin".split(),
}


@pytest.mark.smoke
@pytest.mark.parametrize("prefix", [(), AMBIENT], ids=["root", "ambient"])
def test_starts_and_serves(net, server, tpx, address, prefix):
    instance = tpx(prefix=prefix)
    assert traffic.ask(net.client, address, ECHO, b"hello") == b"hello"
    assert instance.stop() == 0


@pytest.mark.parametrize("prefix", WITHOUT_RIGHTS.values(),
                         ids=WITHOUT_RIGHTS)
def test_without_the_capability_says_so_in_one_line(net, tpx, prefix):
    instance = tpx(wait=None, prefix=prefix)
    assert instance.tpxd.wait() == 1
    lines = instance.tpxd.output().splitlines()
    assert len(lines) == 1 and "CAP_NET_ADMIN" in lines[0], lines
    assert snapshot.take(net.gateway)["nft -s list ruleset"] == ""


def test_privilege_is_dropped_before_the_configuration_is_read(net, build):
    """A file that only root may read is out of reach, for root too."""
    instance = Tpx(net.gateway, build, configuration())
    try:
        subprocess.run(["chown", "root:root", instance.config], check=True)
        instance.config.chmod(0o600)
        instance.start()
        assert instance.tpxd.wait() == 1
        assert "Permission denied" in instance.tpxd.output()
        assert snapshot.take(net.gateway)["nft -s list ruleset"] == ""
    finally:
        instance.close()


def test_file_with_errors_starts_nothing(net, tpx):
    before = snapshot.take(net.gateway)
    instance = tpx("relya proto tcp", wait=None)
    assert instance.tpxd.wait() == 1
    assert re.search(r"tpx\.conf:\d+:1: ", instance.tpxd.output())
    assert snapshot.take(net.gateway) == before


@pytest.mark.parametrize("statements", ["", f"pass to any port {EXCHANGE}"],
                         ids=["relay", "pass"])
def test_stop_in_open_mode_leaves_the_host_as_it_was(
        net, server, tpx, statements):
    net.gateway.nft(FOREIGN)
    before = snapshot.take(net.gateway)
    instance = tpx(statements, mode="open")
    assert snapshot.take(net.gateway) != before
    for target in (net.SERVER4, net.SERVER6):
        assert traffic.outcome(net.client, target, ECHO) == "served"
        traffic.exchange(net.client, target, EXCHANGE, 10, 10)
    assert instance.stop() == 0
    assert snapshot.difference(before, snapshot.take(net.gateway)) == ""


def test_stop_in_closed_mode_leaves_the_guard_until_unblock(
        net, server, tpx):
    net.gateway.nft(FOREIGN)
    before = snapshot.take(net.gateway)
    instance = tpx(f"pass to any port {EXCHANGE}")
    assert instance.stop() == 0
    left = snapshot.take(net.gateway)
    assert snapshot.tables(left) == {"inet foreign", "inet tpx_guard"}
    for target in (net.SERVER4, net.SERVER6):
        assert traffic.outcome(net.client, target, ECHO, 1) != "served"
    instance.unblock()
    assert snapshot.difference(before, snapshot.take(net.gateway)) == ""
    for target in (net.SERVER4, net.SERVER6):
        assert traffic.outcome(net.client, target, ECHO) == "served"


def test_unblock_with_nothing_to_unblock_succeeds(net, tpx):
    instance = tpx(mode="open")
    assert instance.stop() == 0
    before = snapshot.take(net.gateway)
    instance.unblock()
    assert snapshot.take(net.gateway) == before


def descriptors(pid):
    """What the descriptors of a process are, by number."""
    folder = pathlib.Path(f"/proc/{pid}/fd")
    return {int(link.name): os.readlink(link) for link in folder.iterdir()}


def test_netctl_that_ended_before_anybody_listens_is_missed(net, build):
    instance = Tpx(net.gateway, build, configuration(
        'table <big> file "big.cidr"\npass to <big>'))
    try:
        (instance.home / "big.cidr").write_text("".join(
            f"10.{n >> 15 & 255}.{n >> 7 & 255}.{n << 1 & 255}\n"
            for n in range(200000)))
        shutil.copy(build / "tpxd", instance.home)
        instance.build = instance.home
        instance.start()
        assert instance.tpxd.wait() == 1
        assert "tpx-netctl: exit: exited with 1" in instance.tpxd.output()
    finally:
        instance.close()


@pytest.mark.parametrize("break_it", [
    lambda log: log.rmdir(), lambda log: os.chown(log, 0, 0)],
    ids=["none", "root's"])
def test_a_log_directory_that_is_of_no_use_is_named(net, build, break_it):
    instance = Tpx(net.gateway, build, configuration())
    line = f"{instance.log} has to be there, and writable for user tpx"
    try:
        break_it(instance.log)
        instance.start()
        # it waits for rights that somebody else may be about to give
        proc.wait_until(lambda: line in instance.tpxd.output(), 15, line)
    finally:
        instance.close()


def test_a_file_in_the_place_of_the_control_socket_is_kept(net, build):
    instance = Tpx(net.gateway, build, configuration())
    user = proc.ensure_user("tpx")
    try:
        instance.socket.write_text("precious")
        os.chown(instance.socket, user.pw_uid, user.pw_gid)
        instance.start()
        assert instance.tpxd.wait() == 1
        assert instance.socket.read_text() == "precious"
        assert f"control socket {instance.socket}" in instance.tpxd.output()
    finally:
        instance.close()


def test_a_control_socket_nowhere_says_what_it_needs(net, build):
    instance = Tpx(net.gateway, build, configuration())
    try:
        instance.socket = instance.home / "nowhere" / "sock"
        instance.configure(configuration())
        instance.start()
        assert instance.tpxd.wait() == 1
        assert "its directory has to be there" in instance.tpxd.output()
    finally:
        instance.close()


def test_descriptors_of_the_caller_are_not_kept(net, tpx):
    """Wherever they stand among those that tpxd opens."""
    foreign = "/etc/passwd"
    instance = tpx(prefix=(
        "bash", "-c", 'exec "$@"' + "".join(
            f" {number}<{foreign}" for number in (3, 5, 8, 40)), "bash"))
    for pid in instance.pids():
        assert foreign not in descriptors(pid).values(), proc.name(pid)


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_second_start_finds_a_running_one_and_leaves_it_alone(
        net, server, tpx, mode):
    instance = tpx(mode=mode)
    second = net.gateway.spawn(instance.build / "tpxd", "-f", instance.config,
                               "-x", instance.build)
    with second:
        assert second.wait() == 1
    assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"
    assert instance.status()["state"] == "armed"


def test_two_instances_serve_in_two_namespaces(net, server, tpx, build):
    tpx()
    with Topology() as other, Tpx(other.gateway, build,
                                  configuration()) as second:
        assert second.status()["state"] == "armed"
        assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"


def test_every_process_is_gone_after_a_stop(net, tpx):
    instance = tpx()
    pids = instance.pids()
    assert len(pids) >= 6
    assert instance.stop() == 0
    proc.wait_until(lambda: not any(map(proc.alive, pids)), 1,
                    "all processes are gone")
