# SPDX-License-Identifier: ISC
"""tpxctl: what each command prints, who may ask, and its exit codes."""

import contextlib
import json
import re
import socket
import subprocess

import pytest

from conftest import (DIGEST, ECHO, EXCHANGE, FORWARDED, LISTEN, LOCAL,
                      REFUSED, STALL, TALK_FIRST, client_of)
from rig import proc, servers, traffic
from rig.servers import UdpServer

RULES = f"""\
table <big> {{ 10.0.0.0/8 172.16.0.0/12 fd00::/8 }}
block proto tcp from <big> to any port {DIGEST}
pass to <big> port {EXCHANGE}
relay proto tcp to any port {{ {ECHO} 80-90 }} idle 1m
default relay
"""
# keys of `status --json` that users may rely on
STATUS = {
    "": {"version", "state", "on_failure", "lease_ms", "uptime_s", "config",
         "processes", "flows", "dns", "log", "alarms"},
    "config": {"path", "generation", "loaded_at"},
    "flows": {"open", "accepted", "relayed", "passed", "blocked",
              "unlogged", "refused", "long_hello"},
    "dns": {"queries", "cache_hits", "blocked", "servfail", "limited",
            "repeated", "unlogged"},
    "log": {"rows", "dropped", "queued", "bytes", "path"},
}
PROCESS = {"name", "index", "pid", "state", "restarts", "heartbeat_age_ms",
           "rss_kib", "cpu_s"}
FLOW = {"id", "start", "proto", "src", "sport", "dst", "dport", "action",
        "up_bytes", "down_bytes"}
NOBODY_THERE = 3  # tpxctl(8), EXIT STATUS
OTHERS = "setpriv --reuid nobody --regid nogroup --clear-groups".split()
GROUP_TPX = "setpriv --reuid nobody --regid nogroup --groups tpx".split()


def objects(text):
    """JSON output as a list: one array, or an object a line."""
    text = text.strip()
    if text.startswith("["):
        return json.loads(text)
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.smoke
def test_status_has_its_keys_and_tells_the_truth(net, server, tpx):
    instance = tpx(RULES)
    assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"
    with traffic.connect(net.client, net.SERVER6, STALL):
        status = proc.wait_until(
            lambda: instance.status()["flows"]["open"] == 1
            and instance.status(), 5, "one open flow")
    for key, names in STATUS.items():
        part = status[key] if key else status
        assert names <= set(part), f"{key} lacks {names - set(part)}"
    for process in status["processes"]:
        assert PROCESS <= set(process), PROCESS - set(process)
    assert status["state"] == "armed" and status["on_failure"] == "closed"
    assert status["lease_ms"] == 2000 and status["alarms"] == []
    assert status["config"]["path"] == str(instance.config)
    assert status["flows"]["accepted"] == 2
    relays = [row for row in status["processes"] if "relay" in row["name"]]
    assert sorted(row["pid"] for row in relays) == sorted(
        instance.by_role()["relay"])
    assert all(row["restarts"] == 0 for row in status["processes"])


def test_the_very_first_status_is_whole(tpx):
    def answered():
        done = instance.ctl("status", check=False)
        return done.returncode != NOBODY_THERE and done
    instance = tpx(wait=None)
    done = proc.wait_until(answered, what="an answer")
    assert (done.returncode, done.stderr) == (0, "")
    assert "processes" in done.stdout


def test_status_for_people_fits_twenty_lines(tpx):
    lines = tpx(RULES).ctl("status").stdout.splitlines()
    assert 3 <= len(lines) <= 20
    assert any("armed" in line for line in lines)


