# SPDX-License-Identifier: ISC
"""Questions of DNS: whoever is asked, tpx answers; nothing else leaves."""

import contextlib
import signal
import threading
import time

import pytest

from conftest import FORWARDED, LOCAL, configuration
from rig import names, proc
from rig.sniffer import Sniffer

BOTH = f"{FORWARDED}\n{LOCAL}"
ANY4, ANY6 = "192.0.2.53", "2001:db8:53::53"
WWW = "www.example.net"
# Of questions that a test wants to know again: no resolver asks from these.
PORTS = range(900, 1000)
SERVFAIL_S = 2.0
FORWARD = "dns forward { 10.74.2.2 }\ndns validate no"


@pytest.fixture
def zone(net):
    """The upstream, and ways from the gateway to whomever is asked."""
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    net.gateway.ip("-6", "route", "add", "default", "via", net.SERVER6)
    with names.Server(net.server) as server:
        yield server


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
def anybody(request):
    """An address that nobody has."""
    return ANY4 if request.param == 4 else ANY6


@pytest.fixture(params=["client", "gateway"], ids=["forwarded", "local"])
def asker(request, net):
    return getattr(net, request.param)


@pytest.fixture
def seen(net):
    """What reaches the server from the gateway's own addresses."""
    with Sniffer(net.server, net.OUTSIDE4, net.OUTSIDE6) as sniffing:
        yield sniffing


def direct(seen, sniffer):
    """Packets that a client, or a socket of this host with PORTS, sent."""
    return sniffer.direct() + [packet for packet in seen.direct()
                               if packet.sport in PORTS]


@pytest.mark.smoke
@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_whoever_is_asked_tpx_answers(
        net, zone, tpx, asker, anybody, tcp, seen, sniffer):
    """From the address that was asked: another one would not be heard."""
    tpx(FORWARD, capture=BOTH)
    somebody = net.SERVER6 if ":" in anybody else net.SERVER4
    for port, server in zip(PORTS, (anybody, somebody)):
        answer = names.ask(asker, server, WWW, tcp=tcp, source=("", port))
        assert names.texts(answer) == {names.ADDRESS4}
        assert names.rcode(answer) == "NOERROR"
    answer = names.ask(asker, anybody, "absent.example.net", tcp=tcp)
    assert names.rcode(answer) == "NXDOMAIN"
    assert direct(seen, sniffer) == []


def test_a_question_from_port_53_is_answered(net, zone, tpx, asker, anybody):
    """It looks like a server's answer to whoever does not know the flow."""
    tpx(FORWARD, capture=BOTH)
    answer = names.ask(asker, anybody, WWW, source=("", 53))
    assert names.texts(answer) == {names.ADDRESS4}


def test_big_answers_are_cut_and_come_by_tcp(
        net, zone, tpx, asker, anybody):
    tpx(FORWARD, capture=BOTH)
    big, huge = "big.example.net", "huge.example.net"
    assert names.is_cut(names.ask(asker, anybody, big, "TXT"))
    for name, count in ((big, names.BIG_STRINGS), (huge, names.HUGE_STRINGS)):
        answer = names.ask(asker, anybody, name, "TXT", tcp=True)
        assert len(names.texts(answer)) == count


def test_an_answer_longer_than_a_packet_is_cut(net, zone, tpx):
    """Nobody can put a fragment of his own in the place of one."""
    for namespace, interface in ((net.gateway, net.CLIENT_IF),
                                 (net.client, "eth0")):
        namespace.ip("link", "set", interface, "mtu", 600)
    tpx(FORWARD)
    for _ in range(2):  # the second one out of the cache
        answer = names.ask(net.client, ANY4, "middle.example.net", "TXT")
        assert names.is_cut(answer) and names.texts(answer) == set()
        assert answer.edns == 0 and answer.payload == 1232
    answer = names.ask(net.client, ANY4, "middle.example.net", "TXT", tcp=True)
    assert len(names.texts(answer)) == names.MIDDLE_STRINGS


def test_no_question_is_tracked(net, zone, tpx, asker, anybody):
    tpx(FORWARD, capture=BOTH)
    assert names.texts(names.ask(asker, anybody, WWW, source=("", PORTS[0])))
    table = net.gateway.run("cat", "/proc/net/nf_conntrack").stdout
    assert f"port={PORTS[0]} " not in table


def test_the_gateways_own_resolver_still_serves(net, zone, tpx):
    """What it asks is captured itself; whom it serves notices nothing."""
    tpx(FORWARD, capture=BOTH)
    with net.gateway.spawn(
            "dnsmasq", "-k", "-C", "/dev/null", "-R", "-S", ANY4, "-u",
            "nobody", "-i", net.CLIENT_IF, "--bind-interfaces", "-h"):
        for address in (net.GATEWAY4, net.GATEWAY6):
            def served():
                return names.texts(names.ask(
                    net.client, address, WWW,
                    timeout_s=1)) == {names.ADDRESS4}
            proc.wait_until(served, 10, "dnsmasq answers")


