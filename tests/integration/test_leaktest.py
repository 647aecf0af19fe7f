# SPDX-License-Identifier: ISC
"""tpxctl leaktest: nothing where nothing leaks, and a leak where one is."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from conftest import FORWARDED, LOCAL, PROGRAMS, configuration
from rig import proc, snapshot
from rig.net import Topology

LIMIT_S = 180
FULL_LIMIT_S = 540
# a rule set of others that uses the marks by which tpx knows what passes
FOREIGN = """#!/bin/sh
nft -f - <<END
add table inet foreign
add chain inet foreign marks {{ type filter hook {hook}; }}
{rules}
END
exec "${{0%/*}}/real/${{0##*/}}" "$@"
"""


def foreign(hook, matches, mark):
    rules = [f"add rule inet foreign marks {match} {mark}"
             for match in matches]
    return FOREIGN.format(hook=hook, rules="\n".join(rules))


# of packets that pass, and of connections from before the capture
PASSES = foreign("prerouting priority 0", ["udp dport 853"],
                 "meta mark set 0x04000000")
# of questions, as soon as nobody has answered any for a moment
UNANSWERED = """#!/bin/sh
nft -f - <<END
add table inet foreign
add set inet foreign answered { typeof meta nfproto; flags dynamic,timeout; }
add chain inet foreign out { type filter hook output priority 0; }
add chain inet foreign marks { type filter hook prerouting priority 0; }
add rule inet foreign out udp sport 53 update @answered \\
    { meta nfproto timeout 200ms }
add rule inet foreign marks udp dport 53 meta nfproto != @answered \\
    meta mark set 0x04000000
