# SPDX-License-Identifier: ISC
"""tpxd from a build directory, running in a namespace."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import tempfile
import time

from . import proc

USER = "tpx"
PASS_ROW_S = 90
MARK_MASK, MARK_PASS = 0x07000000, 0x04000000  # policy/mark.h


class Tpx:
    """A directory of user tpx for one instance, and tpxd in it.

    config is the configuration text without `control socket` and `log dir`,
    which are added.  As a context it is started, waited for and removed.  All
    of build has to be readable for user tpx.
    """

    def __init__(self, namespace, build, config):
        self.namespace = namespace
        self.build = pathlib.Path(build).resolve()
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="tpx-"))
        self.config = self.home / "tpx.conf"
        self.socket = self.home / "tpxd.sock"
        self.log = self.home / "log"
        self.tpxd = None
        self._make_files(config)

    def __enter__(self):
        try:
            self.start()
            self.wait_state("armed")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception):
        self.close()

    def start(self, prefix=()):
        """Start tpxd, by the words of a prefix; it is not armed yet."""
        self.tpxd = self.namespace.spawn(
            *prefix, self.build / "tpxd", "-f", self.config, "-x", self.build)

    def stop(self):
        """End tpxd with SIGTERM, and nobody is left; its exit status."""
        asked = self.tpxd.running()
        status = self.tpxd.stop()
        # one that is killed cannot see to it that the others end
        if asked and status >= 0:
            assert self.left() == [], "tpxd has ended without them"
        return status

    def close(self):
        try:
            if self.tpxd:
                self.stop()
        finally:
            if self.tpxd:
                proc.wait_until(self._no_orphans, what="orphans of tpxd end")
            shutil.rmtree(self.home)

    def pids(self):
        """tpxd and every process below it."""
        return [self.tpxd.pid, *proc.descendants(self.tpxd.pid)]

    def by_role(self):
        """Pids of the running processes, by role, in the order of start.

        The roles are tpxd, keeper, netctl (the keeper's worker), relay,
        flowlog, dnsd, resolver and dot; a role without a process has an empty
        list.
        """
        found = {"tpxd": [self.tpxd.pid], "keeper": [], "netctl": [],
                 "relay": [], "flowlog": [], "dnsd": [], "resolver": [],
                 "dot": []}
        with contextlib.suppress(OSError):  # tpxd has ended
            for pid in proc.children(self.tpxd.pid):
                self._add_role(found, pid)
        return found

    @staticmethod
    def _add_role(found, pid):
        with contextlib.suppress(OSError):  # it ended while it was looked at
            role = proc.name(pid).removeprefix("tpx-")
            if role == "netctl":
                found["keeper"].append(pid)
                found["netctl"] += filter(proc.alive, proc.children(pid))
            # one that is not yet executed is still called tpxd
            elif role in found and role != "tpxd" and proc.alive(pid):
                found[role].append(pid)

    def sql(self, query, *parameters):
        """Rows of the flow log as dictionaries, read while it is written.

        LookupError while it is not there, or somebody opens it: tpxd may be
        armed before that.
        """
        try:
            with contextlib.closing(sqlite3.connect(
                    f"file:{self.log}/flows.db?mode=ro", uri=True)) as log:
                log.row_factory = sqlite3.Row
                return [dict(row) for row in log.execute(query, parameters)]
        except sqlite3.OperationalError as error:
            raise LookupError(str(error)) from error

    def rows(self, count, where="1", timeout_s=10.0, view="flows"):
        """Wait for exactly count rows of a view, and return them."""
        query = f"SELECT * FROM {view} WHERE {where} ORDER BY id"

        def there():
            found = self.sql(query)
            assert len(found) >= count, f"{len(found)} of {count} rows"
            return found
        found = proc.wait_until(there, timeout_s, f"{count} rows {where}")
        assert len(found) == count, f"{len(found)} rows instead of {count}"
        return found

    def passed_row(self):
        """The one row, of a flow that the kernel itself may have decided.

        conntrack reports its end when it cleans up, once a minute or so:
        reading its table makes it look.
        """
        def there():
            self.namespace.run("cat", "/proc/net/nf_conntrack")
            return self.rows(1, timeout_s=0)
        row, = proc.wait_until(there, PASS_ROW_S, "a row")
        return row

    def unaccounted(self):
        """Accepted flows: neither rows, nor drops, nor unlogged, nor open."""
        status = self.status()
        rows = self.sql("SELECT count(*) AS n FROM flows WHERE final")[0]["n"]
        return (status["flows"]["accepted"] - status["flows"]["open"]
                - status["log"]["dropped"] - status["flows"]["unlogged"]
                - rows)

    def passing(self, since):
        """Passed flows begun since then that conntrack holds: they are open.

        It tells of an end when somebody makes it look, as this does.
        """
        table = self.namespace.run("cat", "/proc/net/nf_conntrack").stdout
        age_s = time.time() - since
        return sum(int(mark) & MARK_MASK == MARK_PASS
                   and int(seconds) <= age_s for mark, seconds in re.findall(
                       r" mark=(\d+) .*delta-time=(\d+)", table))

    def accounts(self, since=0.0, unlogged="relay"):
        """Flows begun that are neither rows nor drops nor open, by decider.

        relay: those that relays accepted.  block and pass: those that the
        kernel decided, packets that were lost on the way to the log included.
        Of passed ones the number is right while none begins or ends.
        unlogged is whose rules have `log no', if any: their flows count too.
        dns: questions, as far as every dnsd has told of them.
        since is when this tpxd was started (time.time()), if others have
        written the same log before.
        """
        status = self.status()
        flows = status["flows"]
        rows, = self.sql(
            "SELECT count(*) FILTER (WHERE worker IS NOT NULL) AS relay,"
            " count(*) FILTER (WHERE action = 'block') AS block,"
            " count(*) FILTER (WHERE action = 'pass') AS pass"
            " FROM flows WHERE final AND start_us >= ?", since * 1e6)
        rows |= self.sql("SELECT count(*) AS dns FROM dns"
                         " WHERE time_us >= ?", since * 1e6)[0]
        lost, = self.sql(
            "SELECT total(count) FILTER (WHERE source IN ('relay', 'flowlog')"
            " AND kind NOT LIKE 'dns-%') AS relay,"
            " total(count) FILTER (WHERE source = 'nflog') AS block,"
            " total(count) FILTER (WHERE source = 'conntrack') AS pass,"
            " total(count) FILTER (WHERE source = 'dnsd' OR kind LIKE 'dns-%')"
            " AS dns"
            " FROM drops WHERE julianday(time) >= julianday(?, 'unixepoch')",
            since)
        begun = {"relay": flows["accepted"] - flows["open"],
                 # a lost packet was never counted as blocked
                 "block": flows["blocked"] + lost["block"],
                 "pass": flows["passed"] + lost["pass"] - self.passing(since),
                 "dns": status["dns"]["queries"]}
        begun[unlogged] -= flows["unlogged"]
        return {action: int(begun[action] - rows[action] - lost[action])
                for action in begun}

    def ctl(self, *words, check=True):
        """Run tpxctl against this instance; a CompletedProcess."""
        return self.namespace.run(self.build / "tpxctl", "-s", self.socket,
                                  *words, check=check)

    def unblock(self):
        """Remove what a stopped tpxd has left behind."""
        self.ctl("unblock", "-x", self.build)

    def status(self):
        """`tpxctl status`; LookupError while nobody answers."""
        done = self.ctl("--json", "status", check=False)
        if done.returncode:
            raise LookupError(f"tpxctl status: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def wait_state(self, *states, timeout_s=10.0):
        """Wait until the state is one of these; the status."""
        def reached():
            if not self.tpxd.running():
                raise RuntimeError(f"{self.tpxd} has ended:\n"
                                   f"{self.tpxd.output()}")
            status = self.status()
            assert status["state"] in states, status["state"]
            return status
        return proc.wait_until(reached, timeout_s, f"tpxd is in {states}")

    def wait_running(self):
        """Wait until every process runs: then all have been given channels.

        It may be armed before the flow log is, which opens a database first.
        """
        proc.wait_until(lambda: {process["state"] for process
                                 in self.status()["processes"]} == {"running"},
                        what="every process runs")

    def wait_replaced(self, role, old, timeout_s):
        """Wait until as many others are in the place of old ones; these."""
        def done():
            new = self.by_role()[role]
            return len(new) == len(old) and not set(new) & set(old) and new
        return proc.wait_until(done, timeout_s, f"a new {role}")

    def left(self):
        """Pids of its processes when it has ended itself."""
        return [pid for pid in self.namespace.pids()
                if proc.program(pid).parent == self.build]

    def _no_orphans(self):
        """Kill what a killed tpxd may have left; is nothing there now?"""
        orphans = self.left()
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not orphans

    def configure(self, config, path=None):
        """Write a configuration, complete, to its file or another one."""
        path = path or self.config
        user = proc.ensure_user(USER)
        path.write_text(f'{config}\ncontrol socket "{self.socket}"\n'
                        f'log dir "{self.log}"\n')
        os.chown(path, user.pw_uid, user.pw_gid)

    def _make_files(self, config):
        user = proc.ensure_user(USER)
        self.log.mkdir(mode=0o750)
        self.home.chmod(0o755)
        for path in (self.home, self.log):
            os.chown(path, user.pw_uid, user.pw_gid)
        self.configure(config)
