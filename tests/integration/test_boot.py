# SPDX-License-Identifier: ISC
"""Closed from before the network is up: tpxctl guard, and the systemd units."""

import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess

import pytest

from conftest import ECHO, LOCAL, configuration
from rig import proc, snapshot, traffic
from rig.sniffer import Sniffer
from rig.tpx import Tpx
from test_local import session, talks
from test_start import AMBIENT

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
UNITS = ["tpxd.service", "tpx-guard.service"]
EXPOSURE_MOST = 30  # of 100
WATCHDOG_S = 2


@pytest.fixture
def boot(net, build):
    """A gateway with a configuration, and no tpxd: boot(text)."""
    instances = []

    def prepare(text=configuration("default relay")):
        instances.append(Tpx(net.gateway, build, text))
        return instances[-1]
    yield prepare
    for instance in instances:
        instance.close()


def guard(instance, check=True):
    return instance.ctl("guard", "-f", instance.config, "-x", instance.build,
                        check=check)


def knock(net, sniffer, rounds=25):
    """Whether anything of a client reaches the server directly."""
    with traffic.Hammer(net.client, [net.SERVER4, net.SERVER6], ECHO) as hammer:
        proc.wait_until(lambda: hammer.rounds >= rounds, what="knocks")
    return bool(sniffer.direct())


def test_the_guard_closes_without_tpxd(net, server, boot, sniffer, address):
    instance = boot()
    assert traffic.outcome(net.client, address, ECHO) == "served"
    since = len(sniffer.direct())
    guard(instance)
    guard(instance)  # twice is as good as once
    with traffic.Hammer(net.client, [address], ECHO) as hammer:
        proc.wait_until(lambda: hammer.rounds >= 25, what="knocks")
    assert len(sniffer.direct()) == since
    assert traffic.ping(net.client, address)
    net.gateway.nft("flush ruleset")  # the second line is there, too
    assert traffic.outcome(net.client, address, ECHO, 1) != "served"
    instance.unblock()
    assert traffic.outcome(net.client, address, ECHO) == "served"


def test_from_boot_to_stop_not_one_packet_leaks(net, server, boot, sniffer):
    instance = boot()
    guard(instance)
    with traffic.Hammer(net.client, [net.SERVER4, net.SERVER6], ECHO) as hammer:
        instance.start()
        instance.wait_state("armed")
        proc.wait_until(lambda: hammer.rounds >= 50, what="knocks")
        assert instance.stop() == 0
        rounds = hammer.rounds
        proc.wait_until(lambda: hammer.rounds >= rounds + 25, what="knocks")
    assert sniffer.direct() == []
    assert server[ECHO].addresses() == {net.OUTSIDE4, net.OUTSIDE6}


def test_the_guard_leaves_a_running_tpxd_alone(net, server, tpx):
    instance = tpx("default relay")
    listing = "nft", "-s", "list", "ruleset"
    before = net.gateway.run(*listing).stdout
    guard(instance)
    assert net.gateway.run(*listing).stdout == before


def test_open_needs_no_guard(net, boot):
    before = snapshot.take(net.gateway)
    guard(boot(configuration("default relay", mode="open")))
    assert snapshot.take(net.gateway) == before


@pytest.mark.parametrize("text", ["relya all", None], ids=["wrong", "none"])
def test_an_unreadable_configuration_closes_all_forwarding(
        net, server, boot, sniffer, text):
    instance = boot(text or "")
    if text is None:
        instance.config.unlink()
    result = guard(instance, check=False)
    assert result.returncode == 1
    assert "all forwarding is closed" in result.stderr
    assert not knock(net, sniffer)
    assert not traffic.ping(net.client, net.SERVER4, 1)
    instance.configure(configuration("default relay"))
    instance.start()
    instance.wait_state("armed")
    assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"
    assert traffic.ping(net.client, net.SERVER4)