END
exec "${0%/*}/real/${0##*/}" "$@"
"""
FORGED4 = "198.19.77.77"
BEGAN_BEFORE = foreign(
    "output priority -160",
    ["udp dport 853", f"ip saddr {FORGED4} udp length > 8",
     f"oifname {Topology.CLIENT_IF} udp length > 8"],
    "ct mark set 0x03000000")
USERS = f"{LOCAL} user {{ nobody 1000-1999 }}"
POLICY = """
pass to { 10.0.0.0/8 fd00::/8 }
block proto udp to any port 443
upstream corp socks5 192.0.2.9:1080 user "u" password-file "nowhere"
relay proto tcp to any port { 80 443 } via corp
default block
"""


DNS = """
dns forward 192.0.2.53
dns private-relay no
dns encrypted no
"""
# by families, of clients as well as of this host's own
BOTH, ONLY4, ONLY6 = {"v4", "v6"}, {"v4"}, {"v6"}
KINDS = {
    "tcp connection": BOTH, "udp": BOTH, "icmp echo": BOTH,
    "tcp connection to port 53": BOTH, "udp to port 53": BOTH,
    "tcp connection to port 853": BOTH, "udp to port 853": BOTH,
    "udp like quic": BOTH, "mptcp connection": BOTH, "tcp fast open": BOTH,
    "tcp connection bound to a device": BOTH, "udp bound to a device": BOTH,
    "tcp connection of an ipv6 socket": ONLY4, "udp of an ipv6 socket": ONLY4,
    "tcp to a mapped address": ONLY6, "udp to a mapped address": ONLY6,
    "raw tcp syn": BOTH, "raw udp": BOTH,
    "tcp fragments": BOTH, "udp fragments": BOTH,
    "later tcp fragment alone": BOTH, "later udp fragment alone": BOTH,
    "sctp": BOTH, "gre": BOTH,
}
QUESTIONS = {f"question for {what}" for what in (
    "the canary", "a name below the canary", "designated resolvers",
    "private relay", "private relay by http/2")}


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


def leaktest(net, *argv, limit_s=LIMIT_S):
    """Its exit status, and what it reports, from inside a namespace."""
    done = net.gateway.run(*argv, check=False, timeout=limit_s)
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
    "closed, a user": ("closed", USERS, "other-protocols block"),
    "closed, users, both": ("closed", f"{FORWARDED}\n{USERS}", ""),
    "open, users": ("open", USERS, "other-protocols block\n"
                    "exclude to 198.51.100.0/24 port 22"),
}
CONFIGURATIONS["closed, both, dns"] = (
    "closed", f"{FORWARDED}\n{LOCAL}", f"other-protocols block\n{DNS}")
CONFIGURATIONS["open, users, dns"] = ("open", f"{FORWARDED}\n{USERS}", DNS)
DAILY = ("open, others pass", "closed, both, dns")


@pytest.mark.parametrize("mode, capture, more", [
    pytest.param(*row, id=name, marks=() if name in DAILY else
                 pytest.mark.long) for name, row in CONFIGURATIONS.items()])
def test_nothing_leaks(net, build, place, mode, capture, more):
    text = configuration(f"{more}\n{POLICY}", mode, "1s", capture=capture)
    before = snapshot.take(net.gateway)
    status, report = leaktest(net, *words(build, text, place, "--quick"))
    assert report["leaks"] == [] and report["mute"] == []
    assert (status, report["result"]) == (0, "good")
    assert kinds(report).items() >= KINDS.items()
    names = [phase["name"] for phase in report["phases"]]
    assert "everything killed, rules flushed" in names
    armed = report["phases"][names.index("armed")]
    assert armed["arrived"] == armed["expected"] > 0
    flushed = report["phases"][names.index("everything killed, rules flushed")]
    assert flushed["own_left_out"] == (mode == "closed" and LOCAL in capture)
    assert flushed["arrived"] == flushed["expected"] or mode == "closed"
    assert {user["uid"]: user["captured"] for user in report["users"]} == (
        {} if LOCAL not in capture else
        {0: 1, 65534: 1} if USERS not in capture else
        {1000: 1, 65534: 1, 0: 0, 65535: 0})
    assert not snapshot.difference(before, snapshot.take(net.gateway))


def kinds(report):
    """Those that arrive when nothing stops them, and in which families."""
    return {kind["name"]: {family for family in BOTH if kind[family]}
            for kind in report["kinds"]}


def phases_of(mode, dns):
    """The names of all phases, in their order; every end has a start."""
    return (["without tpx"]
            + ["guard, before tpxd starts"] * (mode == "closed")
            + ["armed"]
            + ["tpxd killed", "started again", "tpxd stopped", "continued"]
            + ["netctl's worker killed"]
            + ["netctl's worker stopped", "continued"]
            + ["netctl killed", "started again"]
            + ["netctl stopped", "continued"]
            + ["relays killed", "relays stopped"]
            + ["flowlog killed", "flowlog stopped"]
            + ["dnsds killed", "dnsds stopped", "resolver killed",
               "resolver stopped"] * dns
            + ["everything stopped", "continued"]
            + ["everything killed", "started again"]
            + ["everything killed, rules flushed", "started again"]
            + ["ended"])


@pytest.mark.parametrize("name", [
    "closed", *(pytest.param(name, marks=pytest.mark.long) for name in DAILY)])
def test_nothing_leaks_in_any_phase(net, build, place, name):
    mode, capture, more = CONFIGURATIONS[name]
    text = configuration(f"{more}\n{POLICY}", mode, "1s", capture=capture)
    before = snapshot.take(net.gateway)
    status, report = leaktest(net, *words(build, text, place),
                              limit_s=FULL_LIMIT_S)
    assert report["leaks"] == [] and report["mute"] == []
    assert (status, report["result"]) == (0, "good")
    assert [phase["name"] for phase in report["phases"]] == phases_of(
        mode, DNS in more)
    assert {phase["name"] for phase in report["phases"]
            if phase["leaked"]} == set()
    assert all(phase["sent"] > 0 for phase in report["phases"])
    assert not snapshot.difference(before, snapshot.take(net.gateway))


def test_a_rule_of_sources_is_met(net, build, place):
    text = configuration("other-protocols block\n"
                         "pass from 192.0.2.0/24 to any\ndefault block",
                         lease="1s")
    status, report = leaktest(net, *words(build, text, place, "--quick"))
    assert (status, report["result"]) == (0, "good")
    armed, = [phase for phase in report["phases"] if phase["name"] == "armed"]
    assert armed["arrived"] > 0


def set_beside(build, place, rules):
    """Programs whose netctl comes with others' rules, from tpx's start on."""
    for name in PROGRAMS:
        shutil.copy(build / name, place)
    netctl = place / "tpx-netctl"
    (place / "real").mkdir()
    netctl.rename(place / "real" / netctl.name)
    netctl.write_text(rules)
    netctl.chmod(0o755)


def leaks_beside(net, build, place, rules, capture):
    """What is found when others' rules are there as well."""
    set_beside(build, place, rules)
    text = configuration(f"other-protocols block\n{POLICY}", lease="1s",
                         capture=capture)
    status, report = leaktest(net, *words(place, text, place, "--quick"))
    assert (status, report["result"]) == (1, "leak")
    assert report["leaked"] > 0
    for leak in report["leaks"]:
        assert leak["proto"] == 17
        assert bytes.fromhex(leak["bytes"])[0] >> 4 in (4, 6)
    return report["leaks"]


