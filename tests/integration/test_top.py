# SPDX-License-Identifier: ISC
"""tpxctl top: what is open and what the log has, added up."""

import contextlib
import json
import os
import pathlib
import pty
import select
import sqlite3
import time

import pytest

from conftest import ECHO, EXCHANGE, FORWARDED, LOCAL
from rig import proc, traffic

CLEAR = b"\x1b[H\x1b[J"
MIB = 1 << 20


def top(instance, *words):
    return json.loads(instance.ctl("--json", "top", *words).stdout)


def test_open_flows_and_rows_are_added_up(net, server, tpx):
    rule = "relay proto tcp to any port 7"
    instance = tpx(f"{rule}\ndefault relay")
    traffic.exchange(net.client, net.SERVER4, EXCHANGE, MIB, 2 * MIB)
    traffic.exchange(net.client, net.SERVER6, EXCHANGE, 10, 20)
    instance.rows(2)
    with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
        assert traffic.echoes(sock, b"x" * 1000)

        def hosts():
            found = top(instance, "hosts")
            # counters of an open flow come a moment after the bytes
            assert found[0]["up_bytes"] >= MIB + 1000
            return found
        first, second = proc.wait_until(hosts, what="bytes of the open flow")
        assert first["host"] == net.SERVER4
        assert (first["flows"], first["open"], first["clients"]) == (2, 1, 1)
        assert first["down_bytes"] >= 2 * MIB + 1000
        assert (second["host"], second["flows"], second["open"]) == (
            net.SERVER6, 1, 0)
        assert {(row["rule"], row["open"]) for row in top(
            instance, "rules")} == {(rule, 1), ("default relay", 0)}
        assert [row["client"] for row in top(instance, "clients")] == [
            net.CLIENT4, net.CLIENT6]
        assert top(instance, "clients", "-n", "1")[0]["client"] == net.CLIENT4
        assert top(instance, "units")[0]["unit"] is None
        # the log alone
        alone = top(instance, "--db", str(instance.log / "flows.db"))
        assert [row["open"] for row in alone] == [0, 0]
    instance.rows(3)
    # what was open has a row now, and is counted once
    assert sum(row["flows"] for row in top(instance)) == 3
    assert sum(row["open"] for row in top(instance)) == 0


def test_flows_of_before_do_not_count(net, server, tpx):
    instance = tpx()
    traffic.exchange(net.client, net.SERVER4, EXCHANGE, 1, 1)
    row, = instance.rows(1)
    ended = row["start_us"] / 1e6 + row["duration_ms"] / 1e3
    proc.wait_until(lambda: time.time() > ended + 1.1, what="a second")
    assert top(instance, "--since", "1s") == []
    assert len(top(instance, "--since", "1h")) == 1


def test_flow_that_is_open_counts_once_whatever_the_log_has(net, server, tpx):
    """It may have got its row since; rows of long flows are not their last."""
    instance = tpx()
    traffic.exchange(net.client, net.SERVER4, EXCHANGE, 10, 10)
    ended, = instance.rows(1)
    wanted = 2, 1, ended["up_bytes"] + 100

    def log(statement, *values):
        with contextlib.closing(sqlite3.connect(
                instance.log / "flows.db", timeout=10)) as db, db:
            db.execute("CREATE TEMP TABLE one AS SELECT * FROM flow LIMIT 1")
            db.execute("UPDATE one SET id = ?, final = ?", values[:2])
            db.execute(statement, values[2:])
    with traffic.connect(net.client, net.SERVER4, ECHO) as sock:
        assert traffic.echoes(sock, b"x" * 100)
        flow, = json.loads(instance.ctl("--json", "flows", "--live").stdout)
        for final in (0, 1):
            log("INSERT INTO flow SELECT * FROM one", flow["id"], final)
            row, = top(instance)
            assert (row["flows"], row["open"], row["up_bytes"]) == wanted
            log("DELETE FROM flow WHERE id = ?", flow["id"], final,
                flow["id"])
        # one that a relay has left behind
        log("INSERT INTO flow SELECT * FROM one", flow["id"] + 1, 0)
        row, = top(instance)
        assert (row["flows"], row["open"], row["up_bytes"]) == wanted


