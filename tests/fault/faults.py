# SPDX-License-Identifier: ISC
"""What happens in the cases of the matrix, how it is undone, what it leads to.

Every function takes the Stage of test_matrix.py, on which traffic is running.
stage.mark() says that what counts happens now; the moment before the call is
marked anyway.
"""

import contextlib
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import time

import dns.rcode

import rows
from conftest import ECHO
from rig import pipes, proc, servers, traffic

REPAIR_S = 0.1
CPU_SHARE = 0.02
FULL_SHARE = 0.1
ROWS_S = 5.0  # after there is room for them
DESCRIPTOR_HOGS = 180
BULK = 90
BULK_BYTES = 4 << 20

FOREIGN = """flush ruleset
table inet foreign {
	chain input {
		type filter hook input priority filter; policy accept;
	}
}
"""

def _pids(stage, *roles):
    found = stage.instance.by_role()
    return [pid for role in roles for pid in found[role]]


def events(instance, kind):
    return instance.sql("SELECT * FROM events WHERE kind = ? ORDER BY id", kind)


def drifts(instance, kind="drift"):
    return [row["severity"] for row in events(instance, kind)]


def nothing(stage):
    pass


# deaths


def stop_relay(stage):
    """Clients wait for it in the backlog."""
    proc.kill(_pids(stage, "relay"), signal.SIGSTOP)
    stage.keep["waiting"] = [
        traffic.connect(stage.sender, target, ECHO, sport=next(stage.sports))
        for target in stage.targets]


def kill_relay(stage):
    stop_relay(stage)
    stage.mark()
    proc.kill(_pids(stage, "relay"))


def waiting_were_served(stage):
    for sock in stage.keep["waiting"]:
        with sock:
            assert traffic.echoes(sock), "the backlog was lost"
    stays_but(stage, "relay")


def flows_of_the_relay_ended(stage):
    waiting_were_served(stage)
    for flow in stage.flows:
        assert flow.ended, "a flow outlives its relay"
        assert flow.ended - stage.happened < 1
    lost = proc.wait_until(lambda: stage.instance.sql(
        "SELECT sport FROM flows WHERE close = 'worker-lost'"), 5, "rows")
    assert {row["sport"] for row in lost} >= {
        flow.sport for flow in stage.flows}


def stays_but(stage, *roles):
    """Every process is still itself, and there are others for these roles."""
    after = {role: stage.instance.wait_replaced(role, stage.before[role], 5)
             for role in roles}
    assert stage.instance.by_role() == {**stage.before, **after}


def _others(*roles):
    def check(stage):
        stays_but(stage, *roles)
    return check


dnsds_are_others = _others("dnsd")
resolver_is_another = _others("resolver")
dns_is_others = _others("dnsd", "resolver")
dot_is_another = _others("dot")


def errors_came_soon(stage):
    """How soon is looked at with every other answer."""
    assert any(question.rcode == dns.rcode.SERVFAIL
               for question in stage.questions.all
               if question.asked > stage.happened)
    resolver_is_another(stage)


def kill_dnsds(stage):
    proc.kill(_pids(stage, "dnsd"))
    stage.missing["dns"] = rows.untold(stage)


def kill_resolver(stage):
    proc.kill(_pids(stage, "resolver"))


def kill_dnsds_then_resolver(stage):
    """As soon as there are others."""
    kill_dnsds(stage)
    stage.instance.wait_replaced("dnsd", stage.before["dnsd"], 5)
    stage.mark()
    kill_resolver(stage)


def kill_dot(stage):
    proc.kill(_pids(stage, "dot"))


def kill_netctl(stage):
    proc.kill(_pids(stage, "netctl"))


def only_netctl_is_another(stage):
    """Capture is the new worker's once the old one's lease is over."""
    since = stage.happened + 2.5
    proc.wait_until(lambda: stage.relayed_since(since), 5, "capture goes on")
    stays_but(stage, "netctl")


def kill_netctls(stage):
    """Each as soon as it is there, until their keeper has had enough."""
    keeper = _pids(stage, "keeper")

    def has_given_up():
        proc.kill(_pids(stage, "netctl"))
        return not any(map(proc.alive, keeper))
    proc.wait_until(has_given_up, 10, "the end of the keeper")
    stage.mark()


def kill_keeper(stage):
    proc.kill(_pids(stage, "keeper", "netctl"))