@pytest.mark.parametrize("removed", [
    ["nft flush ruleset"],
    ["ip -4 rule del priority 76", "ip -6 rule del priority 76"],
], ids=["nftables", "routing"])
def test_either_line_closes_all_forwarding_and_nothing_of_this_host(
        net, server, boot, sniffer, address, removed):
    """Without the other one; for links that come later, too."""
    before = snapshot.take(net.gateway)
    instance = boot("relya all")
    with session(net, address) as (here, there), \
            traffic.connect(net.gateway, address, ECHO) as out:
        for _ in range(2):
            assert guard(instance, check=False).returncode == 1
        for command in removed:
            net.gateway.run(*command.split())
        net.gateway.ip("link", "del", net.CLIENT_IF)
        net.wire_client()
        assert not knock(net, sniffer)
        assert not traffic.ping(net.client, address, 1)
        assert talks(there, here) and talks(here, there)
        assert traffic.echoes(out)
        assert traffic.outcome(net.gateway, address, ECHO) == "served"
    instance.unblock()
    assert traffic.outcome(net.client, address, ECHO) == "served"
    assert snapshot.difference(before, snapshot.take(net.gateway)) == ""


def test_an_unreadable_configuration_opens_nothing(
        net, server, boot, sniffer, address):
    """What a guard of before holds, it goes on to hold at all times."""
    instance = boot(configuration("default relay", capture=LOCAL))
    guard(instance)
    instance.config.write_text("relya all")
    with Sniffer(net.server, net.OUTSIDE4, net.OUTSIDE6) as seen:
        with traffic.Hammer(net.gateway, [net.SERVER4, net.SERVER6],
                            ECHO) as hammer:
            for _ in range(3):
                rounds = hammer.rounds
                assert guard(instance, check=False).returncode == 1
                proc.wait_until(lambda: hammer.rounds >= rounds + 10,
                                what="knocks")
        assert traffic.outcome(net.gateway, address, ECHO, 1) != "served"
        assert seen.direct() == []
    assert not knock(net, sniffer)
    instance.unblock()
    assert traffic.outcome(net.gateway, address, ECHO) == "served"


def test_the_guard_is_for_root(net, boot):
    instance = boot()
    result = net.gateway.run(
        "setpriv", "--reuid", "tpx", "--regid", "tpx", "--clear-groups",
        instance.build / "tpxctl", "guard", check=False)
    assert result.returncode == 4


def test_the_configuration_is_read_as_user_tpx(net, boot):
    instance = boot()
    os.chown(instance.config, 0, 0)
    os.chmod(instance.config, 0o600)
    result = guard(instance, check=False)
    assert result.returncode == 1 and "denied" in result.stderr


def test_unblock_is_refused_while_a_tpxd_of_any_socket_runs(net, boot):
    instance = boot()
    instance.start()
    instance.wait_state("armed")
    before = snapshot.take(net.gateway)["ip -4 rule"]
    for sock in (instance.socket, "/nonexistent"):
        done = net.gateway.run(
            instance.build / "tpxctl", "-s", sock, "unblock", "-x",
            instance.build, check=False)
        assert done.returncode == 1 and "stop it first" in done.stderr
    assert snapshot.take(net.gateway)["ip -4 rule"] == before
    assert instance.status()["state"] == "armed"


def unit_text(name):
    return (ROOT / "contrib/systemd" / f"{name}.in").read_text()


def test_the_guard_needs_no_more_than_its_unit_gives(
        net, server, boot, sniffer):
    text = unit_text("tpx-guard.service")
    assert "\nNoNewPrivileges=yes\n" in text
    names = re.search("^CapabilityBoundingSet=(.*)$", text, re.M)[1].split()
    rights = "-all," + ",".join(
        "+" + name.removeprefix("CAP_").lower() for name in names)
    instance = boot()
    net.gateway.run(
        "setpriv", "--no-new-privs", "--inh-caps", "-all", "--bounding-set",
        rights, instance.build / "tpxctl", "-s", instance.socket, "guard",
        "-f", instance.config, "-x", instance.build)
    assert not knock(net, sniffer)