def test_flows_shows_rows_and_live_ones_apart(net, server, tpx, address):
    instance = tpx(RULES)
    assert traffic.outcome(net.client, address, ECHO) == "served"
    assert traffic.outcome(net.client, address, REFUSED) == "reset"
    instance.rows(2)
    with traffic.connect(net.client, address, LISTEN) as sock:
        live = proc.wait_until(lambda: objects(instance.ctl(
            "--json", "flows", "--live").stdout), 5, "a live flow")
        assert len(live) == 1 and FLOW <= set(live[0]), live
        assert (live[0]["src"], live[0]["sport"], live[0]["dport"]) == (
            client_of(net, address), sock.getsockname()[1], LISTEN)
        assert str(LISTEN) in instance.ctl("flows", "--live").stdout
    rows = instance.rows(3)
    logged = objects(instance.ctl("--json", "flows").stdout)
    assert {row["id"] for row in logged} == {row["id"] for row in rows}
    assert all(FLOW | {"close", "rule"} <= set(row) for row in logged)
    assert len(objects(
        instance.ctl("--json", "flows", "-n", "1").stdout)) == 1
    assert address in instance.ctl("flows").stdout
    assert objects(instance.ctl("--json", "flows", "--live").stdout) == []


def test_live_flows_count_their_bytes(net, server, tpx):
    """Each way, while they are open; and those of UDP too."""
    instance = tpx()
    with UdpServer(net.server, ECHO), \
            traffic.connect(net.client, net.SERVER4, TALK_FIRST) as sock, \
            net.client.socket(kind=socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(5)
        datagrams.connect((net.SERVER4, ECHO))
        datagrams.send(b"x" * 300)
        assert len(datagrams.recv(1000)) == 300
        datagrams.send(b"")
        assert datagrams.recv(1000) == b""

        def counted():
            return {flow["proto"]: (
                flow["up_bytes"], flow["down_bytes"], flow["final"])
                for flow in objects(instance.ctl(
                    "--json", "flows", "--live").stdout)}
        assert len(servers.read_exactly(sock, 100_000)) == 100_000
        for sent in (1000, 2000):
            sock.sendall(b"x" * 1000)
            proc.wait_until(lambda s=sent: counted() == {
                "tcp": (s, 100_000, 0), "udp": (300, 300, 0)})
        line, = [line for line in instance.ctl(
            "flows", "--live").stdout.splitlines() if " tcp " in line]
        assert "2000" in line.split() or "2.0K" in line.split(), line


def test_flows_are_readable_after_a_stop(net, server, tpx):
    instance = tpx(RULES)
    assert traffic.outcome(net.client, net.SERVER4, ECHO) == "served"
    assert instance.stop() == 0
    assert len(instance.rows(1)) == 1
    assert instance.ctl("status", check=False).returncode == 3


# what differs between a plan and its effect: who owns it, ports, counts, time
CHANGING = (
    (r"^\s*flags owner$|# progname.*| # .*", ""),
    (r"\bflags owner,", "flags"),
    (r"counter packets \d+ bytes \d+", "counter"),
    (r"^\s*elements = \{[^}]*\}$", ""),
)


def normal(listing):
    """An nft listing as a list of lines that may be compared."""
    for pattern, replacement in CHANGING:
        listing = re.sub(pattern, replacement, listing, flags=re.M)
    return [line.strip() for line in listing.splitlines() if line.strip()]


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_plan_is_what_is_loaded(net, tpx, mode):
    instance = tpx(RULES, mode=mode)
    plan = json.loads(instance.ctl("--json", "plan").stdout)
    # where nothing was before, and without an owner, who would leave at once
    net.server.nft(re.sub(r"\{ flags owner; \}|^\s*flags owner$", "",
                          plan["nft"], flags=re.M))
    listings = [normal(space.run("nft", "-s", "list", "ruleset").stdout)
                for space in (net.server, net.gateway)]
    assert sorted(listings[0]) == sorted(listings[1])
    assert len(listings[0]) > 20
    assert ("table inet tpx_guard {" in listings[0]) == (mode == "closed")
    for command in ("ip rule", "ip -6 rule"):
        assert "fwmark 0x1000000/0x7000000 lookup 7478" in \
            net.gateway.run(*command.split()).stdout


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_plan_is_taken_by_nft_as_it_is(net, tpx, mode):
    plan = json.loads(tpx(RULES, mode=mode).ctl("--json", "plan").stdout)
    net.server.run("nft", "-c", "-f", "-", input=plan["nft"])
    assert net.server.run("nft", "list", "ruleset").stdout == ""


def test_plan_needs_no_running_tpxd_and_changes_nothing(net, build, tpx):
    instance = tpx(RULES, mode="open")
    assert instance.stop() == 0
    before = net.gateway.run("nft", "list", "ruleset").stdout
    done = net.gateway.run(build / "tpxctl", "plan", "-f", instance.config)
    assert "table inet tpx" in done.stdout
    assert net.gateway.run("nft", "list", "ruleset").stdout == before


def test_plan_lists_what_is_captured_and_excluded(build, tmp_path):
    path = tmp_path / "tpx.conf"
    path.write_text("capture forwarded on { e1 e2 }\ndefault block\n"
                    "capture local user { root 1000-1998 1999 }\n"
                    "exclude to 192.168.0.0/16 port 22 # ssh\n")
    text, plan = (subprocess.run(
        [build / "tpxctl", *words, "plan", "-f", path], text=True,
        capture_output=True, check=True).stdout for words in ([], ["--json"]))
    assert "\n# forwarded from e1 e2\n# local: uids 0 1000-1999," in text
    assert "\n# exclude to 192.168.0.0/16 port 22\n" in text
    plan = json.loads(plan)
    assert plan["captured"] == {"interfaces": ["e1", "e2"], "local": "users",
                                "users": ["0", "1000-1999"],
                                "groups": []}
    assert [row["rule"] for row in plan["exclusions"]] == [
        "exclude to 192.168.0.0/16 port 22"]
    assert [row["rule"] for row in plan["rules"]] == ["default block"]


def test_version_is_the_same_everywhere(net, build, tpx):
    instance = tpx()
    version = instance.status()["version"]
    assert version in instance.ctl("version").stdout
    assert json.loads(instance.ctl("--json", "version").stdout)[
        "version"] == version
    done = subprocess.run([build / "tpxctl", "version"], text=True,
                          capture_output=True, check=True)
    assert version in done.stdout


# who asks, the words, the exit code
CODES = {
    "group tpx may read": (GROUP_TPX, ["status"], 0),
    "others may not": (OTHERS, ["status"], 4),
    "nor read the log": (OTHERS, ["flows"], 4),
    "group tpx may not kill": (GROUP_TPX, ["kill", "1"], 4),
    "unknown command": ([], ["stauts"], 2),
    "no command": ([], [], 2),
    "unknown option": ([], ["flows", "--wrong"], 2),
}


@pytest.mark.parametrize("prefix, words, code", CODES.values(), ids=CODES)
def test_exit_codes(net, tpx, prefix, words, code):
    instance = tpx()
    done = net.gateway.run(*prefix, instance.build / "tpxctl", "-s",
                           instance.socket, *words, check=False)
    assert done.returncode == code, done.stderr
    assert bool(done.stderr) == bool(code)


# the words, what is said of them
WRONG = {
    "a command": (["stauts"], "unknown command 'stauts'; did you mean "
                  "'status'?"),
    "no command at all": (["xyzzy"], "unknown command 'xyzzy'"),
    "surplus": (["status", "now"], "tpxctl [-s socket] [--json] status\n"),
    "a time": (["flows", "--since", "5x"], "bad --since '5x'; expected a time"),
    "an address": (["dns", "--client", "300.1.1.1"],
                   "bad --client '300.1.1.1'; expected an address"),
    "a name": (["flows", "--host", "a b"], "bad --host 'a b'; expected a name"),
    "an action": (["flows", "--action", "relai"],
                  "bad --action 'relai'; expected relay, pass or block"),
    "a number": (["dns", "-n", "0"], "bad -n '0'; expected a number"),
    "live and not": (["flows", "--live", "--since", "1h"],
                     "--live goes with neither"),
    "a selector": (["explain", "tcp", "10.0.0.1", "10.0.0.2:1", "of", "x"],
                   "unexpected 'of'"),
}


@pytest.mark.parametrize("words, text", WRONG.values(), ids=WRONG)
def test_wrong_words_are_named(build, words, text):
    done = subprocess.run([build / "tpxctl", *words], text=True,
                          capture_output=True, timeout=10)
    assert done.returncode == 2 and text in done.stderr
    others = [line for line in done.stderr.splitlines()
              if "tpxctl confirm" in line]
    assert not others or words == ["xyzzy"]


@pytest.mark.parametrize("words", [["version"], ["--json", "status"]],
                         ids=lambda words: words[-1])
def test_output_that_is_not_written_fails(tpx, words):
    instance = tpx()
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(
            [instance.build / "tpxctl", "-s", instance.socket, *words],
            text=True, stdout=full, stderr=subprocess.PIPE, timeout=10)
    assert done.returncode == 1
    assert done.stderr == "tpxctl: standard output: No space left on device\n"


def test_nobody_there_exits_3(net, build):
    done = net.gateway.run(build / "tpxctl", "-s", "/nonexistent/sock",
                           "status", check=False)
    assert done.returncode == NOBODY_THERE
    assert len(done.stderr.splitlines()) == 1


def test_unblock_is_refused_to_others(net, tpx, build):
    instance = tpx()
    assert instance.stop() == 0
    done = net.gateway.run(*GROUP_TPX, build / "tpxctl", "unblock",
                           check=False)
    assert done.returncode == 4
    assert "tpx_guard" in net.gateway.run("nft", "list", "tables").stdout


def test_kill_ends_one_flow_by_its_id(net, server, tpx):
    instance = tpx(workers=1)
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(traffic.connect(
            net.client, net.SERVER4, ECHO)) for _ in range(20)]
        assert all(traffic.echoes(sock) for sock in others)
        one = others.pop(7)
        flows = objects(instance.ctl("--json", "flows", "--live").stdout)
        port = one.getsockname()[1]
        number, = [flow["id"] for flow in flows if flow["sport"] == port]
        assert instance.ctl("kill", number).stdout == "1 flow ended\n"
        with pytest.raises(ConnectionResetError):
            one.recv(1)
        assert all(traffic.echoes(sock) for sock in others)
    rows = instance.rows(20)
    assert [row["id"] for row in rows if row["close"] == "killed"] == [number]
    done = instance.ctl("kill", number, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no such flow" in done.stderr


def test_kill_ends_all_flows_of_a_client(net, server, tpx):
    instance = tpx("default relay", capture=f"{FORWARDED}\n{LOCAL}")
    with contextlib.ExitStack() as stack:
        killed = [stack.enter_context(traffic.connect(
            net.client, net.SERVER4, ECHO)) for _ in range(5)]
        other = stack.enter_context(traffic.connect(
            net.gateway, net.SERVER4, ECHO))
        udp = stack.enter_context(UdpServer(net.server, ECHO))
        datagrams = stack.enter_context(net.client.socket(
            kind=socket.SOCK_DGRAM))
        datagrams.connect((net.SERVER4, ECHO))
        datagrams.send(b"hello")
        proc.wait_until(lambda: udp.visits, 5, "the datagram")
        assert json.loads(instance.ctl(
            "--json", "kill", "--client", net.CLIENT4).stdout) == \
            {"killed": 6}
        for sock in killed:
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        assert traffic.echoes(other)
    rows = instance.rows(7)
    assert [row["close"] for row in rows if row["src"] == net.CLIENT4] == \
        ["killed"] * 6


KILLS = {
    "nothing": [], "two flows": ["1", "2"], "a word": ["all"],
    "zero": ["0"], "a flow and a client": ["1", "--client", "10.74.1.2"],
    "a network": ["--client", "10.74.1.0/24"], "too much": [str(1 << 53)],
}


@pytest.mark.parametrize("words", KILLS.values(), ids=KILLS)
def test_kill_takes_one_flow_or_one_client(net, tpx, words):
    assert tpx().ctl("kill", *words, check=False).returncode == 2
