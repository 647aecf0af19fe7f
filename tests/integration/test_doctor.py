# SPDX-License-Identifier: ISC
"""Each check of `tpxctl doctor' finds what it is for, and nothing else."""

import ctypes
import json
import os
import pathlib
import socket
import struct

import pytest

from conftest import ECHO, FORWARDED, LOCAL, configuration
from rig import proc, snapshot, traffic

SECCOMP_ALLOW, SECCOMP_ERRNO_ENOSYS = 0x7FFF0000, 0x00050000 | 38
LANDLOCK_CREATE_RULESET = 444
STA_UNSYNC = 0x0040
STATEMENTS = "pass to 192.0.2.0/24\ndns forward { 9.9.9.9 }"


class Doctor:
    """tpxctl doctor in the gateway, with a configuration of its own."""

    def __init__(self, net, build, home):
        self.net, self.tpxctl = net, build / "tpxctl"
        self.log = home / "log"
        self.config = home / "tpx.conf"
        self.log.mkdir(mode=0o750)
        user = proc.ensure_user("tpx")
        os.chown(self.log, user.pw_uid, user.pw_gid)
        self.configure(STATEMENTS)

    def configure(self, statements, capture=FORWARDED):
        self.config.write_text(configuration(statements, capture=capture)
                               + f'log dir "{self.log}"\n')

    def run(self, *words, prefix=(), **options):
        return self.net.gateway.run(
            *prefix, self.tpxctl, *words, "doctor", "-f", self.config,
            check=False, **options)

    def findings(self, **options):
        """Severity of each finding, and what was found, by its name."""
        done = self.run("--json", **options)
        found = {one["check"]: (one["severity"], one["found"])
                 for one in json.loads(done.stdout)}
        broken = any(severity == "broken" for severity, _ in found.values())
        assert done.returncode == broken, done
        return found


@pytest.fixture
def doctor(net, build, tmp_path):
    tmp_path.chmod(0o755)
    for interface in ("all", "default", net.CLIENT_IF):
        net.gateway.sysctl(f"net.ipv4.conf.{interface}.rp_filter", 0)
    net.gateway.sysctl("net.ipv4.ip_local_port_range", "32768 60999")
    net.gateway.sysctl("net.ipv4.tcp_fastopen", 1)
    net.gateway.sysctl("net.mptcp.enabled", 0)
    return Doctor(net, build, tmp_path)


def mounted(script):
    """Words that run others after a script in a mount namespace."""
    return ("unshare", "-m", "sh", "-ec", f"{script}\nexec \"$@\"", "sh")


def fake(directory, **files):
    """A directory in whose place there are just these files."""
    return mounted(f"mount -t tmpfs none {directory}\n" + "\n".join(
        f"echo '{text}' >{directory}/{name}" for name, text in files.items()))


NFT = ("table inet vpn {{ chain c {{ type filter hook prerouting priority 0;"
       " {}; }}; }}")
# check, severity, what breaks it in the gateway, a word of what is found
SYSCTLS = [
    ("src-valid-mark", "broken", "net.ipv4.conf.client0.src_valid_mark", 1,
     "client0"),
    ("src-valid-mark", "broken", "net.ipv4.conf.all.src_valid_mark", 1,
     "client0"),
    ("rp-filter", "warning", "net.ipv4.conf.all.rp_filter", 1, "client0"),
    ("forwarding", "broken", "net.ipv4.ip_forward", 0, "ip_forward is 0"),
    ("forwarding-v6", "broken", "net.ipv6.conf.all.forwarding", 0,
     "forwarding is 0"),
    ("ipv6", "broken", "net.ipv6.conf.lo.disable_ipv6", 1, "loopback"),
    ("ipv6-captured", "note", "net.ipv6.conf.client0.disable_ipv6", 1,
     "client0"),
    ("local-ports", "warning", "net.ipv4.ip_local_port_range", "40000 40100",
     "101 ports, 40000 to 40100"),
    ("syn-cookies", "warning", "net.ipv4.tcp_syncookies", 0, "is 0"),
    ("tcp-fastopen", "note", "net.ipv4.tcp_fastopen", 1027, "0x403"),
    ("mptcp", "note", "net.mptcp.enabled", 1, "enabled"),
]