def tpxd_said_failure(stage):
    assert stage.instance.tpxd.wait(5) != 0


def kill_tpxd(stage):
    children = stage.instance.pids()[1:]
    proc.kill([stage.instance.tpxd.pid])
    proc.wait_until(lambda: not any(map(proc.alive, children)), 1,
                    "children are gone")


def term_tpxd(stage):
    stage.instance.tpxd.send_signal(signal.SIGTERM)
    assert stage.instance.tpxd.wait(5) == 0


def kill_everything(stage):
    proc.kill_at_once(stage.instance.pids())


def kill_flowlog(stage):
    stage.keep["last id"] = stage.instance.sql(
        "SELECT ifnull(max(id), 0) AS id FROM flows")[0]["id"]
    proc.kill(_pids(stage, "flowlog"))


def flow_log_is_another(stage):
    stays_but(stage, "flowlog")
    assert stage.instance.sql("PRAGMA quick_check") == [{"quick_check": "ok"}]
    proc.wait_until(lambda: stage.instance.sql(
        "SELECT max(id) AS id FROM flows")[0]["id"] > stage.keep["last id"],
        5, "rows go on")


def degraded_and_idle(stage):
    """A relay that always dies at its start."""
    proc.wait_until(
        lambda: any("degraded: tpx-relay" in alarm
                    for alarm in stage.instance.status()["alarms"]),
        2, "the alarm")
    began = time.monotonic()
    used = proc.cpu_s(stage.instance.tpxd.pid)
    relay, = [process for process in stage.instance.status()["processes"]
              if process["name"] == "relay" and process["index"] == 0]
    proc.stays(lambda: stage.instance.status()["state"] != "armed", 2.0,
               "not armed")
    used = proc.cpu_s(stage.instance.tpxd.pid) - used
    assert used <= CPU_SHARE * (time.monotonic() - began) + 0.02
    # doubling from 0.1 s, it is started ten times in the first minute
    assert relay["restarts"] <= 10


def spoil_relays(stage):
    """One dies, and those after it at their start."""
    spoilt = stage.instance.build / "spoilt"
    shutil.copy("/bin/false", spoilt)
    spoilt.rename(stage.instance.build / "tpx-relay")
    stage.mark()
    proc.kill(_pids(stage, "relay"))


# stalls


def stop_netctl(stage):
    proc.kill(_pids(stage, "keeper", "netctl"), signal.SIGSTOP)


def stop_netctl_worker(stage):
    proc.kill(_pids(stage, "netctl"), signal.SIGSTOP)


def stop_tpxd(stage):
    proc.kill([stage.instance.tpxd.pid], signal.SIGSTOP)


def stop_dnsds(stage):
    proc.kill(_pids(stage, "dnsd"), signal.SIGSTOP)
    stage.missing["dns"] = rows.untold(stage)


def stop_resolver(stage):
    proc.kill(_pids(stage, "resolver"), signal.SIGSTOP)


def stop_dot(stage):
    proc.kill(_pids(stage, "dot"), signal.SIGSTOP)


def go_on(stage):
    proc.kill(stage.instance.pids(), signal.SIGCONT)


def all_are_the_same(stage):
    assert stage.instance.by_role() == stage.before


def nobody_is_replaced(stage):
    """Nobody was silent: it was tpxd that did not listen."""
    proc.stays(lambda: stage.instance.by_role() == stage.before, 1.0,
               "every process")


# resources


def fill_log(stage):
    with open(stage.instance.log / "filler", "wb", buffering=0) as filler, \
            contextlib.suppress(OSError):
        while True:
            filler.write(bytes(1 << 16))


def empty_log(stage):
    stage.keep["emptied"] = time.time()
    (stage.instance.log / "filler").unlink()


def rows_resume(stage):
    emptied = stage.keep["emptied"]
    proc.wait_until(
        lambda: stage.instance.sql("SELECT 1 FROM flows WHERE start_us > ?",
                                   emptied * 1e6),
        emptied + ROWS_S - time.time(), "rows")
    assert stage.instance.sql("PRAGMA quick_check") == [{"quick_check": "ok"}]
    all_are_the_same(stage)


def spoil_database(stage):
    stage.keep["written"] = rows.written(stage)
    for name in "flows.db", "flows.db-wal":
        path = stage.instance.log / name
        with open(path, "r+b", buffering=0) as file:
            file.write(os.urandom(path.stat().st_size))


