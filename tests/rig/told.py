# SPDX-License-Identifier: ISC
"""The kernel's sets of rules with `by dns', and what becomes of flows.

Numbers are those of linux/netfilter/nf_tables.h; nft(8) takes minutes to show
sets that are full.
"""

import ipaddress
import struct

from . import netlink, proc

PATIENCE_S = 10
INET = 1  # NFPROTO_INET
GET_SET, GET_ELEMENTS = 0xa0a, 0xa0d  # NFNL_SUBSYS_NFTABLES, NFT_MSG_
TABLE = b"tpx\0"


def _sets(namespace):
    """Names of the sets, with their NUL."""
    for message in netlink.dump(namespace, GET_SET, INET,
                                netlink.attribute(1, TABLE)):
        found = dict(netlink.attributes(message))
        if found[1] == TABLE and found[2].startswith(b"names_"):
            yield found[2]


def _pair(element):
    """((client, server), seconds left)"""
    found = dict(netlink.attributes(element))
    key = dict(netlink.attributes(found[1]))[1]
    half = len(key) // 2
    left_ms, = struct.unpack("!Q", found[5])
    return (str(ipaddress.ip_address(key[:half])),
            str(ipaddress.ip_address(key[half:]))), left_ms / 1000


def pairs(namespace):
    """Seconds left of each pair (client, server) that they have."""
    found = {}
    for name in _sets(namespace):
        for message in netlink.dump(
                namespace, GET_ELEMENTS, INET,
                netlink.attribute(1, TABLE) + netlink.attribute(2, name)):
            elements = dict(netlink.attributes(message)).get(3, b"")
            found.update(_pair(element) for _, element
                         in netlink.attributes(elements))
    return found


def decided(instance):
    """Flows passed by the kernel, and those that relays took."""
    flows = instance.status()["flows"]
    return flows["passed"], flows["accepted"]


def goes(instance, begun):
    """Whether a flow that is begun so passes, and no relay takes it."""
    passed, accepted = decided(instance)
    begun()
    proc.wait_until(lambda: sum(decided(instance)) > passed + accepted,
                    PATIENCE_S, "a flow")
    return decided(instance) == (passed + 1, accepted)
