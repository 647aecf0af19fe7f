# SPDX-License-Identifier: ISC
"""The kernel's sets of rules with `by dns', and what becomes of flows."""

import json

from . import proc

PATIENCE_S = 10


def pairs(namespace):
    """Seconds left of each pair (client, server) that they have."""
    listed = json.loads(namespace.run(
        "nft", "-j", "list", "table", "inet", "tpx").stdout)
    found = {}
    for item in listed["nftables"]:
        if not item.get("set", {}).get("name", "").startswith("names_"):
            continue
        for element in item["set"].get("elem", []):
            pair = tuple(element["elem"]["val"]["concat"])
            found[pair] = element["elem"]["expires"]
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