def test_a_leak_is_found_and_shown(net, build, place):
    for leak in leaks_beside(net, build, place, PASSES, FORWARDED):
        # what rules block is blocked while they are in force
        assert leak["stage"] in ("lapsed", "failing or starting")
        assert leak["sentinel"] == "udp to port 853" and leak["dport"] == 853
        assert leak["uid"] is None


def test_a_way_past_dns_that_nobody_denies_is_a_leak(net, build, place):
    """Who gets no answer may look elsewhere for one."""
    set_beside(build, place, foreign(
        "output priority 200", ["udp sport 53"], "drop"))
    text = configuration(f"other-protocols block\n{DNS}\n{POLICY}",
                         lease="1s", capture=f"{FORWARDED}\n{USERS}")
    status, report = leaktest(net, *words(place, text, place, "--quick"))
    assert (status, report["result"]) == (1, "leak")
    assert {leak["sentinel"] for leak in report["leaks"]} == QUESTIONS
    # clients, and whom the configuration names; nobody else has to ask here
    assert {leak["uid"] for leak in report["leaks"]} == {None, 1000, 65534}
    assert {leak["stage"] for leak in report["leaks"]} == {"armed"}
    assert {leak["dport"] for leak in report["leaks"]} == {53}


@pytest.mark.long
def test_a_leak_while_nobody_answers_questions_is_found(net, build, place):
    """All else goes on, and only questions go elsewhere."""
    set_beside(build, place, UNANSWERED)
    text = configuration(f"other-protocols block\n{DNS}\n{POLICY}",
                         lease="1s")
    status, report = leaktest(net, *words(place, text, place))
    assert (status, report["result"]) == (1, "leak")
    leaked = {phase["name"]: phase["leaked"] for phase in report["phases"]}
    assert leaked["dnsds stopped"] > 0
    assert {"dnsds killed", "resolver killed", "resolver stopped"} <= set(
        leaked)
    assert not {"tpx-dot killed", "tpx-dot stopped"} & set(leaked)
    assert {leak["dport"] for leak in report["leaks"]} == {53}


def test_a_leak_of_own_sockets_names_whose_and_how(net, build, place):
    leaks = leaks_beside(net, build, place, BEGAN_BEFORE,
                         f"{FORWARDED}\n{USERS}")
    # by a socket of every user that is captured, and of nobody else
    assert {leak["uid"] for leak in leaks
            if leak["sentinel"] == "udp to port 853"} == {1000, 65534}
    # from the addresses of others, wherever the raw socket is bound to
    assert {(leak["uid"], leak["socket"]) for leak in leaks
            if leak["src"] == FORGED4 and leak["sentinel"] == "raw udp"} == {
                (1000, "bound"), (1000, "unbound")}
    assert {leak["forged"] for leak in leaks if leak["src"] == FORGED4} == {1}
    # to a client, where the server sees nothing
    inward = [leak for leak in leaks if leak["sentinel"] == "udp to a client"]
    assert {leak["uid"] for leak in inward} == {1000, 65534}
    assert {leak["sentinel"] for leak in leaks} == {
        "udp to port 853", "raw udp", "udp fragments", "udp to a client",
        "raw udp to a client"}


def test_users_that_are_not_captured_and_do_not_arrive_prove_nothing(
        net, build, place):
    set_beside(build, place, foreign(
        "output priority 0", ["meta skuid 0 udp dport 853"], "drop"))
    text = configuration(f"other-protocols block\n{POLICY}", lease="1s",
                         capture=USERS)
    done = net.gateway.run(*words(place, text, place, "--quick"), check=False,
                           timeout=LIMIT_S)
    assert done.returncode == 1
    assert json.loads(done.stdout)["result"] == "incomplete"
    assert ("uid 0 is not captured, but its udp to port 853 does not arrive"
            in done.stderr)


FLOOD = """
import socket
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(1500):
    out.sendto(bytes(60000), ("198.19.0.2", 9))
"""


