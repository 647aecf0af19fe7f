# SPDX-License-Identifier: ISC
"""What a namespace is configured to do, to compare before and after."""

import difflib
import re

# -s: without counters and what is left of timeouts
COMMANDS = (
    "nft -s list ruleset",
    "ip -4 rule",
    "ip -6 rule",
    "ip -4 route show table all",
    "ip -6 route show table all",
    "sysctl -a",
)
# routes of addresses that the kernel makes up
LINK_LOCAL = re.compile(r"^(local |anycast |multicast )?f[ef][0-9a-f]{2}:")
# settings that count or are random, not configured
MOVING = re.compile(r"nf_conntrack_count|random|stable_secret|inode|\.mtu_|"
                    r"^(?!net\.)")


def take(namespace):
    """The output of every command, by command."""
    found = {}
    for command in COMMANDS:
        text = namespace.run(*command.split()).stdout
        if command == "sysctl -a":
            text = "".join(line for line in text.splitlines(True)
                           if not MOVING.search(line))
        elif " route " in command:
            text = "".join(sorted(line for line in text.splitlines(True)
                                  if not LINK_LOCAL.match(line)))
        found[command] = text
    return found


# what a netctl that is killed together with its keeper cannot put back
ORPHANED = ("net.netfilter.nf_conntrack_acct",
            "net.netfilter.nf_conntrack_timestamp")


def difference(before, after, ignored=()):
    """What changed, as text; settings that appeared since then do not count.

    The kernel adds the sysctls of conntrack when something first uses it.
    ignored are names of others.
    """
    text = ""
    for command, lines in before.items():
        old, new = lines.splitlines(), after[command].splitlines()
        if command == "sysctl -a":
            names = {line.partition(" =")[0] for line in old} - set(ignored)
            old, new = ([line for line in lines
                         if line.partition(" =")[0] in names]
                        for lines in (old, new))
        text += "\n".join(difflib.unified_diff(
            old, new, command, command + " (after)", lineterm="", n=0))
    return text


def tables(state):
    """Names of the nft tables, such as "inet tpx_guard"."""
    return set(re.findall(r"^table (\S+ \S+) ", state["nft -s list ruleset"],
                          re.M))
