# SPDX-License-Identifier: ISC
"""The flow log as others read it: its views, its columns, its permissions."""

import pytest

from conftest import CLOSE, ECHO
from rig import proc, traffic

COLUMNS = {
    "flows": "id start start_us duration_ms proto src sport dst dport host "
             "host_source capture uid user unit action rule upstream up_bytes "
             "down_bytes up_packets down_packets connect_ms rtt_us close "
             "error worker final source ech dns_agrees",
    "events": "id time time_us severity process kind actor message data",
    "drops": "time source kind count",
}
GROUP_TPX = "setpriv --reuid nobody --regid nogroup --groups tpx".split()
OTHERS = "setpriv --reuid nobody --regid nogroup --clear-groups".split()


@pytest.mark.parametrize("view, columns", COLUMNS.items(), ids=COLUMNS)
def test_view_has_exactly_its_columns(tpx, view, columns):
    instance = tpx()
    found = proc.wait_until(lambda: instance.sql(
        f"SELECT name FROM pragma_table_info('{view}')"), 5, "the log")
    assert [row["name"] for row in found] == columns.split()


@pytest.mark.smoke
def test_another_user_of_group_tpx_reads_the_log_live(net, server, tpx):
    instance = tpx()
    for _ in range(3):
        traffic.ask(net.client, net.SERVER4, ECHO, b"hello")
    instance.rows(3)
    query = [*GROUP_TPX, "sqlite3", instance.log / "flows.db",
             "select * from flows"]
    assert len(net.gateway.run(*query).stdout.splitlines()) == 3
    traffic.ask(net.client, net.SERVER4, ECHO, b"hello")
    instance.rows(4)
    assert len(net.gateway.run(*query).stdout.splitlines()) == 4
    # and when tpxd is gone
    assert instance.stop() == 0
    assert len(net.gateway.run(*query).stdout.splitlines()) == 4


def test_log_is_closed_to_others(net, tpx):
    instance = tpx()
    proc.wait_until(lambda: (instance.log / "flows.db").exists(), 5, "a log")
    done = net.gateway.run(*OTHERS, "sqlite3", instance.log / "flows.db",
                           "select * from flows", check=False)
    assert done.returncode != 0


def test_start_and_stop_are_events(tpx):
    instance = tpx()
    assert instance.stop() == 0
    rows = instance.sql("SELECT * FROM events ORDER BY id")
    assert rows and all(row["message"] and row["process"] for row in rows)
    assert all(row["severity"] in ("debug", "info", "warning", "alarm")
               for row in rows)


def test_rows_of_all_workers_are_told_apart(net, server, tpx):
    instance = tpx(workers=2)
    for _ in range(60):
        traffic.outcome(net.client, net.SERVER4, CLOSE)
    rows = instance.rows(60)
    assert {row["worker"] for row in rows} == {0, 1}
    assert len({row["id"] for row in rows}) == 60