def test_settings(net, doctor):
    """One after the other: each is put back before the next one."""
    for name, severity, key, value, found in SYSCTLS:
        before = net.gateway.run("sysctl", "-n", key).stdout.strip()
        assert name not in doctor.findings(), key
        net.gateway.sysctl(key, value)
        seen = doctor.findings()[name]
        assert seen[0] == severity and found in seen[1], key
        net.gateway.sysctl(key, before)
    assert not {row[0] for row in SYSCTLS} & set(doctor.findings())


RULES = [
    ("ip-rules", ["rule", "add", "fwmark", "0x1000000/0x7000000", "table",
                  "100"], "mark 0x1000000/0x7000000"),
    ("ip-rules", ["rule", "add", "fwmark", "0x2000001", "table", "100"],
     "mark 0x2000001"),
    ("ip-rules", ["-6", "rule", "add", "priority", "74", "to",
                  "2001:db8::/32", "table", "main"], "rule 74"),
    ("ip-rules", ["rule", "add", "priority", "900", "to", "203.0.113.0/24",
                  "table", "7478"], "leads to table 7478"),
    ("ip-routes", ["route", "add", "203.0.113.0/24", "dev", "lo", "table",
                   "7479"], "table 7479"),
]


def test_policy_routing_of_others(net, doctor):
    net.gateway.ip("rule", "add", "fwmark", "0xca6c", "table", "51820")
    net.gateway.ip("route", "add", "203.0.113.0/24", "dev", "lo", "table",
                   "51820")
    for name, words, found in RULES:
        assert name not in doctor.findings(), words
        net.gateway.ip(*words)
        severity, text = doctor.findings()[name]
        assert severity == "broken" and found in text
        assert "0xca6c" not in text
        net.gateway.ip(*("delete" if word == "add" else word
                         for word in words))


def test_marks_of_others(net, doctor):
    net.gateway.nft(NFT.format("meta mark set meta mark & 0xffffff00 | 0x1"))
    assert "nft-marks" not in doctor.findings()
    net.gateway.nft(NFT.format("meta mark set 1"))
    severity, text = doctor.findings()["nft-marks"]
    assert severity == "broken"
    assert text == "table vpn: meta mark set 0x00000001"
    doctor.configure(f"{STATEMENTS}\nmark mask 0x00000070")
    assert "nft-marks" in doctor.findings(), "all bits are changed"
    net.gateway.nft("flush ruleset\n"
                    + NFT.format("meta mark & 0x20 == 0x20 drop"))
    assert "nft-marks" in doctor.findings()
    doctor.configure(STATEMENTS)
    assert "nft-marks" not in doctor.findings()


def test_interfaces_that_are_not_there(net, doctor):
    assert "interfaces" not in doctor.findings()
    net.gateway.ip("link", "delete", net.CLIENT_IF)
    assert doctor.findings()["interfaces"] == ("warning", net.CLIENT_IF)


def test_bridges_that_call_iptables(net, doctor):
    net.gateway.ip("link", "add", "br0", "type", "bridge")
    for family in ("", "6"):
        net.gateway.sysctl(f"net.bridge.bridge-nf-call-ip{family}tables", 1)
    assert "bridge-netfilter" not in doctor.findings()
    doctor.configure(STATEMENTS, capture="capture forwarded on { br0 }")
    severity, text = doctor.findings()["bridge-netfilter"]
    assert severity == "warning"
    assert text.count("br0 is a bridge") == 2
    net.gateway.sysctl("net.bridge.bridge-nf-call-ip6tables", 0)
    assert doctor.findings()["bridge-netfilter"][1] == (
        "br0 is a bridge: bridge-nf-call-iptables is 1")
    net.gateway.sysctl("net.bridge.bridge-nf-call-iptables", 0)
    assert "bridge-netfilter" not in doctor.findings()


def test_a_full_table_of_conntrack(doctor):
    for count, is_full in ((799, False), (800, True)):
        found = doctor.findings(prefix=fake(
            "/proc/sys/net/netfilter", nf_conntrack_count=count,
            nf_conntrack_max=1000))
        assert ("conntrack-room" in found) == is_full
    assert found["conntrack-room"] == (
        "warning", "800 of 1000 entries are in use")


