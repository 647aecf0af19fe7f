# SPDX-License-Identifier: ISC
"""Processes that a test starts, and waiting for what they bring about.

A process is ended by its own pid only.  Nothing sleeps for a fixed time:
wait_until() asks again and again until the answer is yes or the deadline has
passed, stays() asks whether it is yes all the while.
"""

import collections
import contextlib
import os
import pathlib
import pwd
import re
import signal
import subprocess
import tempfile
import threading
import time

POLL_S = 0.01
POLL_SLOWER, POLL_MOST_S = 1.3, 0.05  # when it takes longer


def wait_until(condition, timeout_s=10.0, what="the condition"):
    """Call condition() until it returns something true, and return that.

    An AssertionError, OSError or LookupError raised by it counts as "not yet".
    Raises TimeoutError, naming what and the last error, at the deadline.
    """
    deadline = time.monotonic() + timeout_s
    pause_s = POLL_S
    while True:
        error = None
        try:
            value = condition()
            if value:
                return value
        except (AssertionError, OSError, LookupError) as caught:
            error = caught
        if time.monotonic() >= deadline:
            last = f" (last: {error!r})" if error else ""
            raise TimeoutError(f"{what}: not within {timeout_s} s{last}")
        time.sleep(pause_s)
        pause_s = min(POLL_MOST_S, pause_s * POLL_SLOWER)


def settled(read, quiet_s=0.5, slack=0, timeout_s=10.0):
    """The number that read() returns once it has stayed for quiet_s.

    It stays while it moves by no more than slack.
    """
    base, since = read(), time.monotonic()

    def quiet():
        nonlocal base, since
        value, now = read(), time.monotonic()
        if abs(value - base) > slack:
            base, since = value, now
        return now - since >= quiet_s
    wait_until(quiet, timeout_s, f"a number stays within {slack}")
    return base


def stays(condition, seconds, what="the condition"):
    """Call condition() all the time for so long; it has to be true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"{what}: no longer so"
        time.sleep(POLL_S)


def exit_on_term():
    """Let SIGTERM unwind the stack, so that every context cleans up."""
    def unwind(number, frame):
        raise SystemExit(128 + number)
    signal.signal(signal.SIGTERM, unwind)


def ensure_user(name="tpx"):
    """Return the passwd entry of a system user, made first if missing."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", "--shell",
                        "/usr/sbin/nologin", name], check=True)
        return pwd.getpwnam(name)


def alive(pid):
    """Is there a process of that number that is not a zombie?"""
    try:
        return stat(pid)[0] not in "ZX"
    except OSError:
        return False


def program(pid):
    """Path of the program that pid runs; of none when it has ended."""
    try:
        return pathlib.Path(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return pathlib.Path()


def stat(pid):
    """The fields of /proc/PID/stat from the state on (proc(5): field 3)."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text.rpartition(")")[2].split()


def name(pid):
    """The short name of a process (proc(5): comm)."""
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def cpu_s(pid):
    """User and system seconds that all threads of pid have used so far."""
    fields = stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ran_s(pid):
    """The same of its threads that still run, to the nanosecond."""
    return sum(int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat")
                   .read_text().split()[0]) for task in tasks(pid)) / 1e9


def age_s(pid):
    """Seconds since the process was started."""
    ticks = int(stat(pid)[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks


def limit(pid, option, user="tpx"):
    """Change a resource limit of a running process; option is prlimit(1)'s.

    As its user: root without CAP_SYS_RESOURCE may not.
    """
    subprocess.run(["setpriv", f"--reuid={user}", f"--regid={user}",
                    "--clear-groups", "prlimit", f"--pid={pid}", option],
                   check=True)


def pss_kib(pid):
    """Proportional set size: shared pages count by their share."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))


def pss_by_mapping_kib(pid):
    """The same, by file, "[heap]" and the like, or "anonymous"."""
    found, name = collections.Counter(), None
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if "-" in fields[0]:
            name = fields[5] if len(fields) > 5 else "anonymous"
        elif fields[0] == "Pss:":
            found[name] += int(fields[1])
    return found


def opened(pid):
    """What a process has open, by name; of what was closed meanwhile nothing.
    """
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def tasks(pid):
    """Thread ids of pid."""
    return list(map(int, os.listdir(f"/proc/{pid}/task")))


def children(pid):
    """Pids of the children of pid, not of theirs."""
    found = []
    for task in tasks(pid):
        listed = pathlib.Path(f"/proc/{pid}/task/{task}/children")
        found += map(int, listed.read_text().split())
    return found


def descendants(pid):
    """Pids of everything below pid, parents first."""
    found = children(pid)
    for child in found:
        try:
            found += children(child)
        except OSError:
            pass
    return found


def kill(pids, number=signal.SIGKILL):
    """Send a signal to every one of these that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def kill_at_once(pids):
    """End processes with SIGKILL so that none sees another one end.

    Parents come first among them, and have to be killed last: their children
    go on then.
    """
    kill(pids, signal.SIGSTOP)
    kill(pids[::-1])


@contextlib.contextmanager
def stopped(pids):
    """Processes that do nothing (SIGSTOP) for as long as the context lasts."""
    kill(pids, signal.SIGSTOP)
    try:
        wait_until(lambda: all(stat(pid)[0] == "T" for pid in pids), 1,
                   "processes stopped")
        yield
    finally:
        kill(pids, signal.SIGCONT)


class Background:
    """What a thread does, by _run(), until _closing is set by close().

    A context.
    """

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _begin(self):
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        raise NotImplementedError

    def close(self):
        self._closing.set()
        self._thread.join()


class Process:
    """A running program whose output is kept in a file.

    As a context it is stopped at the end.  netns is the name of a network
    namespace, or None for the current one.  stdout and stderr go to one
    temporary file; popen may carry other arguments of subprocess.Popen.
    """

    def __init__(self, *argv, netns=None, **popen):
        self.argv = [str(word) for word in argv]
        prefix = ["ip", "netns", "exec", netns] if netns else []
        self._log = tempfile.TemporaryFile()
        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.setdefault("stdout", self._log)
        popen.setdefault("stderr", self._log)
        # ip execs the program in place, so the pid is the program's
        self.popen = subprocess.Popen(prefix + self.argv, **popen)
        self.pid = self.popen.pid

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()

    def __repr__(self):
        return f"<{' '.join(self.argv)}, pid {self.pid}>"

    def running(self):
        return self.popen.poll() is None

    def output(self):
        """Everything it has written so far, as text."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def wait_output(self, pattern, timeout_s=10.0):
        """Wait until a regular expression matches its output; the match."""
        def matched():
            found = re.search(pattern, self.output(), re.M)
            if not found and not self.running():
                raise RuntimeError(
                    f"{self} ended with {self.popen.returncode} before it "
                    f"wrote {pattern!r}:\n{self.output()}")
            return found
        return wait_until(matched, timeout_s, f"{self} writes {pattern!r}")

    def send_signal(self, number):
        self.popen.send_signal(number)

    def wait(self, timeout_s=10.0):
        """Its exit status (negative: the signal); TimeoutExpired if late."""
        return self.popen.wait(timeout_s)

    def stop(self, number=signal.SIGTERM, timeout_s=10.0):
        """End it with a signal, with SIGKILL after timeout_s; its status."""
        if self.running():
            self.send_signal(number)
            # a stopped process would never see anything but SIGKILL
            self.send_signal(signal.SIGCONT)
            try:
                self.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        return self.popen.wait()
