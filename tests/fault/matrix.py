# SPDX-License-Identifier: ISC
"""The fault matrix: what happens, what must be seen, within how long.  Data.

Every row is run in both modes, for forwarded and for local traffic, and every
run looks at IPv4 and IPv6, TCP and UDP at once; test_matrix.py does it.  fault,
back and check are functions of faults.py.
"""

from typing import NamedTuple

LEASE_S = 2.0
GRACE_S = 0.5  # what a lease may be late

# what becomes of new connections
CAPTURED = "captured"  # relayed, within limit_s again
CONFIGURED = "configured"  # as on-failure says, within limit_s
HELD = "held"  # relayed or not at all until back

# when it begins
ARMED = "armed"
STARTING = "starting"  # it never gets armed

FLOWS = ("relay", "block", "pass")  # by who decides them


class Answers(NamedTuple):
    """What becomes of questions of DNS.

    They are answered well again within these times, those for a name that is
    cached and those for others.  each_s: none that is answered is answered
    later, whatever the answer; 0: some may get none.
    """
    cached_s: float
    fresh_s: float
    each_s: float = 0.0


class Case(NamedTuple):
    """A row.

    earliest_s: the state must not be reached sooner.  flows: established
    relayed flows live on.  dies: tpxd has ended, and is started again
    afterwards.  lost_s: flows that were open then, or ended that late before,
    may have no row; 0: every flow has one.  back: what undoes the fault, after
    which capture is there within back_s.  accounts: the flows that add up
    afterwards, by who decided them.  makes_room: new flows of UDP end old ones,
    so that they go on with on-failure closed.  answers: there is DNS in the
    load.  options are those of the fixture tpx.  daily: the modes and places
    that are not left to the long run.  alone: others beside it would feel it.
    """
    number: str
    title: str
    fault: str
    after: str
    limit_s: float
    earliest_s: float = 0.0
    flows: bool = True
    dies: bool = False
    lost_s: float = 0.0
    back: str = ""
    back_s: float = 5.0
    accounts: tuple = FLOWS
    check: str = ""
    begins: str = ARMED
    places: tuple = ("forwarded", "local")
    makes_room: bool = False
    answers: Answers | None = None
    options: dict = {}
    daily: tuple = (("closed", "forwarded"),)
    alone: bool = False

    def becomes(self, mode, protocol):
        """What comes after the fault, for new flows of a protocol."""
        goes_on = self.makes_room and mode == "closed" and protocol == "udp"
        return CAPTURED if goes_on else self.after

    def limit_of(self, protocol):
        """Within how long it comes, in seconds."""
        dns = protocol.startswith("dns")
        return self.answers.fresh_s if dns else self.limit_s

    def lease_s(self):
        """As its configuration has it."""
        lease = self.options.get("lease", f"{LEASE_S:.0f}s")
        return float(lease.removesuffix("s"))

    def settled_s(self):
        """When everything of it has come."""
        return max(self.limit_s, self.answers.fresh_s if self.answers else 0)


CLOSED_FORWARDED = (("closed", "forwarded"),)
CLOSED_LOCAL = (("closed", "local"),)
OPEN_FORWARDED = (("open", "forwarded"),)
OPEN_LOCAL = (("open", "local"),)
BOTH_FORWARDED = (("closed", "forwarded"), ("open", "forwarded"))

IN_A_LEASE = LEASE_S + GRACE_S
# elements live for two thirds of a lease, and beats come every ninth
SOONEST = LEASE_S * 5 / 9 - 0.1
LONG_LEASE_S = 6.0
ONE_RELAY = {"workers": 1}
FEW_DESCRIPTORS = {"workers": 1, "prefix": ("prlimit", "--nofile=256:256")}
TLS = {"upstream": "tls"}
QUESTIONS_TOO = FLOWS + ("dns",)
AT_ONCE_S = 0.5
# relays tell of a flow within 50 ms, and the log writes it within 200 ms
UNWRITTEN_S = 0.25 + 0.1
SOON_S = 2.0 + GRACE_S  # SERVFAIL, at the latest

