# SPDX-License-Identifier: ISC
"""The letters of questions: what servers are sent, and clients get back."""

import pytest

from rig import names, upstreams

ASKED = "192.0.2.53"
FORWARD = "dns forward { 10.74.2.2 }\ndns validate no"
NAMES = [f"WwW-{'abcdef' * 3}-{number}.eXample.net" for number in range(8)]


@pytest.fixture
def routed(net):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)


def letters(message):
    return message.question[0].name.to_text(omit_final_dot=True)


def ask_all(net):
    """All have their answer, in their own letters."""
    for name in NAMES:
        answer = names.ask(net.client, ASKED, name)
        assert names.texts(answer) == {upstreams.TRUE4}, answer
        assert letters(answer) == name
        assert {records.name.to_text(omit_final_dot=True)
                for records in answer.answer} == {name}


def heard(upstream, name):
    """The letters in which it was asked for a name, one question each."""
    return [letters(question.query) for question in upstream.asked(name)]


@pytest.mark.parametrize("option", ["yes", "no"])
def test_letters_are_sent_as_the_option_says(net, routed, tpx, option):
    tpx(f"{FORWARD}\ndns random-case {option}")
    with upstreams.Upstream(net.server) as upstream:
        ask_all(net)
        sent = {name: heard(upstream, name) for name in NAMES}
    for name, (one,) in sent.items():
        assert one.lower() == name.lower()
        assert one != name
        assert one.islower() == (option == "no"), one


def test_a_server_with_letters_of_its_own_is_asked_again(net, routed, tpx):
    """Twice in small letters, and believed if it says the same."""
    tpx(f"{FORWARD}\ndns random-case yes")
    with upstreams.Upstream(net.server, upstreams.in_capitals) as upstream:
        ask_all(net)
        for name in NAMES:
            first, *others = heard(upstream, name)
            assert not first.islower()
            assert others == [name.lower()] * 2
        answers = iter(f"198.51.100.{number}" for number in range(255))
        upstream.behaviour = lambda query: upstreams.in_capitals(
            query, next(answers))
        answer = names.ask(net.client, ASKED, "other.example.net")
        assert names.rcode(answer) == "SERVFAIL", answer
