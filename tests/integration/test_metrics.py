# SPDX-License-Identifier: ISC
"""What `tpxctl metrics' tells Prometheus is well formed, and so."""

import json
import os
import signal

import pytest

from conftest import ECHO
from rig import exposition, names, proc

ASKED = "192.0.2.53"
WWW = "www.example.net"
FORWARD = "dns forward { 10.74.2.2 }\ndns validate no"
LATENCY = "tpx_dns_latency_seconds"


@pytest.fixture
def zone(net):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    with names.Server(net.server) as server:
        yield server


def scrape(instance):
    return exposition.parse(instance.ctl("metrics").stdout)


def answers(metrics, source):
    return metrics.value(LATENCY, "_count", source=source)


def all_answers(metrics):
    return sum(number for (suffix, _), number
               in metrics[LATENCY].samples.items() if suffix == "_count")


@pytest.mark.smoke
def test_metrics_say_what_status_says(net, server, tpx):
    instance = tpx("relay proto tcp to any port 7\ndefault block")
    with net.client.socket() as client:
        client.connect((net.SERVER4, ECHO))
        with net.client.socket() as other, pytest.raises(OSError):
            other.connect((net.SERVER4, 9999))

        def counted():
            metrics, status = scrape(instance), instance.status()
            assert metrics.value("tpx_flows_open") == 1
            assert metrics.value("tpx_flows_accepted_total") == 1
            for action, word in (("relay", "relayed"), ("pass", "passed"),
                                 ("block", "blocked")):
                assert metrics.value("tpx_flows_total", action=action) == (
                    status["flows"][word])
            assert metrics.value("tpx_flows_total", action="block") == 1
            return metrics, status
        metrics, status = proc.wait_until(counted, 10, "both are counted")
    state = {dict(labels)["state"]: number for (_, labels), number
             in metrics["tpx_state"].samples.items()}
    assert state == {word: word == "armed" for word in (
        "starting", "armed", "open", "closed", "paused", "stopping")}
    assert metrics.value("tpx_lease_seconds") == 2
    assert metrics.value("tpx_config_generation") == 1
    assert 0 < metrics.value("tpx_uptime_seconds") <= status["uptime_s"]
    assert metrics.value(
        "tpx_info", version=status["version"], on_failure="closed",
        config=str(instance.config), log=status["log"]["path"]) == 1
    up = {(dict(labels)["process"], int(dict(labels)["index"])): number
          for (_, labels), number in metrics["tpx_process_up"].samples.items()}
    assert up == {(process["name"], process["index"]): 1
                  for process in status["processes"]}
    relay = {"process": "relay", "index": "0"}
    assert metrics.value("tpx_process_resident_memory_bytes", **relay) > 2**18
    assert metrics.value("tpx_process_restarts_total", **relay) == 0
    assert metrics.value("tpx_process_heartbeat_age_seconds", **relay) < 2
    assert metrics.value("tpx_drops_total", source="nflog", kind="gap") == 0


def test_each_answer_is_in_the_histogram_of_its_source(net, zone, tpx):
    instance = tpx(f"domains <ads> {{ ads.example }}\n{FORWARD}\n"
                   "dns block <ads> answer nxdomain", workers=1)
    for name in (WWW, WWW, WWW, "ads.example"):
        names.ask(net.client, ASKED, name)

    def counted():
        metrics = scrape(instance)
        assert all_answers(metrics) == 4
        return metrics
    metrics = proc.wait_until(counted, 10, "four answers")
    assert {source: answers(metrics, source) for source in (
        "cache", "resolver", "policy", "stale", "none")} == {
            "cache": 2, "resolver": 1, "policy": 1, "stale": 0, "none": 0}
    assert metrics.value("tpx_dns_queries_total") == 4
    assert metrics.value("tpx_dns_cache_hits_total") == 2
    assert metrics.value("tpx_dns_blocked_total") == 1
    took, = instance.rows(1, "source = 'resolver'", view="dns")
    assert metrics.value(LATENCY, "_sum", source="resolver") == (
        took["latency_us"] / 1e6)
    for (suffix, labels), number in metrics[LATENCY].samples.items():
        labels = dict(labels)
        if suffix == "_bucket" and labels["source"] == "resolver":
            assert number == (took["latency_us"] / 1e6 <= float(labels["le"]))


def test_the_histogram_survives_its_dnsd(net, zone, tpx):
    instance = tpx(FORWARD, workers=1)
    for times in (1, 2):
        for _ in range(3):
            names.ask(net.client, ASKED, WWW)
        proc.wait_until(lambda: all_answers(scrape(instance)) == 3 * times,
                        10, f"{3 * times} answers")
        old = instance.by_role()["dnsd"]
        os.kill(old[0], signal.SIGKILL)
        instance.wait_replaced("dnsd", old, 10)
        instance.wait_state("armed")
        assert all_answers(scrape(instance)) == 3 * times
    restarts = {"process": "dnsd", "index": "0"}
    assert scrape(instance).value("tpx_process_restarts_total",
                                  **restarts) == 2


def test_json_has_the_same_families(net, tpx):
    instance = tpx("default relay")
    families = json.loads(instance.ctl("--json", "metrics").stdout)
    text = scrape(instance)
    assert [family["name"] for family in families] == list(text)
    for family in families:
        same = text[family["name"]]
        assert family["type"] == same.type and family["help"] == same.help
        assert {(sample["name"], tuple(sorted(sample["labels"].items())))
                for sample in family["samples"]} == {
            (f"{same.name}{suffix}", labels)
            for suffix, labels in same.samples}


def test_without_tpxd_there_are_none(net, build):
    done = net.gateway.run(build / "tpxctl", "-s", "/nonexistent/sock",
                           "metrics", check=False)
    assert (done.returncode, done.stdout) == (3, "")