def test_nobody_flushes_the_rule_set_behind_the_guard():
    assert re.search(r"^After=.*\bnftables\.service",
                     unit_text("tpx-guard.service"), re.M)


class Manager:
    """Listens as a service manager does.  A context."""

    def __init__(self, path):
        self.path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.lines = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._socket.close()

    def hears(self, line):
        """Has this been said since the last call of forget()?"""
        self._socket.setblocking(False)
        try:
            while True:
                self.lines.append(self._socket.recv(256).decode())
        except BlockingIOError:
            return line in self.lines

    def forget(self):
        self.hears("")
        self.lines = []


def test_the_service_manager_hears_how_it_is(net, server, boot):
    instance = boot()
    with Manager(instance.home / "notify") as manager:
        instance.start([*AMBIENT, "env", f"NOTIFY_SOCKET={manager.path}",
                        f"WATCHDOG_USEC={WATCHDOG_S * 1000000}"])
        proc.wait_until(lambda: manager.hears("READY=1"), what="READY")
        assert "STATUS=armed" in manager.lines
        for _ in range(3):
            manager.forget()
            proc.wait_until(lambda: manager.hears("WATCHDOG=1"), WATCHDOG_S,
                            "a sign of life")
        os.kill(instance.tpxd.pid, signal.SIGSTOP)
        manager.forget()
        proc.stays(lambda: not manager.hears("WATCHDOG=1"), WATCHDOG_S,
                   "silence of a stopped tpxd")
        os.kill(instance.tpxd.pid, signal.SIGCONT)
        instance.stop()
        proc.wait_until(lambda: manager.hears("STOPPING=1"), what="STOPPING")


@pytest.mark.parametrize("words", [
    [], ["WATCHDOG_USEC=0"], ["WATCHDOG_USEC=soon"],
    ["WATCHDOG_USEC=1000", "WATCHDOG_PID=1"],
], ids=["nothing", "0", "no number", "of another process"])
def test_who_did_not_ask_hears_no_signs_of_life(boot, words):
    instance = boot()
    with Manager(instance.home / "notify") as manager:
        instance.start(["env", f"NOTIFY_SOCKET={manager.path}", *words])
        proc.wait_until(lambda: manager.hears("READY=1"), what="READY")
        # several heartbeats of a lease of 2 s
        proc.stays(lambda: not manager.hears("WATCHDOG=1"), 1, "silence")


@pytest.fixture
def units(build, tmp_path):
    """A root directory with the units, as they are after installation."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    for name in "etc/systemd/system usr/sbin usr/bin".split():
        (tmp_path / name).mkdir(parents=True)
    for name in UNITS:
        text = (ROOT / "contrib/systemd" / f"{name}.in").read_text()
        text = text.replace("@sbindir@", "/usr/sbin")
        text = text.replace("@bindir@", "/usr/bin")
        assert "@" not in re.sub(r"Filter=.*", "", text)
        (tmp_path / "etc/systemd/system" / name).write_text(text)
    shutil.copy(build / "tpxd", tmp_path / "usr/sbin")
    shutil.copy(build / "tpxctl", tmp_path / "usr/bin")
    return tmp_path


@pytest.mark.parametrize("name", UNITS)
def test_the_units_are_sound(units, name):
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"--root={units}",
         "--recursive-errors=no", units / "etc/systemd/system" / name],
        capture_output=True, text=True, check=False)
    about_ours = [line for line in done.stderr.splitlines() if "tpx" in line]
    assert about_ours == []
    assert done.returncode == 0


def test_the_directories_of_the_service_are_its_own(tmp_path):
    """As systemd-tmpfiles makes them, anew and over others."""
    if not shutil.which("systemd-tmpfiles"):
        pytest.skip("systemd-tmpfiles is not here")
    user, text = proc.ensure_user(), ROOT / "contrib/systemd/tpx.tmpfiles"
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):
        shutil.copy(f"/etc/{name}", tmp_path / "etc")
    wanted = {"run/tpx": (0o755, user.pw_uid, user.pw_gid),
              "var/lib/tpx": (0o750, user.pw_uid, user.pw_gid),
              "etc/tpx": (0o755, 0, 0)}
    for _ in range(2):
        subprocess.run(["systemd-tmpfiles", "--create", f"--root={tmp_path}",
                        text], check=True)
        found = {name: (tmp_path / name).stat() for name in wanted}
        assert wanted == {name: (stat.S_IMODE(made.st_mode), made.st_uid,
                                 made.st_gid)
                          for name, made in found.items()}
        for name in wanted:
            os.chmod(tmp_path / name, 0o777)


def directives(root, name):
    """Values of a unit by name; a name that occurs again has several."""
    found = {}
    for line in (root / "etc/systemd/system" / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def test_nothing_but_its_own_stop_opens_the_guard(units):
    """Neither the end of tpxd nor a shutdown, whose links are up yet."""
    found = directives(units, "tpx-guard.service")
    assert found["DefaultDependencies"] == ["no"]
    assert set(found) & {"Conflicts", "PartOf", "BindsTo", "Requires",
                         "StopPropagatedFrom"} == set()
    found = directives(units, "tpxd.service")
    assert [key for key, values in found.items()
            if any("tpx-guard" in value for value in values)
            and key not in ("After", "Wants")] == []


def filter_set(name):
    """The system calls of a set of systemd's, with those of sets in it."""
    listed = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", name], check=True,
        capture_output=True, text=True).stdout.splitlines()[1:]
    words = {line.strip() for line in listed
             if line.strip() and not line.strip().startswith("#")}
    calls = {word for word in words if not word.startswith("@")}
    return calls.union(*map(filter_set, words - calls))