CASES = (
    Case("1", "kill -9 the relay", "kill_relay", CAPTURED, 0.5, flows=False,
         check="flows_of_the_relay_ended", options=ONE_RELAY, daily=OPEN_LOCAL),
    Case("2", "SIGSTOP the relay", "stop_relay", CAPTURED, 3.0, flows=False,
         check="waiting_were_served", options=ONE_RELAY, daily=CLOSED_LOCAL),
    Case("3", "kill -9 every dnsd", "kill_dnsds", CAPTURED, AT_ONCE_S,
         answers=Answers(1.0, 1.0), accounts=QUESTIONS_TOO,
         check="dnsds_are_others",
         daily=CLOSED_FORWARDED + OPEN_LOCAL),
    Case("3a", "kill -9 the resolver", "kill_resolver", CAPTURED, AT_ONCE_S,
         answers=Answers(AT_ONCE_S, 1.0, SOON_S), accounts=QUESTIONS_TOO,
         check="resolver_is_another", daily=CLOSED_LOCAL),
    Case("3b", "kill -9 dnsds, then the resolver", "kill_dnsds_then_resolver",
         CAPTURED, AT_ONCE_S, answers=Answers(1.0, 1.0),
         accounts=QUESTIONS_TOO, check="dns_is_others", daily=OPEN_FORWARDED),
    Case("3c", "kill -9 tpx-dot", "kill_dot", CAPTURED, AT_ONCE_S,
         answers=Answers(AT_ONCE_S, 1.0, SOON_S), accounts=QUESTIONS_TOO,
         check="dot_is_another", options=TLS, daily=CLOSED_FORWARDED),
    # that long a lease that no other is there before somebody hears of it:
    # up to three beats of three seconds
    Case("3d", "SIGSTOP the resolver", "stop_resolver", CAPTURED, AT_ONCE_S,
         answers=Answers(AT_ONCE_S, 11.0, SOON_S), accounts=QUESTIONS_TOO,
         check="errors_came_soon", options={"lease": "27s"},
         daily=CLOSED_LOCAL),
    # as a relay, and a second until a SYN is sent again (RFC 6298, 2.1)
    Case("3e", "SIGSTOP every dnsd", "stop_dnsds", CAPTURED, 3.0,
         answers=Answers(4.0, 4.0), accounts=QUESTIONS_TOO,
         check="dnsds_are_others", daily=CLOSED_LOCAL),
    Case("3f", "SIGSTOP tpx-dot", "stop_dot", CAPTURED, AT_ONCE_S,
         answers=Answers(AT_ONCE_S, 3.0, SOON_S), accounts=QUESTIONS_TOO,
         check="dot_is_another", options=TLS, daily=CLOSED_LOCAL),
    Case("4", "kill -9 netctl's worker", "kill_netctl", CAPTURED, 1.0,
         check="only_netctl_is_another", daily=BOTH_FORWARDED),
    Case("4a", "kill -9 netctl's workers, all", "kill_netctls", CONFIGURED,
         IN_A_LEASE, flows=False, dies=True, check="tpxd_said_failure",
         daily=()),
    Case("5", "kill -9 netctl", "kill_keeper", CONFIGURED, LEASE_S,
         flows=False, dies=True, check="tpxd_said_failure",
         daily=BOTH_FORWARDED),
    Case("6", "SIGSTOP netctl", "stop_netctl", CONFIGURED, IN_A_LEASE,
         SOONEST, back="go_on", daily=CLOSED_FORWARDED),
    Case("6a", "SIGSTOP netctl's worker", "stop_netctl_worker", CONFIGURED,
         IN_A_LEASE, SOONEST, back="go_on",
         daily=CLOSED_FORWARDED + OPEN_LOCAL),
    Case("7", "kill -9 tpxd", "kill_tpxd", CONFIGURED, IN_A_LEASE, flows=False,
         dies=True, daily=BOTH_FORWARDED + CLOSED_LOCAL),
    Case("7a", "SIGTERM tpxd", "term_tpxd", CONFIGURED, IN_A_LEASE,
         flows=False, dies=True, daily=CLOSED_LOCAL),
    Case("8", "SIGSTOP tpxd", "stop_tpxd", CONFIGURED, IN_A_LEASE, SOONEST,
         back="go_on", check="nobody_is_replaced", daily=OPEN_LOCAL),
    Case("9", "kill -9 the flow log", "kill_flowlog", CAPTURED, 0.5,
         check="flow_log_is_another", daily=CLOSED_LOCAL),
    Case("10", "kill -9 everything at once", "kill_everything", CONFIGURED,
         IN_A_LEASE, flows=False, dies=True, lost_s=UNWRITTEN_S,
         daily=BOTH_FORWARDED),
    Case("11", "a relay that dies at start", "nothing", CONFIGURED, IN_A_LEASE,
         flows=False, check="degraded_and_idle", begins=STARTING,
         options={"programs": "dying relay"}, daily=OPEN_LOCAL),
    Case("11a", "relays that die at start from now on", "spoil_relays",
         CONFIGURED, IN_A_LEASE, flows=False, check="degraded_and_idle",
         options={"workers": 1, "programs": "a copy"}, daily=CLOSED_LOCAL),
    Case("13", "log file system full", "fill_log", CAPTURED, 0.5,
         back="empty_log", check="rows_resume",
         options={"log": "small file system"}, daily=OPEN_LOCAL),
    Case("14", "noise in the database", "spoil_database", CAPTURED, 0.5,
         check="database_was_set_aside", daily=CLOSED_LOCAL),
    Case("15", "descriptors used up", "use_up_descriptors", CONFIGURED,
         IN_A_LEASE, back="give_back_descriptors", check="overload_was_said",
         makes_room=True, options=FEW_DESCRIPTORS, daily=CLOSED_FORWARDED),
    Case("15a", "descriptors used up, a long lease", "use_up_descriptors",
         CONFIGURED, LONG_LEASE_S + GRACE_S, back="give_back_descriptors",
         back_s=LONG_LEASE_S, check="overload_was_said", makes_room=True,
         options={**FEW_DESCRIPTORS, "lease": f"{LONG_LEASE_S:.0f}s"},
         daily=OPEN_FORWARDED),
    Case("16", "no local port left", "use_up_ports", HELD, 0.5,
         back="give_back_ports", check="overload_is_in_rows",
         options=ONE_RELAY, daily=CLOSED_LOCAL),
    Case("16a", "memory of a relay limited", "limit_memory", CONFIGURED,
         IN_A_LEASE, back="give_back_memory", check="memory_was_said",
         makes_room=True, options=ONE_RELAY, daily=OPEN_LOCAL),
    # daily in test_resources.py, where no other test wants a pipe meanwhile
    Case("16b", "pipe pages of the user used up", "use_up_pipes", CAPTURED,
         0.5, back="give_back_pipes", check="pipes_were_said",
         options=ONE_RELAY, daily=(), alone=True),
    Case("17", "netlink overrun", "overrun_netlink", CAPTURED, 1.0,
         check="compared_anew", options={"lease": "5s"}, daily=OPEN_LOCAL),
    Case("34", "nft flush ruleset and the like", "change_rulesets", CAPTURED,
         0.3, check="repairs_were_fast", daily=BOTH_FORWARDED),
    Case("34a", "rules of the guard changed", "change_guard", CAPTURED, 0.3,
         check="repairs_were_fast", daily=OPEN_LOCAL),
    Case("34b", "ip rule del", "delete_rules", CAPTURED, 0.3,
         check="repairs_were_fast", daily=CLOSED_LOCAL),
    Case("34c", "ip route flush table", "change_routes", CAPTURED, 0.3,
         check="repairs_were_fast", daily=OPEN_FORWARDED),
    Case("34d", "lo down and up", "flap_lo", CAPTURED, 0.5,
         daily=CLOSED_LOCAL),
    Case("34e", "changes while netctl is stopped, then killed",
         "change_and_kill", CAPTURED, 1.0, daily=CLOSED_LOCAL),
    Case("35", "interface down and up", "flap_interface", CAPTURED, 3.0,
         daily=CLOSED_FORWARDED),
    Case("35a", "interface renamed and back", "rename_interface", CAPTURED,
         3.0, check="absence_was_said", daily=OPEN_FORWARDED),
    # the host's own sockets are captured whatever interface they use
    Case("35b", "interface removed and returned", "replace_interface",
         CAPTURED, 4.0, places=("forwarded",), flows=False),
    Case("35c", "address changed and back", "change_address", CAPTURED, 3.0,
         daily=OPEN_FORWARDED),
    Case("36", "reload of a wrong configuration", "reload_wrongly", CAPTURED,
         0.5, check="old_configuration_stays", daily=OPEN_LOCAL),
    Case("36a", "thirty reloads", "reload_often", CAPTURED, 0.5,
         daily=CLOSED_LOCAL),
)

# 12: test_killpoints.py, at every point; CONFIGURED is what it may lead to
KILL_POINTS = Case("12", "kill -9 netctl between any two steps", "", CONFIGURED,
                   IN_A_LEASE, options=ONE_RELAY)
# of what, and who is killed
KILLS = (("start", "worker"), ("start", "both"),
         ("stop", "worker"), ("stop", "both"))