def test_accounts_of_conntrack(net, tpx):
    instance = tpx("pass to 192.0.2.0/24")

    def findings():
        done = instance.ctl("--json", "doctor", check=False)
        return {one["check"] for one in json.loads(done.stdout)}
    assert "conntrack-accounts" not in findings()
    net.gateway.sysctl("net.netfilter.nf_conntrack_acct", 0)
    assert "conntrack-accounts" in findings()


def test_few_descriptors(doctor):
    assert "descriptors" not in doctor.findings(
        prefix=("prlimit", "--nofile=16384"))
    severity, text = doctor.findings(
        prefix=("prlimit", "--nofile=1024"))["descriptors"]
    assert severity == "warning" and "1024" in text


def test_descriptors_of_a_relay_are_seen_by_all_who_may_ask(net, tpx):
    instance = tpx()
    done = net.gateway.run(
        "setpriv", "--reuid", "nobody", "--regid", "tpx", "--clear-groups",
        instance.build / "tpxctl", "-s", instance.socket, "--json", "doctor",
        check=False)
    found = {one["check"]: one for one in json.loads(done.stdout)}
    assert found["nft-marks"]["severity"] == "unknown"
    assert "descriptors" not in found


def test_the_log_directory(doctor):
    assert not {"log-directory", "log-space"} & set(doctor.findings())
    user = proc.ensure_user("tpx")
    options = f"size=1m,uid={user.pw_uid},mode=750"
    found = doctor.findings(prefix=mounted(
        f"mount -t tmpfs -o {options} none {doctor.log}"))
    assert found["log-space"] == ("warning",
                                  f"{doctor.log}: 1 MiB are free")
    assert "log-directory" not in found
    doctor.log.chmod(0o550)
    assert "mode 550" in doctor.findings()["log-directory"][1]
    doctor.log.chmod(0o750)
    os.chown(doctor.log, 0, 0)
    assert doctor.findings()["log-directory"] == (
        "broken", f"{doctor.log} belongs to uid 0")
    doctor.log.rmdir()
    assert "No such file" in doctor.findings()["log-directory"][1]


@pytest.mark.parametrize("files, found", [
    (["passwd"], "there is no user tpx"), (["group"], "there is no group tpx"),
    (["passwd", "group"], "there is no user and no group tpx")])
def test_the_user(doctor, tmp_path, files, found):
    assert "user" not in doctor.findings()
    script = ""
    for name in files:
        lines = pathlib.Path("/etc", name).read_text().splitlines(True)
        (tmp_path / name).write_text("".join(
            line for line in lines if not line.startswith("tpx:")))
        script += f"mount --bind {tmp_path / name} /etc/{name}\n"
    assert doctor.findings(prefix=mounted(script))["user"] == ("broken", found)


def test_other_resolvers(net, doctor):
    with net.gateway.socket(kind=socket.SOCK_DGRAM) as udp, \
            net.gateway.socket(socket.AF_INET6) as tcp:
        assert "resolver" not in doctor.findings()
        udp.bind(("127.0.0.53", 53))
        assert doctor.findings()["resolver"] == (
            "note", "1 sockets of this host are at port 53")
        tcp.bind(("::1", 53))
        tcp.listen()
        assert doctor.findings()["resolver"][1].startswith("2 ")
        doctor.configure("dns off")
        assert "resolver" not in doctor.findings()


def test_the_clock(doctor):
    """It is the machine's: what is said has to be so."""
    timex = ctypes.create_string_buffer(1024)
    ctypes.CDLL(None).adjtimex(timex)
    status = struct.unpack_from("i", timex, struct.calcsize("Illll"))[0]
    assert ("clock" in doctor.findings()) == bool(status & STA_UNSYNC)
    doctor.configure("dns forward { 9.9.9.9 }\ndns validate no")
    assert "clock" not in doctor.findings()