def test_what_is_excluded_asks_whom_it_wants(net, zone, tpx, sniffer):
    tpx(f"{FORWARD}\nexclude to {net.SERVER4} port 53", capture=BOTH)
    answer = names.ask(net.client, net.SERVER4, WWW)
    assert names.texts(answer) == {names.ADDRESS4}
    assert sniffer.direct()


def test_dns_is_turned_on_and_off_by_a_reload(net, zone, tpx, sniffer):
    instance = tpx("default block", capture=BOTH)
    with pytest.raises(OSError):
        names.ask(net.client, ANY4, WWW, timeout_s=0.5)
    assert instance.by_role()["dnsd"] == []
    for _ in range(2):
        instance.configure(configuration(f"{FORWARD}\ndefault block",
                                         capture=BOTH))
        instance.ctl("reload")
        for namespace in (net.client, net.gateway):
            answer = names.ask(namespace, ANY4, WWW)
            assert names.texts(answer) == {names.ADDRESS4}
        instance.configure(configuration("default block", capture=BOTH))
        instance.ctl("reload")
        with pytest.raises(OSError):
            names.ask(net.client, ANY4, WWW, timeout_s=0.5)
        proc.wait_until(lambda: not instance.by_role()["dnsd"]
                        and not instance.by_role()["resolver"], 5,
                        "dnsd and resolver leave")
    assert sniffer.direct() == []


def test_another_upstream_is_asked_after_a_reload(net, zone, tpx):
    instance = tpx("dns forward { 10.74.2.3 }\ndns validate no", capture=BOTH)
    began = time.monotonic()
    answer = names.ask(net.client, ANY4, WWW)
    assert names.rcode(answer) == "SERVFAIL"
    assert time.monotonic() - began <= SERVFAIL_S
    instance.configure(configuration(FORWARD, capture=BOTH))
    instance.ctl("reload")
    proc.wait_until(lambda: names.texts(names.ask(net.client, ANY4, WWW)), 5,
                    "the other upstream answers")


def test_the_second_upstream_answers_for_the_first(net, zone, tpx):
    tpx("dns forward { 10.74.2.2@5353 10.74.2.2 }\ndns validate no")
    proc.wait_until(lambda: names.texts(names.ask(net.client, ANY4, WWW)), 5,
                    "the second one answers")


def test_private_addresses_of_others_are_removed(net, zone, tpx):
    instance = tpx(FORWARD)
    for name, kind in (("private", "A"), ("mapped", "AAAA")):
        answer = names.ask(net.client, ANY4, f"{name}.example.net", kind)
        assert names.texts(answer) == set()
    instance.configure(configuration(
        f'{FORWARD}\ndns rebind-allow {{ "private.example.net" }}'))
    instance.ctl("reload")
    proc.wait_until(lambda: names.texts(names.ask(
        net.client, ANY4, "private.example.net")) == {"10.1.2.3"}, 5,
        "what is allowed")


def test_answers_are_validated(net, zone, tpx):
    """By an anchor of our own: the zone is signed, one name of it wrongly."""
    net.gateway.ip("address", "add", "10.9.9.9/32", "dev", "lo")
    with names.SignedServer(net.server, port=5300) as server:
        instance = tpx(wait=None, statements="dns off")
        instance.wait_state("armed")
        server.write_anchor(instance.home / "anchor")
        instance.configure(configuration(
            "dns forward { 10.74.2.2@5300 }\n"
            'dns trust-anchor "anchor"'))
        instance.ctl("reload")
        good = proc.wait_until(lambda: names.texts(names.ask(
            net.client, ANY4, WWW)), 5, "a signed answer")
        assert good == {names.ADDRESS4}
        bad = names.ask(net.client, ANY4, "bogus.example.net")
        assert names.rcode(bad) == "SERVFAIL" and names.texts(bad) == set()
        unchecked = names.ask(net.client, ANY4, "bogus.example.net",
                              checking_disabled=True)
        assert names.texts(unchecked) == {names.BOGUS4}


def test_names_are_looked_up_from_the_root_on(net, tpx):
    with names.Server(net.server, names.ROOT_ZONE, "."):
        instance = tpx("dns off")
        (instance.home / "hints").write_text(
            f". 3600 IN NS root.\nroot. 3600 IN A {net.SERVER4}\n"
            f"root. 3600 IN AAAA {net.SERVER6}\n")
        instance.configure(configuration(
            'dns recurse\ndns root-hints "hints"\ndns validate no\n'
            "dns rebind-protect no"))
        instance.ctl("reload")
        answer = proc.wait_until(lambda: names.texts(names.ask(
            net.client, ANY4, "www.example.net")), 5, "the root answers")
        assert answer == {names.ADDRESS4}