def test_filter_of_the_service_allows_what_the_sandboxes_do(units):
    allowed = filter_set("@default")
    for line in directives(units, "tpxd.service")["SystemCallFilter"]:
        for word in line.split():
            allowed |= filter_set(word) if word[0] == "@" else {word}
    tables = [*ROOT.glob("*/sandbox.c"), ROOT / "common/sandbox.h"]
    text = "".join(path.read_text() for path in tables)
    text = re.sub(r"#ifdef __SANITIZE.*?#endif", "", text, flags=re.S)
    needed = set(re.findall(r"\bSYS_(\w+)", text))
    assert {"sendmsg", "fchown", "seccomp"} <= needed
    needed |= {"landlock_create_ruleset", "landlock_add_rule",
               "landlock_restrict_self"}
    assert needed - allowed == set()


@pytest.mark.parametrize("name", UNITS)
def test_the_service_is_fenced_in(units, name):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager",
         f"--threshold={EXPOSURE_MOST}", f"--root={units}", name],
        capture_output=True, text=True, check=False)
    print(done.stdout.splitlines()[-1:], done.stderr)
    assert done.returncode == 0


@pytest.mark.parametrize("text", ["relya all\n", None],
                         ids=["wrong", "another"])
def test_the_guard_leaves_a_tpxd_of_another_socket_alone(
        net, server, tpx, boot, address, text):
    """The kernel knows of it, whatever its configuration calls its socket."""
    instance = tpx("default relay")
    other = boot()
    if text:
        other.config.write_text(text)
    else:
        other.config.write_text(
            other.config.read_text().replace(net.CLIENT_IF, net.SERVER_IF))
    listing = "nft", "-s", "list", "ruleset"
    before = net.gateway.run(*listing).stdout
    with traffic.connect(net.client, address, ECHO) as flow:
        for _ in range(5):
            done = guard(other, check=False)
            assert net.gateway.run(*listing).stdout == before, done.stderr
        assert traffic.echoes(flow)
    assert instance.stop() == 0


def test_a_table_of_others_is_no_reason_to_stay_open(net, server, boot):
    """It has the name of tpx's, but nobody owns it: no tpxd runs."""
    instance = boot()
    net.gateway.nft("add table inet tpx")
    guard(instance)
    assert traffic.outcome(net.client, net.SERVER4, ECHO, 1) != "served"