def database_was_set_aside(stage):
    proc.wait_until(lambda: list(stage.instance.log.glob("flows.db.bad-*")),
                    5, "a file that was set aside")
    found, = proc.wait_until(lambda: events(stage.instance, "log-damaged"), 5,
                             "its event in a new file")
    assert found["severity"] == "alarm"
    stage.missing |= rows.aside(stage, stage.keep["written"],
                                found["time_us"])
    nobody_is_replaced(stage)


def use_up_descriptors(stage):
    stage.keep["hogs"] = []
    for _ in range(DESCRIPTOR_HOGS):
        sock = stage.sender.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", next(stage.sports)))
        sock.connect_ex((stage.net.SERVER4, ECHO))
        stage.keep["hogs"].append(sock)
    proc.wait_until(lambda: any("overload" in alarm for alarm in
                                stage.instance.status()["alarms"]),
                    stage.case.lease_s(), "the alarm")
    relay, = _pids(stage, "relay")
    stage.keep["used"] = time.monotonic(), proc.cpu_s(relay)


def give_back_descriptors(stage):
    since, used = stage.keep["used"]
    relay, = _pids(stage, "relay")
    assert proc.cpu_s(relay) - used < FULL_SHARE * (time.monotonic() - since)
    for sock in stage.keep["hogs"]:
        sock.close()


def overload_was_said(stage):
    _overload_was(stage, "has no room for more flows")


def use_up_ports(stage):
    """Two are left for each server, and three connections want one."""
    stage.net.gateway.sysctl("net.ipv4.ip_local_port_range", "61000 61001")
    for target in stage.targets:
        for _ in range(3):
            with contextlib.suppress(ConnectionResetError):
                stage.stack.enter_context(traffic.connect(
                    stage.sender, target, ECHO, sport=next(stage.sports)))


def give_back_ports(stage):
    stage.net.gateway.sysctl("net.ipv4.ip_local_port_range", "32768 60999")


def overload_is_in_rows(stage):
    rows = proc.wait_until(lambda: stage.instance.sql(
        "SELECT DISTINCT proto, error FROM flows WHERE close = 'overload'"),
        5, "its rows")
    assert {row["error"] for row in rows} == {"EADDRNOTAVAIL"}
    assert "tcp" in {row["proto"] for row in rows}
    # none to one server is no overload of the relay
    assert not events(stage.instance, "overload")
    all_are_the_same(stage)


def _limit_memory(stage, size):
    """Of the one relay; the soft limit, so that it can be taken back."""
    pid, = _pids(stage, "relay")
    stage.net.gateway.run(
        "setpriv", "--reuid", "tpx", "--regid", "tpx", "--clear-groups",
        "prlimit", "--pid", pid, f"--as={size}:")


def _relayed_exchange(stage):
    """A server of bulk whose port no rule lets pass."""
    stage.stack.enter_context(servers.Server(
        stage.net.server, BULK, servers.exchange))


def _alarmed(stage, words):
    return [alarm for alarm in stage.instance.status()["alarms"]
            if words in alarm]


def limit_memory(stage):
    """To what the relay has now; clients that do not read cost it more."""
    _relayed_exchange(stage)
    pid, = _pids(stage, "relay")
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[0])
    stage.keep["wmem"] = stage.net.gateway.run(
        "sysctl", "-n", "net.ipv4.tcp_wmem").stdout.strip()
    stage.net.gateway.sysctl("net.ipv4.tcp_wmem", "4096 16384 32768")
    stage.keep["stalled"] = []

    def lacks():
        # it has begun when the relay says so, and the alarm comes later
        if (len(stage.marks) == 1
                and "accepting pauses" in stage.instance.tpxd.output()):
            stage.mark()
        with contextlib.suppress(OSError):
            sock = traffic.connect(stage.sender, stage.net.SERVER6, BULK, 1,
                                   buffer_bytes=4096)
            stage.keep["stalled"].append(sock)
            sock.sendall(servers.EXCHANGE.pack(0, BULK_BYTES))
        return _alarmed(stage, "no memory")
    _limit_memory(stage, pages * resource.getpagesize())
    proc.wait_until(lacks, 20, "the alarm")
    assert len(stage.marks) == 2


def give_back_memory(stage):
    for sock in stage.keep["stalled"]:
        sock.close()
    _limit_memory(stage, "unlimited")
    stage.net.gateway.sysctl("net.ipv4.tcp_wmem", stage.keep["wmem"])