class Questions:
    """Asks again and again, from both sides, as fast as it is answered."""

    def __init__(self, *askers):
        self.answered = {id(asker): 0.0 for asker in askers}
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(asker, number),
                             daemon=True)
            for number, asker in enumerate(askers)]
        for thread in self._threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._closing.set()
        for thread in self._threads:
            thread.join()

    def _run(self, asker, number):
        while not self._closing.wait(0.01):
            with contextlib.suppress(OSError):
                names.ask(asker, (ANY4, ANY6)[number % 2], WWW,
                          timeout_s=0.2, source=("", PORTS[number]))
                self.answered[id(asker)] = time.monotonic()

    def all_since(self, since):
        return all(when > since for when in self.answered.values())


@pytest.mark.parametrize("role", ["dnsd", "resolver"])
def test_a_killed_one_is_replaced_and_nothing_leaks(
        net, zone, tpx, seen, sniffer, role):
    instance = tpx(FORWARD, capture=BOTH)
    with Questions(net.client, net.gateway) as questions:
        proc.wait_until(lambda: questions.all_since(0), 5, "answers")
        old = instance.by_role()[role]
        killed = time.monotonic()
        proc.kill(old)
        instance.wait_replaced(role, old, 5)
        proc.wait_until(lambda: questions.all_since(killed + 0.5), 5,
                        "answers again")
    assert instance.by_role()["relay"]
    instance.wait_state("armed")
    assert direct(seen, sniffer) == []


@pytest.mark.parametrize("role", ["dnsd", "resolver"])
def test_a_stopped_one_is_replaced(net, zone, tpx, role):
    instance = tpx(FORWARD, capture=BOTH)
    old = instance.by_role()[role]
    proc.kill(old, signal.SIGSTOP)
    instance.wait_replaced(role, old, 5)
    proc.wait_until(lambda: names.texts(names.ask(net.client, ANY4, WWW)), 5,
                    "answers again")


def test_while_the_resolver_is_stopped_what_is_known_is_answered(
        net, zone, tpx):
    """All else fails soon; nobody is replaced so soon with that lease."""
    instance = tpx(FORWARD, workers=1, lease="12s")
    assert names.texts(names.ask(net.client, ANY4, WWW)) == {names.ADDRESS4}
    old = instance.by_role()["resolver"]
    proc.kill(old, signal.SIGSTOP)
    began = time.monotonic()
    unknown = names.ask(net.client, ANY4, "big.example.net")
    assert time.monotonic() - began <= SERVFAIL_S
    assert names.rcode(unknown) == "SERVFAIL"
    assert names.texts(names.ask(net.client, ANY4, WWW)) == {names.ADDRESS4}
    assert instance.by_role()["resolver"] == old
    proc.kill(old, signal.SIGCONT)


def test_a_stopped_dnsd_is_replaced_within_the_lease(net, zone, tpx):
    """All else goes on: what is captured stays so, with nothing between."""
    instance = tpx(FORWARD, lease="12s")
    old = instance.by_role()["dnsd"]
    proc.kill(old, signal.SIGSTOP)
    instance.wait_replaced("dnsd", old, 20)
    proc.wait_until(lambda: names.texts(names.ask(net.client, ANY4, WWW)), 20,
                    "answers again")
    changes = instance.sql(
        "SELECT message FROM events WHERE kind = 'state' ORDER BY id")
    assert [row["message"].split(":")[0] for row in changes] == [
        "starting to armed"]


@pytest.mark.parametrize("mode", ["closed", "open"])
def test_when_all_is_dead_names_go_as_configured(
        net, zone, tpx, seen, sniffer, mode):
    instance = tpx(FORWARD, capture=BOTH, mode=mode, lease="1s")
    with Questions(net.client, net.gateway) as questions:
        proc.wait_until(lambda: questions.all_since(0), 5, "answers")
        proc.kill_at_once(instance.pids())
        if mode == "closed":
            proc.stays(lambda: direct(seen, sniffer) == [], 2.5, "closed")
        else:
            proc.wait_until(lambda: names.texts(names.ask(
                net.client, net.SERVER4, WWW, timeout_s=1)), 5, "direct")
    if mode == "closed":
        with pytest.raises(OSError):
            names.ask(net.client, net.SERVER4, WWW, timeout_s=0.5)


def test_a_question_to_the_listener_itself_is_not_answered(net, zone, tpx):
    tpx(FORWARD, capture=BOTH)
    listed = net.gateway.run("ss", "-Hlun").stdout
    own = {line.split()[3].rpartition(":")[::2]
           for line in listed.splitlines()
           if line.split()[3].startswith(("127.0.0.1:", "[::1]:"))}
    assert len(own) == 8
    for address, port in own:
        with pytest.raises(OSError):
            names.ask(net.gateway, address.strip("[]"), WWW, port=int(port),
                      timeout_s=0.2)


def test_a_pause_lets_questions_pass(net, zone, tpx, sniffer):
    instance = tpx(FORWARD, capture=BOTH)
    instance.ctl("pause")
    instance.wait_state("paused")
    assert names.texts(names.ask(net.client, net.SERVER4, WWW))
    assert sniffer.direct()
    instance.ctl("resume")
    instance.wait_state("armed")
    assert names.texts(names.ask(net.client, ANY4, WWW))
