# SPDX-License-Identifier: ISC
"""Tables whose addresses are in a file."""

import time

import pytest

from conftest import ECHO, configuration
from rig import proc, traffic
from rig.tpx import Tpx

TABLE = 'table <bad> file "bad.cidr"\nblock to <bad>'
MANY = 100_000
LOADED_S = 10  # far more than it takes: the machine may be busy


@pytest.fixture
def instance(net, build):
    """A configuration whose file the test writes before it starts."""
    tpxd = Tpx(net.gateway, build, configuration(TABLE))
    yield tpxd
    tpxd.close()
    if tpxd.tpxd:
        print(tpxd.tpxd.output())


def write(instance, text):
    (instance.home / "bad.cidr").write_text(text)


def seen(net, address):
    return traffic.outcome(net.client, address, ECHO)


@pytest.mark.smoke
def test_what_a_file_lists_is_in_the_table(net, server, instance):
    write(instance, f"# feed\n\n{net.SERVER4}\r\nfd00:74:2::/64 # net\n")
    instance.start()
    instance.wait_state("armed")
    assert seen(net, net.SERVER4) == "reset"
    assert seen(net, net.SERVER6) == "reset"
    row = instance.rows(2)[0]
    assert row["rule"] == "block to <bad>"


def test_a_reload_reads_it_anew_or_changes_nothing(net, server, instance):
    write(instance, f"{net.SERVER4}\n")
    instance.start()
    instance.wait_state("armed")
    assert seen(net, net.SERVER4) == "reset"
    assert seen(net, net.SERVER6) == "served"
    write(instance, f"{net.SERVER6}\n")
    assert seen(net, net.SERVER6) == "served"
    instance.ctl("reload")
    assert seen(net, net.SERVER4) == "served"
    assert seen(net, net.SERVER6) == "reset"
    write(instance, "192.0.2.1\n 192.0.2.1/24\n")
    done = instance.ctl("reload", check=False)
    assert done.returncode == 1
    assert "bad.cidr:2:2: '192.0.2.1/24' has bits set" in done.stderr
    assert "did you mean '192.0.2.0/24'" in done.stderr
    (instance.home / "bad.cidr").unlink()
    done = instance.ctl("reload", check=False)
    assert done.returncode == 1 and "cannot be read" in done.stderr
    assert seen(net, net.SERVER4) == "served"
    assert seen(net, net.SERVER6) == "reset"


def test_many_addresses_are_loaded_without_a_lapse(net, server, instance):
    write(instance, f"{net.SERVER6}\n")
    instance.start()
    instance.wait_state("armed")
    write(instance, "".join(
        f"11.{i >> 15}.{i >> 7 & 255}.{(i & 127) * 2}\n"
        for i in range(MANY)) + f"{net.SERVER4}\n")
    begin = time.monotonic()
    instance.ctl("reload")
    took = time.monotonic() - begin
    print(f"{MANY} addresses in {took:.2f} s")
    assert took < LOADED_S
    assert seen(net, net.SERVER4) == "reset"
    assert seen(net, net.SERVER6) == "served"
    assert instance.status()["state"] == "armed"
    # later ones are on disk: none before them is still to come
    proc.wait_until(lambda: instance.sql(
        "SELECT 1 FROM events WHERE message = 'generation 2 is in force'"),
        what="the row of the reload")
    assert [row["message"] for row in instance.sql(
        "SELECT message FROM events WHERE kind = 'state'")] == [
            "starting to armed: every worker works"]


def test_the_file_is_checked_with_the_configuration(net, instance):
    write(instance, "nonsense\n")
    for words in (["-n"], []):
        done = net.gateway.run(instance.build / "tpxd", *words, "-f",
                               instance.config, check=False)
        assert done.returncode == 1
        assert "bad.cidr:1:1: bad address 'nonsense'" in done.stderr
    write(instance, "::1\n")
    done = net.gateway.run(instance.build / "tpxd", "-n", "-f",
                           instance.config)
    assert 'table <bad> file "bad.cidr"\n' in done.stdout
    done = net.gateway.run(instance.build / "tpxctl", "plan", "-f",
                           instance.config)
    assert "set t_bad_6" in done.stdout