@contextlib.contextmanager
def small_links(pid, gateway):
    """No end of a link beyond the gateway takes what is longer than 1280."""
    handles = [f"/proc/{pid}/fd/{number}"
               for number in os.listdir(f"/proc/{pid}/fd")]
    others = [handle for handle in handles
              if os.readlink(handle).startswith("net:")
              and os.readlink(handle) != os.readlink(gateway)]
    assert others

    def set_mtu(size):
        for handle in others:
            enter = ["nsenter", f"--net={handle}"]
            links = subprocess.run(
                [*enter, "ip", "-json", "link", "show", "type", "veth"],
                check=True, capture_output=True).stdout
            for link in json.loads(links or "[]"):
                subprocess.run([*enter, "ip", "link", "set", link["ifname"],
                                "mtu", str(size)], check=True)
    set_mtu(1280)
    try:
        yield
    finally:
        set_mtu(1500)


LONG = FLOOD.replace("1500", "1").replace("60000", "1400")
DISTURBANCES = {
    "the capture has lost packets": (FLOOD, False),
    "a link has lost packets": (LONG, True),
}


@pytest.mark.parametrize("says, script, are_small", [
    (says, *how) for says, how in DISTURBANCES.items()],
    ids=["capture", "link"])
def test_packets_that_are_lost_on_the_way_prove_nothing(
        net, build, place, says, script, are_small):
    text = configuration(POLICY, lease="1s")
    with net.gateway.spawn(*words(build, text, place, "--quick")) as process:
        def tpxd():
            return [pid for pid in proc.descendants(process.pid)
                    if proc.name(pid) == "tpxd"]
        # what it forks is called so, too, until it is executed
        pid, *_ = proc.wait_until(tpxd, what="a tpxd of the test")
        test, = proc.children(process.pid)
        gateway = f"/proc/{pid}/ns/net"
        with proc.stopped([test]), contextlib.ExitStack() as stack:
            if are_small:
                stack.enter_context(small_links(test, gateway))
            subprocess.run(["nsenter", f"--net={gateway}",
                            sys.executable, "-c", script], check=True)
        assert process.wait(LIMIT_S) == 1
        assert '"result":"incomplete"' in process.output()
        assert says in process.output()


def test_sentinels_that_are_not_sent_prove_nothing(net, build, place):
    text = configuration(POLICY, lease="1s", capture=USERS)
    # as many descriptors as the sockets for whole packets take, and some more
    done = net.gateway.run("prlimit", "--nofile=80:80",
                           *words(build, text, place, "--quick"),
                           check=False, timeout=LIMIT_S)
    assert done.returncode == 1
    assert json.loads(done.stdout)["result"] == "incomplete"
    assert "sentinels could not be sent" in done.stderr


def test_the_running_configuration_is_tested_beside_the_running_tpxd(
        net, tpx):
    # a tpxd that runs reads the password of its upstream
    policy = "other-protocols block\n" + "".join(
        line for line in POLICY.splitlines(True) if "corp" not in line)
    instance = tpx(policy, lease="1s")
    argv = [instance.build / "tpxctl", "-s", instance.socket, "--json",
            "leaktest", "-x", instance.build]
    status, report = leaktest(net, *argv, "--quick")
    assert (status, report["result"]) == (0, "good")
    assert instance.status()["state"] == "armed"
    assert {child["restarts"] for child in instance.status()["processes"]} \
        == {0}
    # as long as the other, and not the same
    instance.configure(configuration(policy, lease="2s"))
    done = net.gateway.run(*argv, check=False)
    assert done.returncode == 1
    assert "not what tpxd runs with" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_who_is_interrupted_leaves_nothing(net, build, place, number):
    before = snapshot.take(net.gateway)
    # the uid of who sends changes, and the kernel forgets its parent by that
    text = configuration(POLICY, lease="1s",
                         capture=USERS)
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


def test_why_the_guard_cannot_be_loaded_is_said(net, build, place):
    for name in PROGRAMS:
        shutil.copy(build / name, place)
    netctl = place / "tpx-netctl"
    netctl.write_text("#!/bin/sh\necho the kernel has no tables >&2\nexit 1\n")
    argv = words(place, configuration(POLICY, lease="1s"), place, "--quick")
    done = net.gateway.run(*argv, check=False, timeout=LIMIT_S)
    assert done.returncode == 1
    assert json.loads(done.stdout)["result"] == "incomplete"
    assert "the kernel has no tables" in done.stderr


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
