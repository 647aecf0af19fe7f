# SPDX-License-Identifier: ISC
"""Answers whose time is over, given while nobody knows better (RFC 8767)."""

import contextlib
import time

import dns.rcode
import dns.rrset
import pytest

from rig import names, proc, upstreams

ASKED = "192.0.2.53"
FORWARD = "dns forward { 10.74.2.2 }\ndns validate no"
OLD4, NEW4 = upstreams.TRUE4, "198.51.100.22"
TTL_S, STALE_TTL_S = 1, 30
STALE, STALE_NXDOMAIN = 3, 19  # RFC 8914, 4.4 and 4.20
IN_TIME_S = 2.5  # 1.6 s, on a busy machine
SOON_S = 0.7
BACK_S, REST_S = 8.0, 40.0
NAMES = [f"name{number}.example.net" for number in range(30)]
ABSENT = "absent.example.net"
OUTAGES = {"gone": None, "silent": upstreams.silent,
           "failing": upstreams.servfail}


@pytest.fixture
def routed(net):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)


def short(address):
    """Answers that last a second: of one name, that it is not there."""
    def behaviour(query):
        name = query.question[0].name
        answer = upstreams.answer_to(query, address)
        if name.to_text() == f"{ABSENT}.":
            answer.answer = []
            answer.set_rcode(dns.rcode.NXDOMAIN)
            answer.authority.append(dns.rrset.from_text(
                name.parent(), TTL_S, "IN", "SOA",
                f"ns. hostmaster. 1 3600 600 86400 {TTL_S}"))
        for records in answer.answer:
            records.ttl = TTL_S
        return [upstreams.Reply(answer.to_wire())]
    return behaviour


def serving(net, behaviour):
    if behaviour is None:
        return contextlib.nullcontext()
    return upstreams.Upstream(net.server, behaviour)


def ask(net, name):
    """(the answer, seconds)"""
    began = time.monotonic()
    answer = names.ask(net.client, ASKED, name, timeout_s=5)
    return answer, time.monotonic() - began


def learn(net, *wanted):
    """They have been answered once, by a server that is gone then."""
    with serving(net, short(OLD4)):
        for name in wanted:
            answer, _ = ask(net, name)
            assert names.texts(answer) == (
                set() if name == ABSENT else {OLD4}), answer
            assert names.reasons(answer) == set(), answer


def over(net, name, reason):
    """The first answer that says that its time is over, and its seconds."""
    def there():
        answer, seconds = ask(net, name)
        assert names.rcode(answer) == (
            "NXDOMAIN" if name == ABSENT else "NOERROR"), answer
        return names.reasons(answer) == {reason} and (answer, seconds)
    return proc.wait_until(there, 15, f"a stale answer for {name}")


def learnt_and_over(net):
    """Names of which the answers' time is over, though nobody was asked."""
    learn(net, *NAMES)
    with serving(net, upstreams.servfail):
        over(net, NAMES[-1], STALE)
    return iter(NAMES[:-1])


@pytest.mark.parametrize("outage", OUTAGES)
def test_what_is_over_is_given_while_nobody_answers(
        net, routed, tpx, outage):
    instance = tpx(f"{FORWARD}\ndns serve-stale 1h", workers=1)
    learn(net, NAMES[0], ABSENT)
    with serving(net, OUTAGES[outage]):
        answer, seconds = over(net, NAMES[0], STALE)
        assert seconds <= IN_TIME_S
        records, = answer.answer
        assert names.texts(answer) == {OLD4}
        assert records.ttl == STALE_TTL_S
        # for a while nobody is asked again, so that nobody waits
        answer, seconds = ask(net, NAMES[0])
        assert names.reasons(answer) == {STALE} and seconds < SOON_S
        over(net, ABSENT, STALE_NXDOMAIN)
        answer, seconds = ask(net, NAMES[1])
        assert names.rcode(answer) == "SERVFAIL" and seconds <= IN_TIME_S
        assert not names.reasons(answer) & {STALE, STALE_NXDOMAIN}
    rows = instance.rows(2, f"source = 'stale' AND qname = '{NAMES[0]}'",
                         view="dns")
    assert {(row["ede"], row["ttl"], row["rcode"]) for row in rows} == {
        (STALE, STALE_TTL_S, "NOERROR")}


def test_a_server_that_is_back_is_asked_at_once(net, routed, tpx):
    """For whatever nobody has asked for while it was away."""
    tpx(f"{FORWARD}\ndns serve-stale 1h", workers=1)
    left = learnt_and_over(net)
    with serving(net, short(NEW4)):
        def fresh():
            answer, _ = ask(net, next(left))
            assert names.texts(answer) == {NEW4}, answer
            return names.reasons(answer) == set()
        proc.wait_until(fresh, BACK_S, "a fresh answer")


@pytest.mark.long
def test_what_was_given_stale_is_asked_for_again(net, routed, tpx):
    tpx(f"{FORWARD}\ndns serve-stale 1h", workers=1)
    learn(net, NAMES[0])
    with serving(net, upstreams.silent):
        over(net, NAMES[0], STALE)
    with serving(net, short(NEW4)):
        answer, _ = ask(net, NAMES[0])
        assert names.texts(answer) == {OLD4}
        proc.wait_until(lambda: names.texts(ask(net, NAMES[0])[0]) == {NEW4},
                        REST_S, "a fresh answer")


@pytest.mark.parametrize("option", ["2s", "no"])
def test_what_is_too_old_is_not_given(net, routed, tpx, option):
    tpx(f"{FORWARD}\ndns serve-stale {option}", workers=1)
    learn(net, NAMES[0])
    reasons = set()

    def failed():
        answer, _ = ask(net, NAMES[0])
        reasons.update(names.reasons(answer))
        return names.rcode(answer) == "SERVFAIL"
    with serving(net, upstreams.servfail):
        proc.wait_until(failed, 15, "an error")
    assert (STALE in reasons) == (option != "no")
