# SPDX-License-Identifier: ISC
"""tpxctl leaktest: nothing where nothing leaks, and a leak where one is."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import tempfile

import pytest

from conftest import FORWARDED, LOCAL, PROGRAMS, configuration
from rig import proc, snapshot

LIMIT_S = 180
# a rule set of others that uses the marks by which tpx knows what passes
FOREIGN = """#!/bin/sh
nft -f - <<END
add table inet foreign
add chain inet foreign marks {{ type filter hook {hook}; }}
add rule inet foreign marks udp dport 853 {field} mark set {mark:#010x}
END
exec "$0.real" "$@"
"""
# of packets that pass, and of connections from before the capture
FOREIGN_MARKS = {
    FORWARDED: {"hook": "prerouting priority 0", "field": "meta",
                "mark": 0x04000000},
    LOCAL: {"hook": "output priority -160", "field": "ct",
            "mark": 0x03000000},
}
POLICY = """
pass to { 10.0.0.0/8 fd00::/8 }
block proto udp to any port 443
upstream corp socks5 192.0.2.9:1080 user "u" password-file "nowhere"
relay proto tcp to any port { 80 443 } via corp
default block
"""


@pytest.fixture
def place():
    """A directory that user tpx can read."""
    with tempfile.TemporaryDirectory(prefix="tpx-leaktest-") as path:
        os.chmod(path, 0o755)
        yield pathlib.Path(path)


def words(build, text, place, *more):
    conf = place / "tpx.conf"
    conf.write_text(text)
    return [build / "tpxctl", "--json", "leaktest", "-x", build, "-f", conf,
            *more]


def leaktest(net, *argv):
    """Its exit status, and what it reports, from inside a namespace."""
    done = net.gateway.run(*argv, check=False, timeout=LIMIT_S)
    print(done.stdout, done.stderr)
    return done.returncode, json.loads(done.stdout)


CONFIGURATIONS = {
    "closed": ("closed", FORWARDED, "other-protocols block"),
    "open, others pass": ("open", FORWARDED, ""),
    "closed, others pass, exclusions": (
        "closed", FORWARDED, "exclude to 198.51.100.0/24 port 22\n"
        "exclude proto udp to any port 123"),
    "closed, both": ("closed", f"{FORWARDED}\n{LOCAL}", ""),
    "open, own": ("open", LOCAL, ""),
    "closed, a user": ("closed", f"{LOCAL} user {{ nobody 1000-1999 }}",
                       "other-protocols block"),
}
DAILY = ("open, others pass", "closed, both", "closed, a user")


@pytest.mark.parametrize("mode, capture, more", [
    pytest.param(*row, id=name, marks=() if name in DAILY else
                 pytest.mark.long) for name, row in CONFIGURATIONS.items()])
def test_nothing_leaks(net, build, place, mode, capture, more):
    text = configuration(f"{more}\n{POLICY}", mode, "1s", capture=capture)
    before = snapshot.take(net.gateway)
    status, report = leaktest(net, *words(build, text, place, "--quick"))
    assert report["leaks"] == [] and report["mute"] == []
    assert (status, report["result"]) == (0, "good")
    names = [phase["name"] for phase in report["phases"]]
    assert "everything killed, rules flushed" in names
    armed = report["phases"][names.index("armed")]
    assert armed["arrived"] == armed["expected"] > 0
    assert not snapshot.difference(before, snapshot.take(net.gateway))


def test_a_rule_of_sources_is_met(net, build, place):
    text = configuration("other-protocols block\n"
                         "pass from 192.0.2.0/24 to any\ndefault block",
                         lease="1s")
    status, report = leaktest(net, *words(build, text, place, "--quick"))
    assert (status, report["result"]) == (0, "good")
    armed, = [phase for phase in report["phases"] if phase["name"] == "armed"]
    assert armed["arrived"] > 0


@pytest.mark.parametrize("capture", FOREIGN_MARKS,
                         ids=["forwarded", "own"])
def test_a_leak_is_found_and_shown(net, build, place, capture):
    for name in PROGRAMS:
        shutil.copy(build / name, place)
    netctl = place / "tpx-netctl"
    netctl.rename(place / "tpx-netctl.real")
    netctl.write_text(FOREIGN.format(**FOREIGN_MARKS[capture]))
    netctl.chmod(0o755)
    text = configuration(f"other-protocols block\n{POLICY}", lease="1s",
                         capture=capture)
    status, report = leaktest(net, *words(place, text, place, "--quick"))
    assert (status, report["result"]) == (1, "leak")
    assert report["leaked"] > 0
    found = {leak["sentinel"] for leak in report["leaks"]}
    assert found == {"udp to port 853"}
    for leak in report["leaks"]:
        # what rules block is blocked while they are in force
        assert capture == LOCAL or leak["stage"] in (
            "lapsed", "failing or starting")
        assert leak["proto"] == 17 and leak["dport"] == 853
        assert bytes.fromhex(leak["bytes"])[0] >> 4 in (4, 6)


def test_the_running_configuration_is_tested_beside_the_running_tpxd(
        net, tpx):
    instance = tpx(f"other-protocols block\n{POLICY}", lease="1s")
    argv = [instance.build / "tpxctl", "-s", instance.socket, "--json",
            "leaktest", "-x", instance.build]
    status, report = leaktest(net, *argv, "--quick")
    assert (status, report["result"]) == (0, "good")
    assert instance.status()["state"] == "armed"
    assert {child["restarts"] for child in instance.status()["processes"]} \
        == {0}
    # as long as the other, and not the same
    instance.configure(configuration(f"other-protocols block\n{POLICY}",
                                     lease="2s"))
    done = net.gateway.run(*argv, check=False)
    assert done.returncode == 1
    assert "not what tpxd runs with" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_who_is_interrupted_leaves_nothing(net, build, place, number):
    before = snapshot.take(net.gateway)
    text = configuration(POLICY, lease="1s")
    process = net.gateway.spawn(*words(build, text, place))

    def tpxd_runs():
        return {proc.name(pid) for pid in proc.descendants(process.pid)} \
            >= {"tpxd", "tpx-relay"}
    proc.wait_until(tpxd_runs, what="a tpxd of the test")
    below = proc.descendants(process.pid)
    os.kill(process.pid, number)
    proc.wait_until(lambda: not any(map(proc.alive, [process.pid, *below])),
                    what="the end of all of them")
    assert not snapshot.difference(before, snapshot.take(net.gateway))
    with contextlib.suppress(ProcessLookupError):
        process.stop()


def test_it_is_for_root_and_says_what_is_wrong(net, build, place):
    good = configuration(POLICY)
    argv = words(build, good, place)
    done = net.gateway.run("setpriv", "--reuid=65534", "--clear-groups",
                           *argv, check=False)
    assert done.returncode == 4
    argv = words(build, "relya all\n", place)
    done = net.gateway.run(*argv, check=False)
    assert done.returncode == 1 and "relya" in done.stderr
    done = net.gateway.run(build / "tpxctl", "-s", place / "none", "leaktest",
                           check=False)
    assert done.returncode == 3