def test_networkd(doctor, tmp_path):
    prefix = fake("/run/systemd", nothing="")
    assert "networkd" not in doctor.findings(prefix=prefix)
    script = ("mount -t tmpfs none /run/systemd\nmkdir /run/systemd/netif\n"
              "touch /run/systemd/netif/state\n")
    assert doctor.findings(prefix=mounted(script))["networkd"][0] == "warning"
    script += ("mkdir -p /etc/systemd\nmount -t tmpfs none /etc/systemd\n"
               "mkdir /etc/systemd/networkd.conf.d\n"
               "printf '[Network]\\nManageForeignRoutingPolicyRules=no\\n'"
               " >/etc/systemd/networkd.conf.d/tpx.conf\n")
    assert "networkd" not in doctor.findings(prefix=mounted(script))


def _no_landlock():
    """A filter by which the kernel seems to know nothing of it."""
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, LANDLOCK_CREATE_RULESET),
            (0x06, 0, 0, SECCOMP_ERRNO_ENOSYS), (0x06, 0, 0, SECCOMP_ALLOW)]
    steps = ctypes.create_string_buffer(
        b"".join(struct.pack("HBBI", *step) for step in code))
    program = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(steps))
    if ctypes.CDLL(None).prctl(22, 2, program, 0, 0) != 0:
        os._exit(1)


def test_landlock(doctor):
    assert "landlock" not in doctor.findings()
    assert doctor.findings(preexec_fn=_no_landlock)["landlock"] == (
        "warning", "the kernel was built without it")


def test_what_only_root_may_see_is_unknown(doctor):
    found = doctor.findings(prefix=(
        "setpriv", "--inh-caps=-all", "--bounding-set=-all"))
    for name in ("nft-features", "nft-marks"):
        assert found[name] == ("unknown", "only root may look")
    assert "nft-features" not in doctor.findings()


@pytest.mark.smoke
@pytest.mark.parametrize("mode", ["closed", "open"])
def test_tpx_itself_is_no_finding_and_nothing_changes(net, doctor, tpx, mode):
    instance = tpx("pass to 192.0.2.0/24\nblock to 198.51.100.1", mode=mode,
                   capture=f"{FORWARDED}\n{LOCAL}")
    before = snapshot.take(net.gateway)
    done = instance.ctl("--json", "doctor", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = {one["check"] for one in json.loads(done.stdout)}
    assert not found & {"ip-rules", "ip-routes", "nft-marks", "nft-features",
                        "conntrack-accounts", "log-directory"}
    assert snapshot.take(net.gateway) == before


def test_text_is_a_line_for_each_with_its_cure(net, doctor):
    net.gateway.sysctl("net.ipv4.ip_forward", 0)
    done = doctor.run()
    lines = done.stdout.splitlines()
    assert len(lines) == len(doctor.findings()) and done.returncode == 1
    line, = [line for line in lines if " forwarding: " in line]
    assert line.startswith("broken   forwarding: net/ipv4/ip_forward is 0; "
                           "cure: sysctl -w net.ipv4.ip_forward=1")


def test_without_a_policy_it_looks_at_the_rest(net, doctor):
    done = net.gateway.run(
        *mounted("mkdir -p /etc/tpx && mount -t tmpfs none /etc/tpx"),
        doctor.tpxctl, "-s", "/nonexistent", "--json", "doctor", check=False)
    names = {one["check"] for one in json.loads(done.stdout)}
    assert not names & {"forwarding", "interfaces", "mptcp", "nft-features",
                        "log-directory", "log-space"}


def test_src_valid_mark_is_what_breaks(net, server, tpx):
    """A pin of why that setting is called broken."""
    net.gateway.sysctl("net.ipv4.conf.all.src_valid_mark", 1)
    instance = tpx("relay to any")
    done = instance.ctl("doctor", check=False)
    assert done.returncode == 1 and "broken   src-valid-mark" in done.stdout
    with pytest.raises(OSError):
        traffic.connect(net.client, net.SERVER4, ECHO, timeout_s=1)
    net.gateway.sysctl("net.ipv4.conf.all.src_valid_mark", 0)
    assert instance.ctl("doctor", check=False).returncode == 0
    traffic.connect(net.client, net.SERVER4, ECHO).close()
