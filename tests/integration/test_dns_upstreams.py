# SPDX-License-Identifier: ISC
"""Several upstreams, of which some are no good: nobody waits for those."""

import contextlib
import time

import pytest

from rig import names, upstreams

ASKED = "192.0.2.53"
UPSTREAMS = ("10.74.2.2", "10.74.2.9", "10.74.2.10")
FORWARD = f"dns forward {{ {' '.join(UPSTREAMS)} }}"
NAMES = 40
SOON_S = 0.7  # libunbound alone would wait for each that is silent
FEW = NAMES // 4


@pytest.fixture
def routed(net):
    net.gateway.ip("route", "add", "default", "via", net.SERVER4)
    net.server.ips(*(f"address add {address}/24 dev eth0"
                     for address in UPSTREAMS[1:]))


@contextlib.contextmanager
def serving(net, *behaviours):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(upstreams.Upstream(
            net.server, behaviour, [address]))
            for address, behaviour in zip(UPSTREAMS, behaviours)]


def asked(upstream):
    """How many of the names it was asked for."""
    return sum(bool(upstream.asked(name_of(number)))
               for number in range(NAMES))


def name_of(number):
    return f"name{number}.example.net"


def ask_all(net, **options):
    """Each name once, and all have their answer; the longest time."""
    longest = 0.0
    for number in range(NAMES):
        began = time.monotonic()
        answer = names.ask(net.client, ASKED, name_of(number), **options)
        longest = max(longest, time.monotonic() - began)
        assert names.texts(answer) == {upstreams.TRUE4}, answer
    return longest


@pytest.mark.parametrize("validate, options", [
    ("no", {}), ("yes", {"checking_disabled": True})],
    ids=["plain", "unchecked"])
@pytest.mark.parametrize("bad", [upstreams.silent, upstreams.servfail])
def test_the_good_one_of_three_is_asked(
        net, routed, tpx, bad, validate, options):
    """From the first name on, and the others hardly any more."""
    tpx(f"{FORWARD}\ndns validate {validate}")
    with serving(net, bad, bad, upstreams.honest) as (one, two, good):
        assert ask_all(net, **options) < SOON_S
        assert asked(good) == NAMES
        assert asked(one) + asked(two) < FEW
