# SPDX-License-Identifier: ISC
"""What the integration, fault and sandbox tests share.

TPX_BUILD names the build directory, by default build/gcc of this tree;
TPX_FAILED a file for the names of tests that may be tried again.
"""

import contextlib
import os
import pathlib
import re
import shutil
import tempfile

import pytest

from rig import report as matrix
from rig import servers
from rig.net import Topology
from rig.sniffer import Sniffer
from rig.tpx import Tpx

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("TPX_BUILD", ROOT / "build/gcc")).resolve()
PROGRAMS = ("tpxd tpx-netctl tpx-relay tpx-flowlog tpx-dnsd tpx-resolver"
            " tpx-dot tpxctl").split()
EXTRA = ["tests-hostile-relay", "tests-hostile-dnsd", "tests-flood"]
FORWARDED = f"capture forwarded on {{ {Topology.CLIENT_IF} }}"
LOCAL = "capture local"
SANITIZER = re.compile(
    r"ERROR: \w+Sanitizer|: runtime error: |SUMMARY: \w+Sanitizer")
# every server of a test has its own port
HTTP, ECHO, DIGEST, TALK_FIRST, EXCHANGE = 80, 7, 9, 81, 82
RESET, STALL, LISTEN, CLOSE, REFUSED, BEHIND = 83, 84, 85, 86, 87, 88
BEHAVIOURS = {
    HTTP: servers.http,
    ECHO: servers.echo,
    DIGEST: servers.digest,
    TALK_FIRST: servers.talk_first,
    EXCHANGE: servers.exchange,
    RESET: servers.reset_after_word,
    STALL: servers.stall,
    LISTEN: servers.listen_for_reset,
    CLOSE: servers.close_at_once,
    BEHIND: servers.reset_behind_bytes,
}


def configuration(statements="", mode="closed", lease="2s", workers=2,
                  capture=FORWARDED):
    """The text of a configuration, but for its paths.

    workers may be None, for the default.
    """
    count = "" if workers is None else f"workers {workers}\n"
    return (f"on-failure {mode}\nlease {lease}\n{count}"
            f"{capture}\n{statements}\n")


@pytest.fixture(scope="session")
def build():
    """The programs, where user tpx can run them."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    missing = [name for name in PROGRAMS if not (BUILD / name).exists()]
    if missing:
        pytest.exit(f"{BUILD} lacks {' '.join(missing)}", returncode=1)
    with tempfile.TemporaryDirectory(prefix="tpx-build-") as copy:
        os.chmod(copy, 0o755)
        for name in PROGRAMS + EXTRA:
            if (BUILD / name).exists():
                shutil.copy(BUILD / name, copy)
        yield pathlib.Path(copy)


@pytest.fixture
def net():
    """Client, gateway and server of this test alone."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with Topology() as topology:
        yield topology


@pytest.fixture
def server(net):
    """All servers, by port; every test has its own."""
    with contextlib.ExitStack() as stack:
        yield {port: stack.enter_context(
                   servers.Server(net.server, port, behaviour))
               for port, behaviour in BEHAVIOURS.items()}


@pytest.fixture
def sniffer(net):
    """What reaches the server's interface from the client's addresses."""
    with Sniffer(net.server, net.CLIENT4, net.CLIENT6) as sniffing:
        yield sniffing


@pytest.fixture
def tpx(net, build):
    """Starts tpxd in the gateway: tpx(statements, mode=..., lease=...).

    wait is the state to wait for, or None; programs another directory of them.
    What tpxd wrote is shown when the test fails, and a sanitizer's report in
    it fails the test.
    """
    instances = []

    def start(statements="", wait="armed", prefix=(), programs=build,
              **settings):
        instance = Tpx(net.gateway, programs,
                       configuration(statements, **settings))
        instances.append(instance)
        instance.start(prefix)
        if wait:
            instance.wait_state(wait)
        return instance

    yield start
    reports = []
    for instance in instances:
        instance.close()
        output = instance.tpxd.output()
        print(output)
        if SANITIZER.search(output):
            reports.append(output)
    assert not reports, "a sanitizer found something"


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
def address(request, net):
    """The server's address; a test that asks for it runs in both families."""
    return net.SERVER4 if request.param == 4 else net.SERVER6


def client_of(net, server_address):
    """The client's address in the family of a server's."""
    return net.CLIENT6 if ":" in server_address else net.CLIENT4


def outside_of(net, server_address):
    """The gateway's address as the server sees it."""
    return net.OUTSIDE6 if ":" in server_address else net.OUTSIDE4


def pytest_collection_modifyitems(items):
    """Those of every day first: what they say is known sooner."""
    items.sort(key=lambda item: item.get_closest_marker("long") is not None)


def pytest_runtest_logreport(report):
    if report.when == "call":
        matrix.collect(report.user_properties)


def tried_again(reports):
    """The names of those that failed, but for what may not even happen once."""
    for report in reports:
        if "leak" not in report.longreprtext:
            # with xdist the name of its group comes last
            yield f"tests/{re.sub('@[^@]*$', '', report.nodeid)}\n"


def pytest_terminal_summary(terminalreporter):
    if "TPX_FAILED" in os.environ:
        stats = terminalreporter.stats
        pathlib.Path(os.environ["TPX_FAILED"]).write_text("".join(
            tried_again(stats.get("failed", []) + stats.get("error", []))))
    if matrix.lines:
        terminalreporter.section("fault matrix")
        for line in (*matrix.table(), *matrix.summary()):
            terminalreporter.write_line(line)
        matrix.write()