def _overload_was(stage, what):
    proc.wait_until(lambda: [row["message"] for row in events(
        stage.instance, "overload")] == [what, "has room again"],
        what="the rows of the overload and of its end")
    all_are_the_same(stage)


def memory_was_said(stage):
    _overload_was(stage, "has no memory for more flows")
    rows = proc.wait_until(lambda: stage.instance.sql(
        "SELECT DISTINCT error FROM flows WHERE close = 'overload'"), 5,
        "its rows")
    assert rows == [{"error": "ENOMEM"}]


def use_up_pipes(stage):
    """Flows that earn a pipe get none."""
    _relayed_exchange(stage)
    stage.keep["pipes"] = stage.stack.enter_context(pipes.held())

    def lacks():
        for target in stage.targets:
            assert traffic.exchange(stage.sender, target, BULK, 10,
                                    BULK_BYTES) == BULK_BYTES
        return _alarmed(stage, "no pipes")
    proc.wait_until(lacks, 10, "the alarm")
    stage.mark()


def give_back_pipes(stage):
    stage.keep["pipes"]()


def pipes_were_said(stage):
    _overload_was(stage, "has no pipes: big flows are copied")


def overrun_netlink(stage):
    """netctl is stopped while more happens than its socket can hold."""
    gateway = stage.net.gateway
    storm = "".join(
        f"rule add priority {1000 + i} lookup main\n" for i in range(4000))
    netctl = _pids(stage, "netctl")
    proc.kill(netctl, signal.SIGSTOP)
    gateway.run("ip", "-batch", "-", input=storm)
    gateway.run("ip", "-batch", "-",
                input=storm.replace("rule add", "rule del"))
    flush_ruleset(stage)
    delete_own_rules("-4")(stage)
    stage.mark()
    proc.kill(netctl, signal.SIGCONT)
    proc.wait_until(lambda: state_of(stage.net) == stage.wanted, 2,
                    "the repair")


def compared_anew(stage):
    proc.wait_until(lambda: drifts(stage.instance, "resync"),
                    what="the row of a comparison")


# what others change


def state_of(net):
    """Everything of tpx in the kernel but what changes by itself."""
    guard = net.gateway.run("nft", "-s", "list", "table", "inet", "tpx_guard",
                            check=False).stdout
    return [guard] + [net.gateway.ip(*words) for words in (
        ("rule",), ("-6", "rule"),
        ("route", "show", "table", "all", "proto", "116"),
        ("route", "show", "table", "all", "proto", "117"),
        ("-6", "route", "show", "table", "all", "proto", "116"),
        ("-6", "route", "show", "table", "all", "proto", "117"))]


def flush_ruleset(stage):
    stage.net.gateway.nft("flush ruleset")


def foreign_reload(stage):
    stage.net.gateway.nft(FOREIGN)
    stage.net.gateway.nft("delete table inet foreign")


def delete_guard(stage):
    stage.net.gateway.nft("delete table inet tpx_guard")


def _in_every_chain(command):
    def change(stage):
        stage.net.gateway.nft("".join(
            command.format(chain) + "\n"
            for chain in re.findall(r"chain (\w+) {", stage.wanted[0])))
    return change


flush_guard = _in_every_chain("flush chain inet tpx_guard {}")
let_through_guard = _in_every_chain("insert rule inet tpx_guard {} accept")


def delete_own_rules(family):
    """All of tpx's ip rules, which are those from 70 to 79."""
    def change(stage):
        listed = stage.wanted[1 if family == "-4" else 2]
        stage.net.gateway.run("ip", family, "-batch", "-", input="".join(
            f"rule del priority {number}\n"
            for number in re.findall(r"^(7\d):", listed, re.M)))
    return change


def flush_routes(family, table):
    def change(stage):
        stage.net.gateway.ip(family, "route", "flush", "table", table)
    return change


def replace_route(family):
    def change(stage):
        stage.net.gateway.ip(family, "route", "replace", "unreachable",
                             "default", "table", 7479)
    return change


def _change(stage, *changes):
    """One after the other, each when the one before is repaired."""
    stage.keep["changed"] = []
    for change in changes:
        stage.mark()
        stage.keep["changed"].append((time.time(),))
        change(stage)
        stage.keep["changed"][-1] += (time.time(),)
        proc.wait_until(lambda: state_of(stage.net) == stage.wanted, 2,
                        "the repair")