def test_users_have_names(net, server, tpx):
    instance = tpx(capture=f"{FORWARDED}\n{LOCAL}")
    traffic.exchange(net.gateway, net.SERVER4, EXCHANGE, 10, 10)
    traffic.exchange(net.client, net.SERVER4, EXCHANGE, 1, 1)
    instance.rows(2)
    assert [row["user"] for row in top(instance, "users")] == ["root", None]


def test_table_is_printed_once_where_there_is_no_terminal(net, server, tpx):
    instance = tpx()
    traffic.exchange(net.client, net.SERVER4, EXCHANGE, MIB, 10)
    instance.rows(1)
    head, line = instance.ctl("top").stdout.splitlines()
    assert head.split() == ["FLOWS", "OPEN", "CLIENTS", "UP", "DOWN", "HOST"]
    assert line.split() == ["1", "0", "1", "1.0M", "10", net.SERVER4]


@contextlib.contextmanager
def terminal(net, instance, *words):
    """tpxctl top on one: the process, and what gives all it has shown."""
    ours, theirs = pty.openpty()
    seen = bytearray()

    def shown():
        while select.select([ours], [], [], 0)[0]:
            seen.extend(os.read(ours, 65536))
        return bytes(seen)
    try:
        with net.gateway.spawn(
                instance.build / "tpxctl", "-s", instance.socket, "top",
                *words, stdout=theirs) as running:
            yield running, shown
    finally:
        os.close(ours)
        os.close(theirs)


def test_table_is_made_anew_on_a_terminal(net, server, tpx):
    instance = tpx()
    traffic.exchange(net.client, net.SERVER4, EXCHANGE, 10, 10)
    instance.rows(1)
    with terminal(net, instance) as (running, shown):
        traffic.exchange(net.client, net.SERVER6, EXCHANGE, 1, 1)
        proc.wait_until(lambda: net.SERVER6.encode() in shown(),
                        what="a table with the second host")
        assert running.running()
        assert b"FLOWS" in shown() and CLEAR in shown()


def test_tables_that_are_made_anew_keep_no_list_of_domains(net, server, tpx):
    instance = tpx("block domain { a.example b.example }")
    traffic.exchange(net.client, net.SERVER4, EXCHANGE, 10, 10)
    instance.rows(1)
    with terminal(net, instance) as (running, shown):
        proc.wait_until(lambda: shown().count(CLEAR) >= 3, 15, "three tables")
        maps = pathlib.Path(f"/proc/{running.pid}/maps").read_text()
        assert maps.count("tpx-domains") <= 1


@pytest.mark.long
def test_a_big_log_is_added_up_more_seldom(net, server, tpx):
    instance = tpx()
    traffic.exchange(net.client, net.SERVER4, EXCHANGE, 10, 10)
    instance.rows(1)
    instance.stop()
    log = instance.log / "flows.db"
    with contextlib.closing(sqlite3.connect(log)) as db, db:
        columns = ", ".join(name for _, name, *_ in db.execute(
            "PRAGMA table_info(flow)") if name != "id")
        for _ in range(19):  # 2^19 rows
            db.execute(f"INSERT INTO flow ({columns}) SELECT {columns}"
                       " FROM flow")
    with terminal(net, instance, "--db", log) as (running, shown):
        proc.wait_until(shown, what="a table")
        assert b"FLOWS" in shown(), "whole at once"
        used_s = proc.cpu_s(running.pid)
        proc.stays(lambda: proc.cpu_s(running.pid) == used_s, 3.5, "at rest")


@pytest.mark.parametrize("words", [
    ["nobody"], ["hosts", "clients"], ["--since", "yesterday"], ["-n", "0"]])
def test_words_that_mean_nothing_are_refused(tpx, words):
    assert tpx().ctl("top", *words, check=False).returncode == 2
