# SPDX-License-Identifier: ISC
"""What an instance costs its host, and that it is no more than before."""

import os

from . import proc

GROWTH_KIB = 16 * 1024
CPU_MOST = 0.01
CPU_SECONDS = 2.0
PEAK_S = 0.1


def by_process(values):
    """With the name of each process by its pid: relays share one."""
    return {f"{proc.name(pid)} {pid}": value for pid, value in values.items()}


def memory(instance):
    return {pid: proc.pss_kib(pid) for pid in instance.pids()}


class Peak(proc.Background):
    """The most memory that each process has had since then, in KiB."""

    def __init__(self, instance):
        self.most = memory(instance)
        self._begin()

    def _run(self):
        while not self._closing.wait(PEAK_S):
            for pid, most in self.most.items():
                self.most[pid] = max(most, proc.pss_kib(pid))


def assert_flat(before, after, most_kib=GROWTH_KIB, relay_kib=None):
    """Memory is about what it was; of relays, which cache nothing, closer."""
    grown = by_process({pid: after[pid] - kib for pid, kib in before.items()})
    print(f"grown by KiB {grown}")
    assert max(grown.values()) < most_kib, grown
    relays = [kib for name, kib in grown.items() if "relay" in name]
    assert relay_kib is None or max(relays) < relay_kib, grown


def descriptors(instance):
    return {pid: len(os.listdir(f"/proc/{pid}/fd"))
            for pid in instance.pids()}


def assert_closed(instance, files, kept=0):
    """No process has more open than it had, but for what it may keep."""
    def back():
        now = descriptors(instance)
        assert all(now[pid] <= files[pid] + kept for pid in files), (now, files)
        return True
    proc.wait_until(back, 30, "descriptors")


def cpu_share(instance, seconds=CPU_SECONDS):
    """What each process uses of a CPU meanwhile."""
    before = {pid: proc.ran_s(pid) for pid in instance.pids()}
    proc.stays(lambda: True, seconds, "nothing")
    return {pid: (proc.ran_s(pid) - spent) / seconds
            for pid, spent in before.items()}


def assert_idle(instance):
    """No process is busy when nothing happens."""
    def idle():
        spent = by_process(cpu_share(instance))
        assert max(spent.values()) < CPU_MOST, spent
        return True
    # rows of what was before are perhaps still being written
    proc.wait_until(idle, 30, "less than 1 % of a CPU")


def assert_accounted(instance):
    """Every connection of a relay is a row, or a drop that was counted."""
    def even():
        assert instance.status()["flows"]["open"] == 0
        assert instance.accounts()["relay"] == 0, instance.accounts()
        return True
    proc.wait_until(even, 60, "accounts")