def repairs_were_fast(stage):
    """Where there was something to repair, as netctl's rows say."""
    changed = stage.keep["changed"]
    if stage.mode == "closed" or stage.keep.get("drifts when open"):
        proc.wait_until(lambda: len(drifts(stage.instance)) >= len(changed),
                        what="a row of each repair")
    times = [row["time_us"] / 1e6 for row in events(stage.instance, "drift")]
    ends = [begin for begin, _ in changed[1:]] + [time.time()]
    for (begin, done), end in zip(changed, ends):
        # the command has changed something before it ended
        repairs = [when - done for when in times if begin <= when < end]
        assert not repairs or max(repairs) < REPAIR_S, repairs


def change_rulesets(stage):
    """With `on-failure open' there is nothing that this could remove."""
    _change(stage, flush_ruleset, foreign_reload)


def change_guard(stage):
    if stage.mode == "closed":
        _change(stage, delete_guard, flush_guard, let_through_guard,
                replace_route("-4"))
    else:
        _change(stage, flush_ruleset)


def delete_rules(stage):
    stage.keep["drifts when open"] = True
    _change(stage, delete_own_rules("-4"), delete_own_rules("-6"))


def change_routes(stage):
    stage.keep["drifts when open"] = True
    tables = (7478, 7479) if stage.mode == "closed" else (7478,)
    _change(stage, *(flush_routes(family, table) for table in tables
                     for family in ("-4", "-6")))


def flap_lo(stage):
    stage.net.gateway.ip("link", "set", "lo", "down")
    stage.net.gateway.ip("link", "set", "lo", "up")


def change_and_kill(stage):
    netctl = _pids(stage, "netctl")
    proc.kill(netctl, signal.SIGSTOP)
    flush_ruleset(stage)
    delete_own_rules("-6")(stage)
    stage.mark()
    proc.kill(netctl)
    proc.wait_until(lambda: state_of(stage.net) == stage.wanted, 2,
                    "the repair")


# interfaces


def _interface(stage):
    """The interface that captured traffic comes or goes by, its addresses."""
    net = stage.net
    if stage.where == "forwarded":
        return net.CLIENT_IF, net.GATEWAY4, net.GATEWAY6
    return net.SERVER_IF, net.OUTSIDE4, net.OUTSIDE6


def _address_again(stage):
    """IPv6 addresses go with a link that goes down."""
    name, _, address6 = _interface(stage)
    stage.net.gateway.ip("addr", "replace", f"{address6}/64", "dev", name,
                         "nodad")


def flap_interface(stage):
    name = _interface(stage)[0]
    stage.net.gateway.ip("link", "set", name, "down")
    stage.net.gateway.ip("link", "set", name, "up")
    _address_again(stage)


def rename_interface(stage):
    ip, name = stage.net.gateway.ip, _interface(stage)[0]
    ip("link", "set", name, "down")
    ip("link", "set", name, "name", "other0")
    ip("link", "set", "other0", "name", name)
    ip("link", "set", name, "up")
    _address_again(stage)


def absence_was_said(stage):
    if stage.where == "forwarded":
        proc.wait_until(
            lambda: len(drifts(stage.instance, "interface")) == 2,
            what="the rows of gone and back")


def replace_interface(stage):
    net = stage.net
    net.gateway.ip("link", "del", net.CLIENT_IF)
    net.wire(net.client, net.CLIENT_IF, "10.74.1", "fd00:74:1:")


def change_address(stage):
    """Away and back; the client still sends to the same Ethernet address."""
    name, address4, address6 = _interface(stage)
    for address, other, length in ((address4, "10.74.1.9", 24),
                                   (address6, "fd00:74:1::9", 64)):
        ip = stage.net.gateway.ip
        ip("addr", "del", f"{address}/{length}", "dev", name)
        ip("addr", "add", f"{other}/{length}", "dev", name)
        ip("addr", "del", f"{other}/{length}", "dev", name)
        ip("addr", "add", f"{address}/{length}", "dev", name)


# another configuration


def reload_wrongly(stage):
    stage.configure("dfault block")
    assert stage.instance.ctl("reload", check=False).returncode == 1


def old_configuration_stays(stage):
    assert stage.instance.status()["config"]["generation"] == 1
    stage.configure()
    all_are_the_same(stage)


def reload_often(stage):
    for _ in range(30):
        stage.instance.ctl("reload")
