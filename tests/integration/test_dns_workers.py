# SPDX-License-Identifier: ISC
"""A tpx-dnsd for each processor, and questions for each tpx-dnsd."""

import itertools
import os

import pytest

from conftest import FORWARDED, LOCAL
from rig import names, proc

FORWARD = "dns forward { 10.74.2.2 }\ndns validate no"
ASKED4, ASKED6 = "192.0.2.53", "2001:db8:53::53"
WORKERS, QUESTIONS = 4, 100
LEAST = 5  # of 25 each: less happens once in a million runs


@pytest.mark.parametrize("workers", [0, None], ids=["zero", "unset"])
@pytest.mark.parametrize("processors", [1, None], ids=["one", "all"])
def test_there_are_as_many_as_processors(net, tpx, workers, processors):
    """As many as tpxd may run on, which may be fewer than there are."""
    usable = sorted(os.sched_getaffinity(0))[:processors]
    instance = tpx(FORWARD, workers=workers, prefix=(
        "taskset", "-c", ",".join(map(str, usable))))
    found = instance.by_role()
    assert len(found["dnsd"]) == len(found["relay"]) == len(usable)


@pytest.fixture
def zone(net):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    net.gateway.ip("-6", "route", "add", "default", "via", net.SERVER6)
    with names.Server(net.server) as server:
        yield server


def shares(instance, client):
    """How many questions of a client each worker has answered."""
    return {row["worker"]: row["n"] for row in instance.sql(
        "SELECT worker, count(*) AS n FROM query WHERE client = ?"
        " GROUP BY worker", client)}


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_each_has_its_share_of_questions(net, zone, tpx, tcp):
    """Of clients and of this host, in both families."""
    instance = tpx(FORWARD, workers=WORKERS, capture=f"{FORWARDED}\n{LOCAL}")
    assert len(instance.by_role()["dnsd"]) == WORKERS
    for asker, asked in itertools.product(
            (net.client, net.gateway), (ASKED4, ASKED6)):
        for _ in range(QUESTIONS):
            answer = names.ask(asker, asked, "www.example.net", tcp=tcp)
            assert names.texts(answer) == {names.ADDRESS4}
    for client in (net.CLIENT4, net.CLIENT6, net.OUTSIDE4, net.OUTSIDE6):
        proc.wait_until(
            lambda: sum(shares(instance, client).values()) >= QUESTIONS,
            what=f"rows of {client}")
        found = shares(instance, client)
        assert len(found) == WORKERS, found
        assert min(found.values()) >= LEAST, found
